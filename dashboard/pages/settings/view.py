"""The Settings page: thresholds from a person's own clips, preferences, facts about the
installation."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st
from markupsafe import Markup

from dashboard import i18n, labels, session
from dashboard._compat import UploadedFile
from dashboard.components import cards, controls, task_progress, typography
from dashboard.components.chips import chip
from dashboard.components.markup import Text, join, rich, show
from dashboard.components.tables import code, facts
from dashboard.i18n import advice
from dashboard.labels import NBSP
from dashboard.pages import alerted
from dashboard.pages.settings import browsers
from dashboard.result import base_rate
from detector import paths
from detector.decision import conformal
from detector.decision.conformal import OwnCalibration
from detector.decision.numbers import limit_of
from detector.errors import InputError
from detector.evaluation import own_calibration
from detector.media import isolated
from detector.messages.format import limit_percent
from detector.models.memory import budget as memory_budget
from detector.models.registry import list_models, selectable
from detector.presentation import own_threshold
from detector.sentences import _, ngettext, numeral, say
from service import languages
from service.config import get_config
from service.languages import SOURCE, available, own_name
from service.records.model import Query
from service.storage import uploads
from service.storage.uploads import records_retention, retention
from service.tasks.calibrations import CalibrationRequest, CalibrationTask

_OWN_ON = "own-on"
RATES = (0.01, 0.02, 0.05, 0.1)
"""False alarms to choose from."""
DEFAULT_RATE = 0.05


def draw() -> None:
    """Draw the page."""
    st.title(_("Settings"), anchor=False)
    left, right = st.columns([62, 38], gap=20)
    with left, st.container(border=True, key="card-own", gap="small"):
        _own()
    with right, st.container(border=True, key="card-time", gap="small"):
        typography.title(_("Your results"))
        with alerted():  # an account whose project may not answer
            _preferences()
    if not get_config().language:
        with right, st.container(border=True, key="card-language", gap="small"), alerted():
            _language()
    if session.current_user().may_administer:
        with right, st.container(border=True, key="card-browsers", gap="small"):
            browsers.draw()
    with right, st.container(border=True, key="card-server", gap=None):
        head = _("This installation")
        show(typography.heading(head), facts(server_facts(_is_local_admin())))
        after = _(
            "These are set where the server is started, by the environment variables beside them."
        )
        typography.caption(after, after=True)


def _is_local_admin() -> bool:
    """Return whether the viewer is an administrator at this computer, who may see folders."""
    return session.is_loopback_client() and session.current_user().may_administer


# --- thresholds by one's own clips ----------------------------------------------------------------


def _own() -> None:
    text = _(
        "Choose unaltered videos, or recordings of real voices, of the kind you "
        "usually check: the same cameras, the same apps. The upper threshold is then set so that "
        "as few of them as you choose are called manipulated or cloned. No fakes are needed, and "
        "any model will do."
    )
    show(cards.card_head(_("Thresholds from your own clips")), typography.text(text))
    store = conformal.load()
    may = session.current_user().may_administer
    if store.calibrations and may:
        st.toggle(_("Use them in new analyses"), value=store.on, key=_OWN_ON, on_change=_switch)
    titles = labels.plain_names(list_models())
    for own in store.calibrations:
        with st.container(border=True, key=f"own-{own.id}", gap="small"):
            show(described(own, titles, in_use=store.on, holds=own_calibration.holds(own)))
            promise = own_threshold.guarantee(len(own.clips), own.rate)
            warning = typography.caution(own_threshold.alike(own))
            typography.caption(join([promise, warning], " "))
            if may:
                delete = partial(conformal.delete, own.id)
                controls.button(_("Delete"), "delete", f"delete-{own.id}", delete)
    task = session.application().calibrations.current(session.current_user())
    if task is not None and task.active:
        task_progress.draw(task, _progress)
    elif task is not None:
        _outcome(task)
    elif may:
        _new(first=not store.calibrations)
    else:
        whose = _(
            "They hold for everybody who uses this server, so its administrator sets them: here, "
            "or by <code>unmask calibrate --real FOLDER</code>"
        )
        typography.caption(rich(whose))


def _switch() -> None:
    conformal.switch(bool(st.session_state[_OWN_ON]))


def described(own: OwnCalibration, titles: dict[str, str], *, in_use: bool, holds: bool) -> Markup:
    """Return one calibration in words: its clips and its thresholds."""
    names = [titles.get(id, id) for id in own.models]
    limit = _("above {percent}").format(percent=limit_percent(limit_of(own.high())))
    status = _("In use") if in_use else _("Switched off")
    if not holds:
        status = _("Its models have changed: make it again")
    clips = _("{clips} of {recordings}").format(
        clips=len(own.clips), recordings=labels.count(own.sources, "recording", "recordings")
    )
    rows = [
        (_("For"), labels.listed(names)),
        (_("Threshold"), limit),
        (_("Clips"), clips + (f": {own.domain}" if own.domain else "")),
        (_("Made"), labels.day(own.created)),
    ]
    most = _("At most {rate} false alarms").format(rate=conformal.rate_words(own.rate))
    return cards.titled(most, chip(status, "na")) + facts(rows)


def _new(*, first: bool) -> None:
    """Draw the form of a new calibration."""
    if not first:
        typography.section(_("Set it again, or for other models"))
    rates = {rate: conformal.rate_words(rate) for rate in RATES}
    rate = controls.choose(_("False alarms, at most"), rates, DEFAULT_RATE, "own-rate")
    need = conformal.least(rate)
    specs = selectable()
    titles, default = labels.plain_names(specs), [s.id for s in specs if s.votes]
    label = _("For which models, counted together")
    ids = controls.choose_any(label, titles, default, "own-models")
    domain = st.text_input(
        _("What are these clips?"),
        placeholder=_("interviews, phone, 1080p"),
        max_chars=80,
        key="own-what",
    )
    files = st.file_uploader(
        _("Untouched clips, at least {number}").format(number=need),
        type=[ending.removeprefix(".") for ending in sorted(own_calibration.ENDINGS)],
        accept_multiple_files=True,
        key="own-files",
    )
    sources = st.number_input(
        _("From how many different recordings?"),
        min_value=1,
        value=None,
        help=_(
            "One recording is one person at one place and time. Ten cuts of an interview are of "
            "one recording, and tell little more than one of them."
        ),
        key="own-sources",
    )
    folder = ""
    if _is_local_admin():
        folder = st.text_input(
            _("Or a folder on this computer"), placeholder=_("/videos/untouched"), key="own-folder"
        ).strip()
    typography.caption(_readiness(len(files), need, sources, folder))
    few = (len(files) < need or sources is None) and not folder
    if controls.button(_("Set the threshold"), "straighten", kind="primary", disabled=few):
        models = None if ids == default or not ids else ids
        try:
            clips, uploaded = _clips(files, folder, rate)
            request = CalibrationRequest(clips, models, rate, domain.strip(), sources, uploaded)
            session.application().calibrations.start(request, session.current_user())
        except (InputError, OSError) as error:
            text = (
                _("The clips could not be kept: {problem}.").format(problem=error.strerror)
                if isinstance(error, OSError)
                else advice(error)
            )
            st.error(labels.plain_markdown(text), icon=":material/error:")
        else:
            st.rerun()


def _readiness(count: int, need: int, sources: int | None, folder: str) -> str:
    if folder:
        read = _("Clips in the folder and its subfolders are read where they are, and left there.")
        each = _("Without a number of recordings, each folder is taken as one.")
        return read if sources else f"{read} {each}"
    if count >= need and sources is None:
        return _("Say how many different recordings they are from.")
    if count >= need:
        return _("{number} clips. They are deleted as soon as they are scored.").format(
            number=count
        )
    deleted = _("Uploaded clips are deleted as soon as they are scored.")
    return (
        f"{_('{number} more to go.').format(number=need - count)} {deleted}" if count else deleted
    )


def _clips(
    files: Sequence[UploadedFile], folder: str, rate: float
) -> tuple[list[Path], Path | None]:
    """Return the clips, and the temporary folder of uploads. Raise InputError for too few."""
    if not folder:
        calibrations = session.application().calibrations
        clips = calibrations.keep_clips([(file.name, file) for file in files])
        return clips, clips[0].parent
    clips = own_calibration.clips_in(Path(folder).expanduser())
    if len(clips) < conformal.least(rate):
        refusal = conformal.too_few(len(clips), rate)
        hint = _more_or_higher(len(clips))
        raise InputError(say(refusal.message), code=refusal.code, hint=hint)
    return clips, None


def _more_or_higher(count: int) -> str:
    """Return how many more clips, or which higher of the offered rates, would suffice."""
    enough = next((rate for rate in RATES if conformal.least(rate) <= count), None)
    if enough is not None:
        text = _("Add clips, or choose {rate}, for which these are enough.")
        return text.format(rate=conformal.rate_words(enough))
    more = conformal.least(RATES[-1]) - count
    text = ngettext(
        "Add clips: the highest rate here, {rate}, takes {number} more clip.",
        "Add clips: the highest rate here, {rate}, takes {number} more clips.",
        more,
    )
    return text.format(rate=conformal.rate_words(RATES[-1]), number=more)


def _progress(task: CalibrationTask) -> str:
    return _("{done} of {total} clips scored").format(done=task.done, total=task.total)


def _outcome(task: CalibrationTask) -> None:
    """Draw the outcome of the last task until it is dismissed."""
    if task.error:
        hint = say(task.hint)
        if task.code == "too_few_clips":
            each = _("{rate} takes {number}")
            takes = [each.format(rate=conformal.rate_words(rate), number=conformal.least(rate))
                     for rate in RATES]  # fmt: skip
            hint = _("Add clips, or choose a higher rate: {rates}.")
            hint = hint.format(rates=labels.listed(takes))
        text = labels.plain_markdown(f"{say(task.error)} {hint}".rstrip())
        if task.reference:
            reference = _("Reference {reference}")
            text += " " + reference.format(reference=labels.plain_markdown(task.reference))
        st.error(text, icon=":material/error:")
    elif task.result is not None:
        done = _("Set by {number} clips. New analyses use it.")
        st.success(done.format(number=len(task.result.clips)), icon=":material/check:")
        if warning := own_threshold.alike(task.result):
            st.warning(labels.plain_markdown(warning), icon=":material/warning:")
    if task.left_out:
        clips = labels.count(len(task.left_out), "clip", "clips")
        with st.expander(_("{clips} left out").format(clips=clips)):
            lines = [f"- {labels.plain_markdown(n)}: {labels.plain_markdown(w)}"
                     for n, w in task.left_out.items()]  # fmt: skip
            st.markdown("\n".join(lines))
    if controls.button(_("Done"), key="own-done"):
        session.application().tasks.dismiss(task)
        st.rerun()


# --- what is set elsewhere ------------------------------------------------------------------------


def server_facts(here: bool) -> list[tuple[str, Text]]:
    """Return the facts of this installation by name; paths only for its owner at this computer."""
    hours = labels.hours(uploads.retention().total_seconds() / 3600)
    days = uploads.records_retention().total_seconds() / 86400
    limit = st.get_option("server.maxUploadSize")
    files = labels.count(session.application().jobs.workers, "file", "files")
    apart = _("apart from the server") if isolated() else _("by the server itself")
    room = f"{numeral(memory_budget('cpu') / 1e9, '.1f')}{NBSP}GB"
    rows: list[tuple[str, Text, str]] = [
        (_("Files"), _("kept {time}").format(time=hours), "UNMASK_RETENTION_HOURS"),
        (
            _("Results"),
            _("kept {days} at most").format(days=labels.days(days)),
            "UNMASK_KEEP_RECORDS_DAYS",
        ),
        (_("Largest file"), f"{limit}{NBSP}MB", "UNMASK_MAX_UPLOAD_MB"),
        (_("At once"), files, "UNMASK_WORKERS"),
        (_("Files are read"), apart, "UNMASK_SANDBOX"),
        (_("Models’ memory"), _("{size} at most").format(size=room), "UNMASK_MEMORY"),
    ]
    if get_config().language:
        name = languages.own_name(i18n.current())
        rows.append((_("Language"), name, "UNMASK_LANGUAGE"))
    if get_config().supabase_media:
        long = _("of an account’s files, as long as their results")
        rows.insert(1, (_("Copies"), long, "UNMASK_SUPABASE_MEDIA"))
    if here:
        rows.append((_("Data"), code(str(paths.data())), "UNMASK_DATA"))
    return [
        (name, join([value, typography.small(code(variable))], " "))
        for name, value, variable in rows
    ]


# --- what each person sets for themselves ---------------------------------------------------------


KEEP_DAYS = (1, 3, 7, 14, 30, 90, 365)
"""days"""
_LANGUAGE = "language"


def _preferences() -> None:
    """Draw the preferences of retention."""
    scope = session.record_scope()
    usage = session.application().usage(session.request_context())
    counts = scope.store.search(scope.owner, Query(limit=1)).counts
    before = scope.store.preferences(scope.owner)
    base_rate.draw("settings-base-rate")
    days, looks = _keep_days(before.keep_days), _looks(before.find_originals)
    before = scope.store.preferences(scope.owner)
    chosen = before.model_copy(update={"keep_days": days, "find_originals": looks})
    if chosen != before:
        scope.store.save_preferences(scope.owner, chosen)
        if not chosen.find_originals:
            session.application().originals.disable_lookups(scope)
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


def _keep_days(current: float | None) -> float | None:
    """Draw the choice of days; return the present one if it is unchanged."""
    most = records_retention().total_seconds() / 86400
    usual = _("As for everybody here, {days}").format(days=labels.days(most))
    options: list[float | None] = [None, *(days for days in KEEP_DAYS if days < most)]
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
    """Draw the preference of lookups."""
    text = _(
        "After an analysis, looks whether your library or an earlier analysis of yours shows the "
        "same footage, and holds the two against each other. For that, fingerprints of what you "
        "analyze are kept as long as the result; no footage."
    )
    return st.toggle(_("Look for originals"), current, key="settings-originals", help=text)


def _language() -> None:
    """Draw the choice of a language, with its translators."""
    scope = session.record_scope()
    current = scope.store.preferences(scope.owner).language
    names = {"": _("As the browser")} | {code: own_name(code) for code in (SOURCE, *available())}
    index = list(names).index(current) if current in names else 0
    controls.select(_("Language"), names, _LANGUAGE, index=index, on_change=_save_language)
    if (shown := i18n.current()) != SOURCE:
        text = _(
            "This translation was made by machine. To correct it, edit <code>{file}</code> in the "
            "source of Unmask; <code>docs/languages.md</code> says how."
        )
        typography.caption(rich(text, file=f"locale/{shown}/LC_MESSAGES/unmask.po"))


def _save_language() -> None:
    """Store the language, and use it in this run."""
    scope, code = session.record_scope(), st.session_state[_LANGUAGE]
    before = scope.store.preferences(scope.owner)
    scope.store.save_preferences(scope.owner, before.model_copy(update={"language": code}))
    i18n.choose(code)
