"""The Compare page: bring a clip, choose models, look at them side by side."""

from pathlib import Path

import streamlit as st

from dashboard import labels, session, theme, url_state
from dashboard._compat import UploadedFile
from dashboard.components import controls, earlier, origin, page_header, task_progress, typography
from dashboard.i18n import LazyDict, _
from dashboard.pages import alerted
from dashboard.pages.compare import agree, builder, lanes, near, pair, state
from dashboard.pages.compare.state import MAX_MODELS, Selection
from detector.evaluation.labels import SOUNDS
from detector.models import registry
from detector.schema.analysis import Analysis, Settings
from service.records.model import ResultOrigin
from service.tasks.jobs import Job

WHAT: LazyDict[str, str] = LazyDict(
    lambda: {"models": _("Models"), "clips": _("Copy and original")}
)


def draw() -> None:
    """Draw what the address asks for."""
    token = url_state.current()
    job = session.find_job(token)
    if job is not None and _by_clips():
        _clips(job)
    elif job is None:
        what = _(
            "Put models on one time axis, so that disagreement is visible before it is read. Or "
            "hold a suspected copy against its original."
        )
        page_header.head(_("Compare"), what)
        if token is not None:
            typography.notice(_("This result is not kept here any more."))
        _first()
    elif job.active:
        _waiting(job)
    elif job.analysis is None:
        typography.notice(_("This file gave no result to compare. Upload another one."))
        _upload("a", _("A clip, picture or sound"))
    else:
        _compare(job, job.analysis)


def _by_clips() -> bool:
    return "b" in st.query_params or st.query_params.get("w") == "clips"


def _first() -> None:
    """Ask for a clip, or for a copy and its original."""
    default = "clips" if _by_clips() else "models"
    if controls.choose(_("Compare"), WHAT, default, "compare-first", hidden=True) == "models":
        _upload("a", _("A clip, picture or sound"))
        return
    with st.container(border=True, key="card-bring-both"):
        left, right = st.columns(2, gap="medium")
        with left:
            copy = _bring("copy", _("Suspected copy"))
        with right:
            known = copy if isinstance(copy, str) else ""
            original = _bring("original", _("Its original"), without=known)
        text = _(
            "Both stay on this server. They are aligned in time and place; then what differs "
            "inside faces is held against what re-encoding leaves everywhere else. The detectors "
            "judge both as well, for themselves."
        )
        typography.caption(text)
        ready = copy is not None and original is not None
        label = _("Compare the two")
        pressed = st.button(
            label, key="bring-compare", type="primary", icon=":material/compare:",
            disabled=not ready,
        )  # fmt: skip
    if not pressed or copy is None or original is None:
        return
    with alerted():
        keys = [
            one if isinstance(one, str) else _submit(one, Settings()) for one in (copy, original)
        ]
        _state(*keys)
        for name, key in zip("ab", keys, strict=True):
            state.choose(name, key)
        st.rerun()


def _state(copy: str, original: str) -> None:
    """Begin to compare two files that were brought as a copy and its original."""
    jobs = [session.find_job(key) for key in (copy, original)]
    both = [job for job in jobs if job is not None and job.has_media and not _heard(job)]
    originals, context = session.application().originals, session.request_context()
    if len(both) == 2 and originals.state(context, *both) is None:
        originals.compare(context, *both)


def _bring(name: str, label: str, *, without: str = "") -> UploadedFile | str | None:
    """Ask for a file; return it, or the id of one that was analyzed before."""
    file = st.file_uploader(label, key=f"bring-{name}")
    return file or earlier.choose(f"earlier-{name}", without=without) or None


def _submit(file: UploadedFile, settings: Settings) -> str:
    return session.submit(file, file.name, settings, size=file.size).key


def _upload(name: str, label: str, *, like: Settings | None = None) -> None:
    """Drop a file; it is analyzed as `like`, or with models that are chosen here, then compared."""
    usable = [spec for spec in registry.list_models() if registry.usable(spec)]
    specs = [spec for spec in usable if not spec.modality.of_sound]
    names = labels.plain_names(specs)
    default = [spec.id for spec in specs if spec.default]
    with st.container(border=True, key=f"card-bring-{name}"):
        settings = like
        if settings is None:
            limit = _("Models, 2 to {most}").format(most=MAX_MODELS)
            ids = controls.choose_any(limit, names, default, f"bring-models-{name}")
            if 2 <= len(ids) <= MAX_MODELS:
                settings = Settings(models=None if ids == default else ids)
            typography.caption(_("All voice models that are ready are compared."))
        file = st.file_uploader(label, key=f"bring-file-{name}")
        before = earlier.choose(f"earlier-{name}", without=url_state.current() or "")
        if settings is None:
            why = (
                _("Choose 2 to {most} models to compare.").format(most=MAX_MODELS)
                if len(names) > 1
                else _("Only one model is ready. The Models page has more.")
            )
            typography.warning(why)
    if before and file is None:
        state.choose(name, before)
        st.rerun()
    if file is not None and like is None and Path(file.name).suffix.lower() in SOUNDS:
        voices = [spec for spec in usable if spec.modality.of_sound]
        alone = all(spec.default for spec in voices)
        settings = Settings(models=None if alone else [spec.id for spec in voices][:MAX_MODELS])
    if file is None or settings is None:
        return
    with alerted():
        state.choose(name, _submit(file, settings))
        st.rerun()


def _waiting(job: Job) -> None:
    text = _("Analyzing {name}").format(name=job.name)
    task_progress.draw(job, lambda _job: text, _("Cancel"), f"cancel-{job.key}")


def _compare(job: Job, analysis: Analysis) -> None:
    facts = [*page_header.facts(analysis.media), _("nothing is computed again here")]
    with page_header.row(job.name, facts):
        _choice("models", job)
        _leave_and_verdict(job)
    origin.draw(job.origin)
    _models(state.read(job))


def _choice(now: str, job: Job) -> None:
    """Draw what is compared, and go to the other where that is chosen."""
    what = controls.choose(_("Compare"), WHAT, now, f"compare-what-{now}", hidden=True)
    if what != now:
        st.query_params.clear()
        url_state.enter(job.key)
        if what == "clips":
            state.choose("w", "clips")
        st.rerun()


def _leave_and_verdict(job: Job) -> None:
    if controls.button(_("Change clips"), "movie", "compare-change"):
        url_state.leave()
        st.rerun()
    st.page_link(
        url_state.page("analyze"), label=_("Verdict"), icon=":material/gavel:",
        query_params={"a": job.key},
    )  # fmt: skip


def _clips(first: Job) -> None:
    """Draw two files that may show the same footage."""
    token = st.query_params.get("b")
    second = session.find_job(token)
    facts = [first.name]
    if second is not None:
        facts.append(_("against {name}").format(name=second.name))
    with page_header.row(_("Copy and original"), facts):
        _choice("clips", first)
        if second is not None and controls.button(_("Swap"), "swap_horiz", "compare-swap"):
            url_state.enter(second.key)
            state.choose("b", first.key)
            st.rerun()
        place = st.container(horizontal=True, width="content", gap="small", key="near-actions")
        _leave_and_verdict(first)
    made = {job.origin for job in (first, second) if job is not None and job.analysis is not None}
    worst = (ResultOrigin.ELSEWHERE, ResultOrigin.BEFORE, ResultOrigin.HERE)
    origin.draw(next((one for one in worst if one in made), ResultOrigin.HERE))
    if second is None:
        if token:
            typography.notice(_("The other file is no longer stored here."))
        _upload("b", _("The original, or what it may be a copy of"), like=first.settings)
        return
    kept = None
    if _heard(first) or _heard(second):
        pair.clips(first, second)
        typography.caption(_("Sounds are not aligned: only what is seen can be held together."))
    else:
        kept = near.draw(first, second)
    if kept is not None:
        with place:
            near.export(kept, *near.in_roles(kept, first, second))
    waiting = [job for job in (first, second) if job.active]
    for job in waiting:
        with st.container(border=True, key=f"card-judged-{job.key}"):
            _waiting(job)
    if not waiting:
        pair.scores(first, second, theme.palette())


def _heard(job: Job) -> bool:
    return job.analysis is not None and job.analysis.media.kind == "audio"


def _models(selection: Selection) -> None:
    _toolbar(selection)
    palette = theme.palette()
    lanes_by_model = lanes.model_lanes(selection)
    if not lanes_by_model:
        typography.notice(_("No model scored anything in this file."), announced=False)
        return
    if selection.analysis.media.kind != "image":
        lanes.draw(selection, lanes_by_model, palette)
    heard = selection.track is not None and selection.track.modality.of_sound
    if len(lanes_by_model) < 2:
        text = _("Choose a second model to compare.")
        if heard and len(state.able(selection.analysis, selection.track)) < 2:
            text = _("No other voice model is ready here. The Models page has more.")
        typography.notice(text)
    slots = [] if heard else lanes.draw_heatmaps(selection, lanes_by_model)
    if len(lanes_by_model) > 1:
        agree.draw(selection, lanes_by_model, palette)
    lanes.draw_cost(selection)
    builder.draw(selection)
    lanes.fill_heatmaps(selection, slots)  # last: nothing else waits for a network


def _toolbar(selection: Selection) -> None:
    titles = {m.id: labels.plain(m) for m in state.able(selection.analysis, selection.track)}
    current, job = [m.id for m in selection.models], selection.job.key
    with controls.apart("compare-toolbar"):
        key = f"compare-models-{job}"
        ids = controls.choose_any(_("Models"), titles, current, key, hidden=True)[:MAX_MODELS]
        if ids and ids != current:
            state.choose("m", ",".join(ids))
            st.rerun()
        people = {t.id: labels.who(t) for t in selection.analysis.judged if t.models}
        if len(people) > 1 and selection.track:
            shown = selection.track.id
            person = controls.choose(_("Person"), people, shown, f"compare-person-{job}")
            if person != shown:
                state.choose("p", person)
                st.query_params.pop("t", None)
                st.rerun()
