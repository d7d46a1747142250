"""The Settings page: thresholds by one's own clips, and what this installation is set to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import cards, typography
from dashboard.components.chips import chip
from dashboard.components.markup import Text, join, rich, show, tag
from dashboard.components.tables import code, facts
from dashboard.i18n import _, advice, say
from dashboard.labels import NBSP
from dashboard.pages.settings import retention as own_time
from detector import conformal, paths
from detector.conformal import OwnCalibration
from detector.errors import InputError, UnmaskError
from detector.evaluation import own_calibration as own_calibration
from detector.media import isolated
from detector.models.base import ModelSpec
from detector.models.memory import budget as memory_budget
from detector.models.registry import list_models, usable
from service.records import media_replicator
from service.storage.uploads import records_retention, retention
from service.tasks.calibrations import CalibrationRequest, CalibrationTask

RATES = (0.01, 0.02, 0.05, 0.1)
"""False alarms to choose from."""
USUAL = 0.05
LOOK_EVERY = 1.0
"""s between two looks at a run."""
ENDINGS = ["mp4", "m4v", "mov", "webm", "mkv", "avi"]


def draw() -> None:
    """Draw the page."""
    st.title(_("Settings"), anchor=False)
    left, right = st.columns([62, 38], gap=20)
    with left, st.container(border=True, key="card-own", gap="small"):
        _own()
    with right, st.container(border=True, key="card-time", gap="small"):
        typography.title(_("Your results"))
        own_time.draw()
    with right, st.container(border=True, key="card-server", gap=None):
        head = _("This installation")
        show(typography.heading(head), facts(server_facts(_at_the_desk())))
        after = _(
            "These are set where the server is started, by the environment variables below them."
        )
        typography.caption(after, after=True)


def _at_the_desk() -> bool:
    """Only who sits at this computer, and may change what holds for everybody, sees or names a
    folder on its disk."""
    return session.is_loopback_client() and session.current_user().may_administer


# --- thresholds by one's own clips ----------------------------------------------------------------


def _own() -> None:
    head = _("Thresholds from your own clips")
    what = _(
        "Give us videos that nobody has altered, of the kind you usually check: the same "
        "cameras, the same apps. The upper threshold is then set so that as few of them as you "
        "choose are called manipulated. No fakes are needed, and any model will do."
    )
    show(cards.card_head(head), tag("p", what))
    shelf = conformal.load()
    may = session.current_user().may_administer
    if shelf.calibrations and may:
        st.toggle(_("Use them in new analyses"), value=shelf.on, key="own-on", on_change=_switch)
    titles = {spec.id: spec.title for spec in list_models()}
    for own in shelf.calibrations:
        _kept(own, titles, in_use=shelf.on, may=may)
    run = _current()
    if run is not None:
        _running()
    elif may:
        _new(first=not shelf.calibrations)
    else:
        whose = _(
            "They hold for everybody who uses this server, so its administrator sets them: here, "
            "or by <code>unmask calibrate --real FOLDER</code>"
        )
        typography.caption(rich(whose))


def _switch() -> None:
    conformal.switch(bool(st.session_state["own-on"]))


def _kept(own: OwnCalibration, titles: dict[str, str], *, in_use: bool, may: bool) -> None:
    with st.container(border=True, key=f"own-{own.id}", gap="small"):
        holds = own_calibration.holds(own)
        show(kept(own, titles, in_use=in_use, holds=holds))
        promise = conformal.guarantee(len(own.clips), own.rate)
        but = tag("span", conformal.alike(own), cls="um-warn")
        typography.caption(join([promise, but], " "))
        if may:
            st.button(
                _("Delete"),
                icon=":material/delete:",
                key=f"delete-{own.id}",
                on_click=conformal.delete,
                args=(own.id,),
            )


def kept(own: OwnCalibration, titles: dict[str, str], *, in_use: bool, holds: bool) -> Markup:
    """Return one calibration: what it is of, and where its thresholds are."""
    names = [titles.get(id, id) for ids in own.models.values() for id in ids]
    limits = [
        _("{question}: above {percent}").format(
            question=labels.QUESTIONS[question].short,
            percent=labels.percent(_probability(own.threshold(question).high)),
        )
        for question in own.models
    ]
    state = _("In use") if in_use else _("Switched off")
    if not holds:
        state = _("Its models have changed: make it again")
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
    head = tag("div", tag("b", most), chip(state, "na"), cls="um-cardhead")
    return head + facts(rows)


def _probability(logit: float) -> float:
    from detector.decision.numbers import sigmoid

    return sigmoid(logit)


def _new(*, first: bool) -> None:
    """What is asked for a new one."""
    ready = [s for s in list_models() if usable(s)]
    if not first:
        typography.section(_("Set it again, or for other models"))
    rate = st.segmented_control(
        _("False alarms, at most"),
        RATES,
        default=USUAL,
        required=True,
        format_func=conformal.rate_words,
        key="own-rate",
    )
    need = conformal.least(rate)
    models = _models(ready)
    domain = st.text_input(
        _("What are these clips?"),
        placeholder=_("interviews, phone, 1080p"),
        max_chars=80,
        key="own-what",
    )
    files = st.file_uploader(
        _("Untouched clips, at least {number}").format(number=need),
        type=ENDINGS,
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
    if _at_the_desk():
        folder = st.text_input(
            _("Or a folder on this computer"), placeholder=_("/videos/untouched"), key="own-folder"
        )
    typography.caption(_readiness(len(files), need, sources, folder))
    if st.button(
        _("Set the threshold"),
        type="primary",
        icon=":material/straighten:",
        disabled=(len(files) < need or sources is None) and not folder.strip(),
    ):
        try:
            _begin(files, folder.strip(), models, rate, domain.strip(), sources)
        except (InputError, OSError) as error:
            st.error(_sentence(error), icon=":material/error:")
        else:
            st.rerun()


def _models(ready: list[ModelSpec]) -> list[str] | None:
    usual = [spec.id for spec in ready if spec.default]
    titles = {spec.id: spec.title for spec in ready}
    chosen = st.pills(
        _("For which models, counted together"),
        list(titles),
        selection_mode="multi",
        default=usual,
        format_func=lambda id: titles[id],
        key="own-models",
    )
    ids = [id for id in titles if id in chosen]
    return None if not ids or ids == usual else ids


def _readiness(count: int, need: int, sources: int | None, folder: str) -> str:
    if folder.strip():
        read = _("Videos in the folder and its subfolders are read where they are, and left there.")
        each = _("Without a number of recordings, each folder is taken as one.")
        return read if sources else f"{read} {each}"
    if count >= need and sources is None:
        return _("Say how many different recordings they are from.")
    if count >= need:
        kept = _("{number} clips. They are deleted as soon as they are scored.")
        return kept.format(number=count)
    deleted = _("Uploaded clips are deleted as soon as they are scored.")
    return (
        f"{_('{number} more to go.').format(number=need - count)} {deleted}" if count else deleted
    )


def _begin(
    files: Sequence[BinaryIO],
    folder: str,
    models: list[str] | None,
    rate: float,
    domain: str,
    sources: int | None,
) -> None:
    calibrations = session.application().calibrations
    uploads = None
    if folder:
        from detector.evaluation.own_calibration import clips_in

        clips = clips_in(Path(folder).expanduser())
        if len(clips) < conformal.least(rate):
            raise conformal.too_few(len(clips), rate)
    else:
        clips = calibrations.keep_clips([(file.name, file) for file in files])
        uploads = clips[0].parent
    request = CalibrationRequest(clips, models, rate, domain, sources, uploads)
    calibrations.start(request, session.current_user())


def _current() -> CalibrationTask | None:
    return session.application().calibrations.current(session.current_user())


@st.fragment(run_every=LOOK_EVERY)
def _running() -> None:
    """The run that goes on, and how it ended."""
    run, tasks = _current(), session.application().tasks
    if run is None:
        st.rerun()
        return
    if run.active:
        text = _("{done} of {total} clips scored").format(done=run.done, total=run.total)
        st.progress(run.fraction, text=text)
        icon = ":material/close:"
        st.button(_("Stop"), icon=icon, key="own-stop", on_click=tasks.cancel, args=(run,))
        return
    if run.error:
        said = labels.plain_markdown(say(run.error))
        if run.reference:
            said += " " + _("Reference {reference}").format(
                reference=labels.plain_markdown(run.reference)
            )
        st.error(said, icon=":material/error:")
    elif run.result is not None:
        done = _("Set by {number} clips. New analyses use it.").format(number=len(run.result.clips))
        st.success(done, icon=":material/check:")
        if warning := conformal.alike(run.result):
            st.warning(labels.plain_markdown(warning), icon=":material/warning:")
    if run.left_out:
        clips = labels.count(len(run.left_out), "clip", "clips")
        with st.expander(_("{clips} left out").format(clips=clips)):
            lines = [f"{labels.plain_markdown(n)}: {labels.plain_markdown(w)}"
                     for n, w in run.left_out.items()]  # fmt: skip
            st.markdown("\n".join(f"- {line}" for line in lines))
    if st.button(_("Done"), key="own-done"):
        tasks.dismiss(run)
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
    hours = labels.hours(retention().total_seconds() / 3600)
    days = records_retention().total_seconds() / 86400
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
    if media_replicator.copies_enabled():
        long = _("of an account’s files, as long as their results")
        rows.insert(1, (_("Copies"), long, "UNMASK_SUPABASE_MEDIA"))
    if here:
        rows.append((_("Data"), code(str(paths.data())), "UNMASK_DATA"))
    return [(name, join([value, _variable(variable)], " ")) for name, value, variable in rows]


def _variable(name: str) -> Markup:
    return tag("small", code(name), cls="um-caption")
