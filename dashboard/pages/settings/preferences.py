"""What each person sets for themselves: how long results are kept, the language of the pages."""

import streamlit as st

from dashboard import i18n, labels, session
from dashboard.components import controls, typography
from dashboard.components.markup import rich
from dashboard.i18n import _, say
from detector.errors import InputError
from service.languages import SOURCE, available, own_name
from service.records.model import Query
from service.storage.uploads import records_retention, retention

CHOICES = (1, 3, 7, 14, 30, 90, 365)
"""days"""
_LANGUAGE = "language"


def draw() -> None:
    """Draw the choice, and what is kept now; or why neither can be said."""
    try:
        scope = session.record_scope()
        usage = session.application().usage(session.request_context())
        counts = scope.store.search(scope.owner, Query(limit=1)).counts
        before = scope.store.preferences(scope.owner)
        days, looks = _choice(before.keep_days), _looks(before.find_originals)
        chosen = before.model_copy(update={"keep_days": days, "find_originals": looks})
        if chosen != before:
            scope.store.save_preferences(scope.owner, chosen)
            if not chosen.find_originals:
                session.application().originals.disable_lookups(scope)
    except InputError as error:  # an account whose project does not answer
        typography.alert(say(error.message))
        return
    # What failed is kept as well, and takes room: it is no result.
    number = sum(count for verdict, count in counts.items() if verdict is not None)
    text = _(
        "{results}. All that is kept takes {size}, with files; the files themselves go after "
        "{hours} at the latest."
    )
    typography.caption(
        text.format(
            results=labels.count(number, "result", "results"),
            size=labels.size(usage.bytes),
            hours=labels.hours(retention().total_seconds() / 3600),
        )
    )


def _choice(current: float | None) -> float | None:
    """Draw the choice of days; return the current one where it is left alone."""
    most = records_retention().total_seconds() / 86400
    usual = _("As for everybody here, {days}").format(days=labels.days(most))
    options: list[float | None] = [None, *(days for days in CHOICES if days < most)]
    if current not in options:
        options.append(current)  # from another server, which keeps longer or counts otherwise
    return st.selectbox(
        _("Keep my results"),
        options,
        index=options.index(current),
        format_func=lambda days: usual if days is None else labels.days(days),
        key="keep-days",
        help=_(
            "Counted from when a file was last uploaded, and never longer than the server keeps "
            "any. Then the result, its picture, notes and links are deleted for good."
        ),
    )


def _looks(current: bool) -> bool:
    """Draw whether originals are looked for."""
    text = _(
        "After an analysis, looks whether your library or an earlier analysis of yours shows the "
        "same footage, and holds the two against each other. For that, fingerprints of what you "
        "analyze are kept as long as the result; no footage."
    )
    return st.toggle(_("Look for originals"), current, key="settings-originals", help=text)


def draw_language() -> None:
    """Draw the choice, and who translated what is shown."""
    try:
        scope = session.record_scope()
        current = scope.store.preferences(scope.owner).language
    except InputError as error:  # an account whose project does not answer
        typography.alert(say(error.message))
        return
    names = {"": _("As the browser")} | {code: own_name(code) for code in (SOURCE, *available())}
    index = list(names).index(current) if current in names else 0
    controls.select(_("Language"), names, _LANGUAGE, index=index, on_change=_save_language)
    if (shown := i18n.current()) != SOURCE:
        text = _(
            "This translation was made by machine. To correct it, edit <code>{file}</code> in the "
            "source of Unmask; <code>docs/languages.md</code> says how."
        )
        typography.caption(rich(text, file=f"dashboard/languages/{shown}.po"))


def _save_language() -> None:
    """Keep the choice, and show it in this run."""
    scope, code = session.record_scope(), st.session_state[_LANGUAGE]
    before = scope.store.preferences(scope.owner)
    scope.store.save_preferences(scope.owner, before.model_copy(update={"language": code}))
    i18n.choose(code)
