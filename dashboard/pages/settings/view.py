"""The Settings page: thresholds by one's own clips, and what this installation is set to."""

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
from dashboard.i18n import _, advice, ngettext, say
from dashboard.labels import NBSP
from dashboard.pages.settings import preferences, state
from detector import paths
from detector.decision import conformal
from detector.decision.conformal import OwnCalibration
from detector.decision.numbers import sigmoid
from detector.errors import InputError, UnmaskError
from detector.evaluation import own_calibration
from detector.media import isolated
from detector.models.memory import budget as memory_budget
from detector.models.registry import list_models, usable
from service import languages
from service.config import get_config
from service.storage import uploads
from service.tasks.calibrations import CalibrationRequest, CalibrationTask

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
        preferences.draw()
    if not get_config().language:
        with right, st.container(border=True, key="card-language", gap="small"):
            preferences.draw_language()
    with right, st.container(border=True, key="card-server", gap=None):
        head = _("This installation")
        show(typography.heading(head), facts(server_facts(_is_local_admin())))
        after = _(
            "These are set where the server is started, by the environment variables beside them."
        )
        typography.caption(after, after=True)


def _is_local_admin() -> bool:
    """Return True for an administrator at this computer, who may see folders."""
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
        st.toggle(
            _("Use them in new analyses"), value=store.on, key=state.OWN_ON, on_change=state.switch
        )
    titles = labels.plain_names(list_models())
    for own in store.calibrations:
        with st.container(border=True, key=f"own-{own.id}", gap="small"):
            show(described(own, titles, in_use=store.on, holds=own_calibration.holds(own)))
            promise = conformal.guarantee(len(own.clips), own.rate)
            warning = typography.caution(conformal.alike(own))
            typography.caption(join([promise, warning], " "))
            if may:
                delete = partial(conformal.delete, own.id)
                controls.button(_("Delete"), "delete", f"delete-{own.id}", delete)
    task = state.current()
    if task is not None and task.active:
        task_progress.draw(task, _progress, _("Stop"), "own-stop")
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


def described(own: OwnCalibration, titles: dict[str, str], *, in_use: bool, holds: bool) -> Markup:
    """Return one calibration: what it is of, and where its thresholds are."""
    names = [titles.get(id, id) for ids in own.models.values() for id in ids]
    limits = [
        _("{question}: above {percent}").format(
            question=labels.QUESTIONS[question].short,
            percent=labels.percent(sigmoid(own.threshold(question).high)),
        )
        for question in own.models
    ]
    status = _("In use") if in_use else _("Switched off")
    if not holds:
        status = _("Its models have changed: make it again")
    clips = _("{clips} of {recordings}").format(
        clips=len(own.clips), recordings=labels.count(own.sources, "recording", "recordings")
    )
    rows = [
        (_("For"), labels.listed(names)),
        (_("Threshold"), "; ".join(limits)),
        (_("Clips"), clips + (f": {own.domain}" if own.domain else "")),
        (_("Made"), labels.day(own.created)),
    ]
    most = _("At most {rate} false alarms").format(rate=conformal.rate_words(own.rate))
    return cards.titled(most, chip(status, "na")) + facts(rows)


def _new(*, first: bool) -> None:
    """Draw what a new one takes."""
    if not first:
        typography.section(_("Set it again, or for other models"))
    rates = {rate: conformal.rate_words(rate) for rate in RATES}
    rate = controls.choose(_("False alarms, at most"), rates, DEFAULT_RATE, "own-rate")
    need = conformal.least(rate)
    specs = [spec for spec in list_models() if usable(spec)]
    titles, default = labels.plain_names(specs), [s.id for s in specs if s.default]
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
            st.error(_sentence(error), icon=":material/error:")
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
    """Return the clips, and the temporary folder of uploads; raise InputError for too few."""
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
    """Return how many more clips, or which higher of the offered rates, would do."""
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


def _what_rates_take() -> str:
    """Return how many clips each rate takes that is offered here."""
    each = _("{rate} takes {number}")
    rates = [
        each.format(rate=conformal.rate_words(rate), number=conformal.least(rate)) for rate in RATES
    ]
    return _("Add clips, or choose a higher rate: {rates}.").format(rates=labels.listed(rates))


def _progress(task: CalibrationTask) -> str:
    return _("{done} of {total} clips scored").format(done=task.done, total=task.total)


def _outcome(task: CalibrationTask) -> None:
    """Draw how it ended, until somebody has seen it."""
    if task.error:
        hint = _what_rates_take() if task.code == "too_few_clips" else say(task.hint)
        text = labels.plain_markdown(f"{say(task.error)} {hint}".rstrip())
        if task.reference:
            reference = _("Reference {reference}")
            text += " " + reference.format(reference=labels.plain_markdown(task.reference))
        st.error(text, icon=":material/error:")
    elif task.result is not None:
        done = _("Set by {number} clips. New analyses use it.")
        st.success(done.format(number=len(task.result.clips)), icon=":material/check:")
        if warning := conformal.alike(task.result):
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


def _sentence(error: UnmaskError | OSError) -> str:
    if isinstance(error, UnmaskError):
        return labels.plain_markdown(advice(error))
    return labels.plain_markdown(
        _("The clips could not be kept: {problem}.").format(problem=error.strerror)
    )


# --- what is set elsewhere ------------------------------------------------------------------------


def server_facts(here: bool) -> list[tuple[str, Text]]:
    """Return what this installation does, by name; paths only for who sits at it."""
    hours = labels.hours(uploads.retention().total_seconds() / 3600)
    days = uploads.records_retention().total_seconds() / 86400
    limit = st.get_option("server.maxUploadSize")
    files = labels.count(session.application().jobs.workers, "file", "files")
    apart = _("apart from the server") if isolated() else _("by the server itself")
    room = f"{memory_budget('cpu') / 1e9:.1f}{NBSP}GB"
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
