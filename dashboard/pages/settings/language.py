"""The language of a person's pages: that of the browser, or one of their choice."""

import streamlit as st

from dashboard import i18n, session
from dashboard.components import typography
from dashboard.components.markup import rich
from dashboard.i18n import _, say
from detector.errors import InputError
from service.languages import SOURCE, available, own_name

_KEY = "language"


def draw() -> None:
    """Draw the choice, and who translated what is shown."""
    try:
        scope = session.record_scope()
        current = scope.store.preferences(scope.owner).language
    except InputError as error:  # an account whose project does not answer
        typography.alert(say(error.message))
        return
    names = {"": _("As the browser")} | {code: own_name(code) for code in (SOURCE, *available())}
    st.selectbox(
        _("Language"),
        list(names),
        index=list(names).index(current) if current in names else 0,
        format_func=names.__getitem__,
        key=_KEY,
        on_change=_save,
    )
    if (shown := i18n.current()) != SOURCE:
        text = _(
            "This translation was made by machine. To correct it, edit <code>{file}</code> in the "
            "source of Unmask; <code>docs/languages.md</code> says how."
        )
        typography.caption(rich(text, file=f"dashboard/languages/{shown}.po"))


def _save() -> None:
    """Keep the choice, and show it in this run."""
    scope, code = session.record_scope(), st.session_state[_KEY]
    before = scope.store.preferences(scope.owner)
    scope.store.save_preferences(scope.owner, before.model_copy(update={"language": code}))
    i18n.choose(code)
