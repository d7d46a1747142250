"""The Compare page: choose a clip and models, or two files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import streamlit as st

from dashboard import labels, session, theme, url_state
from dashboard._compat import UploadedFile
from dashboard.components import (
    cards,
    chips,
    controls,
    earlier,
    origin,
    page_header,
    task_progress,
    typography,
)
from dashboard.pages import alerted, put_into_address
from dashboard.pages.compare import agree, lanes, near, state
from dashboard.pages.compare.state import MAX_MODELS, Selection
from detector import messages
from detector.decision import decide
from detector.evaluation.labels import SOUNDS
from detector.models import registry
from detector.models.base import ModelSpec
from detector.presentation import agreement, lead, series
from detector.presentation.verdict import alone
from detector.schema.analysis import Analysis, CustomEnsemble, Settings
from detector.sentences import _, say
from service.records.model import ResultOrigin
from service.tasks.jobs import Job

if TYPE_CHECKING:
    from detector.samples import Sample

PAIR = ("manipulated", "untouched")
"""Samples that show the same footage with another face."""
WHAT = {"models": _("Models"), "clips": _("Two files")}


def draw() -> None:
    """Draw the state in the address."""
    token = url_state.current()
    job = session.find_job(token)
    if job is not None and _by_clips():
        _clips(job)
    elif job is None:
        what = _(
            "Put models on one time axis, so that disagreement is visible before it is read. Or "
            "compare two files: does one show the footage of the other, with another face?"
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
    """Draw the choice of a clip, or of two files."""
    default = "clips" if _by_clips() else "models"
    if controls.choose(_("Compare"), WHAT, default, "compare-first", hidden=True) == "models":
        _upload("a", _("A clip, picture or sound"))
        return
    pair = {sample.id: sample for sample in session.application().gallery.samples or ()}
    if {*PAIR} <= pair.keys() and controls.button(
        _("A sample: a manipulated clip and its original"), "play_arrow", "compare-pair"
    ):
        with alerted():
            for name, id in zip("ab", PAIR, strict=True):
                put_into_address(name, _submit_sample(pair[id], Settings()))
            st.rerun()
    with st.container(border=True, key="card-bring-both"):
        left, right = st.columns(2, gap="medium")
        with left:
            first = _bring("first", _("First file"))
        with right:
            known = first if isinstance(first, str) else ""
            second = _bring("second", _("Second file"), without=known)
        stay = (
            _("Both stay on this computer.")
            if session.is_loopback_client()
            else _("Both stay on this server.")
        )
        text = _(
            "The order doesn’t matter. They are aligned in time and place; then what differs "
            "inside faces is held against what re-encoding leaves everywhere else. The detectors "
            "judge both as well, for themselves."
        )
        typography.caption(f"{stay} {text}")
        typography.caption(controls.paste_hint())
        ready = first is not None and second is not None
        label = _("Compare the two")
        pressed = st.button(
            label, key="bring-compare", type="primary", icon=":material/compare:",
            disabled=not ready,
        )  # fmt: skip
    if not pressed or first is None or second is None:
        return
    with alerted():
        keys = [
            one if isinstance(one, str) else _submit(one, Settings()) for one in (first, second)
        ]
        for name, key in zip("ab", keys, strict=True):
            put_into_address(name, key)
        st.rerun()


def _bring(name: str, label: str, *, without: str = "") -> UploadedFile | str | None:
    """Draw the choice of a file; return it, or the id of an earlier analysis."""
    file = st.file_uploader(label, key=f"bring-{name}")
    return file or earlier.choose(f"earlier-{name}", without=without) or None


def _submit(file: UploadedFile, settings: Settings) -> str:
    return session.submit(file, file.name, settings, size=file.size).key


def _upload(name: str, label: str, *, like: Settings | None = None) -> None:
    """Draw the drop zone; the file is analyzed as `like`, or with the models chosen here, then
    compared."""
    able = registry.selectable()
    specs = [spec for spec in able if not spec.modality.of_sound]
    names = labels.plain_names(specs)
    usual = [spec.id for spec in specs if spec.default]
    ids: list[str] = []
    with st.container(border=True, key=f"card-bring-{name}"):
        settings = like
        if settings is None:
            limit = _("Models, 2 to {most}").format(most=MAX_MODELS)
            ids = controls.choose_any(limit, names, usual, f"bring-models-{name}")
            if 2 <= len(ids) <= MAX_MODELS:
                settings = Settings(models=None if ids == usual else ids)
            typography.caption(_("All voice models that are ready are compared."))
        file = st.file_uploader(label, key=f"bring-file-{name}")
        typography.caption(controls.paste_hint())
        before = earlier.choose(f"earlier-{name}", without=url_state.current() or "")
        if settings is None:
            why = (
                _("Choose 2 to {most} models to compare.").format(most=MAX_MODELS)
                if len(names) > 1
                else _("Only one model is ready. The Models page has more.")
            )
            typography.warning(why)
    sound = file is not None and Path(file.name).suffix.lower() in SOUNDS
    chosen = ",".join(ids) if settings is not None and not sound else None
    if before and file is None:
        put_into_address("m", chosen or None)
        put_into_address(name, before)
        st.rerun()
    if sound and like is None:
        voices = [spec for spec in able if spec.modality.of_sound]
        alone = all(spec.default for spec in voices)
        settings = Settings(models=None if alone else [spec.id for spec in voices][:MAX_MODELS])
    if settings is not None and like is None:
        _samples(settings, chosen)
    if file is None or settings is None:
        return
    with alerted():
        put_into_address("m", chosen or None)
        put_into_address(name, _submit(file, settings))
        st.rerun()


def _samples(settings: Settings, chosen: str | None) -> None:
    """Draw the buttons that compare the chosen models on a sample."""
    samples = session.application().gallery.samples or ()
    offered = [sample for sample in samples if sample.offered and sample.kind == "video"]
    if offered:
        typography.caption(_("Or see them on a sample:"))
    with st.container(horizontal=True, vertical_alignment="center", key="compare-samples"):
        for sample in offered:
            title, key = say(sample.title), f"compare-sample-{sample.id}"
            if controls.button(title, "play_arrow", key):
                with alerted():
                    put_into_address("m", chosen)
                    put_into_address("a", _submit_sample(sample, settings))
                    st.rerun()


def _submit_sample(sample: Sample, settings: Settings) -> str:
    with sample.path.open("rb") as file:
        return session.submit(file, sample.path.name, settings).key


def _waiting(job: Job) -> None:
    text = _("Analyzing {name}").format(name=job.name)
    task_progress.draw(job, lambda _job: text)


def _compare(job: Job, analysis: Analysis) -> None:
    with page_header.row(job.name, page_header.facts(analysis.media)):
        _choice("models", job)
        _leave_and_verdict(job)
    origin.draw(job.origin)
    _models(state.read(job))


def _choice(now: str, job: Job) -> None:
    """Draw the choice between models and files."""
    what = controls.choose(_("Compare"), WHAT, now, f"compare-what-{now}", hidden=True)
    if what != now:
        st.query_params.clear()
        url_state.enter(job.key)
        if what == "clips":
            put_into_address("w", "clips")
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
    with page_header.row(_("Two files"), facts):
        _choice("clips", first)
        if second is not None and controls.button(_("Swap"), "swap_horiz", "compare-swap"):
            url_state.enter(second.key)
            put_into_address("b", first.key)
            st.rerun()
        place = st.container(horizontal=True, width="content", gap="small", key="near-actions")
        _leave_and_verdict(first)
    made = {job.origin for job in (first, second) if job is not None and job.analysis is not None}
    worst = (ResultOrigin.ELSEWHERE, ResultOrigin.BEFORE, ResultOrigin.HERE)
    origin.draw(next((one for one in worst if one in made), ResultOrigin.HERE))
    if second is None:
        if token:
            typography.notice(_("The other file is no longer stored here."))
        _upload("b", _("The other file"), like=first.settings)
        return
    kept = None
    if _heard(first) or _heard(second):
        near.draw_clips(first, second)
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
        near.draw_scores(first, second)


def _heard(job: Job) -> bool:
    return job.analysis is not None and job.analysis.media.kind == "audio"


def _models(selection: Selection) -> None:
    _toolbar(selection)
    _unscored(selection)
    palette = theme.palette()
    track = selection.track
    lines = agreement.lines(selection.analysis, track, selection.models) if track else []
    if track is None or not lines:
        typography.notice(agreement.unscored([]), announced=False)
        return
    if len(lines) > 1:
        typography.say(agreement.sentence(selection.analysis, track, lines))
    lanes.draw(selection, lines, palette)
    heard = track.modality.of_sound
    if len(lines) < 2:
        text = _("Choose a second model to compare.")
        if heard and len(state.able(selection.analysis, selection.track)) < 2:
            text = _("No other voice model is ready here. The Models page has more.")
        typography.notice(text)
    slots = [] if heard else lanes.draw_heatmaps(selection, lines)
    if len(lines) > 1:
        agree.draw(lines, selection.time, palette)
    lanes.draw_cost(selection)
    _builder(selection)
    lanes.fill_heatmaps(selection, slots)  # last: nothing else waits for a network


def _toolbar(selection: Selection) -> None:
    titles = {m.id: labels.plain(m) for m in state.able(selection.analysis, selection.track)}
    others = labels.plain_names(_unasked(selection))
    current, job = [m.id for m in selection.models], selection.job.key
    with controls.apart("compare-toolbar"):
        key = f"compare-models-{job}"
        ids = controls.choose_any(_("Models"), titles, current, key, hidden=True)[:MAX_MODELS]
        if ids and ids != current:
            put_into_address("m", ",".join(ids))
            st.rerun()
        added = None
        if others:
            added = st.selectbox(
                _("Add a model"), others, index=None, format_func=others.__getitem__,
                placeholder=_("Add a model"), key=f"compare-add-{job}",
                label_visibility="collapsed", width=220,
            )  # fmt: skip
        if added is not None:
            with alerted():
                if _score(selection, added):
                    put_into_address("m", ",".join([*current, added]))
                    st.rerun()
                typography.notice(_("The file itself is no longer stored here."))
        people = {t.id: lead.name(t) for t in selection.analysis.judged if t.models}
        if len(people) > 1 and selection.track:
            shown = selection.track.id
            person = controls.choose(_("Person"), people, shown, f"compare-person-{job}")
            if person != shown:
                put_into_address("p", person)
                st.query_params.pop("t", None)
                st.rerun()


def _unasked(selection: Selection) -> list[ModelSpec]:
    """Return the models that could still score this file: of its person's kind, ready, and not
    among those of its analysis."""
    job, analysis, track = selection.job, selection.analysis, selection.track
    if track is None or job.read_only or not job.has_media:
        return []
    asked = {model.id for model in analysis.models}
    return [
        spec
        for spec in registry.selectable()
        if spec.id not in asked
        and spec.modality is track.modality
        and not (spec.kind == "video" and analysis.media.kind == "image")
    ]


def _score(selection: Selection, added: str) -> Job | None:
    """Analyze the file again under the same address with one more model; return None if its media
    is gone."""
    analysis, job = selection.analysis, selection.job
    models = [*(model.id for model in analysis.models), added]
    settings = analysis.settings.model_copy(update={"models": models})
    return session.application().rerun(session.request_context(), job.key, settings)


def _unscored(selection: Selection) -> None:
    """List the chosen models without a score."""
    scored = {m.id for m in state.able(selection.analysis)}
    missing = [id for id in state.asked() if id not in scored]
    specs = [spec for spec in registry.list_models() if spec.id in missing]
    if specs:
        typography.caption(agreement.unscored(list(labels.plain_names(specs).values())))


# --- an ensemble put together ---------------------------------------------------------------------


AGGREGATIONS: dict[Literal["mean", "top", "motion"], str] = {
    "mean": _("Mean over the clip"),
    "top": _("Highest quarter"),
    "motion": _("Weighted by movement"),
}


@st.fragment
def _builder(selection: Selection) -> None:
    """Draw the ensemble builder. Only this card is redrawn while sliders move."""
    analysis = selection.analysis
    with st.container(border=True, key="card-builder"):
        what = _(
            "How many times its usual evidence each model counts: 1 is as it was analyzed, 0 not "
            "at all. The verdict is computed from the scores that are there; how often another "
            "ensemble errs is measured on the Evaluate page."
        )
        cards.introduced(_("Put an ensemble together"), what)
        left, right = st.columns([58, 42], gap="large")
        with left:
            ensemble = _sliders(selection)
        with right:
            if ensemble is None:
                typography.caption(_("Give at least one model a weight."))
                return
            same = untouched(ensemble, analysis)
            _verdict(
                _("With your ensemble"), analysis if same else decide(analysis, ensemble=ensemble)
            )
            _verdict(_("As it was analyzed"), analysis)
            _presets(ensemble)


def _sliders(selection: Selection) -> CustomEnsemble | None:
    """Draw the weights of an ensemble; return it, or None if all weights are 0."""
    analysis = selection.analysis
    titles = {m.id: labels.plain(m) for m in state.able(analysis, selection.track)}
    start, usual = analysis.settings.ensemble, _usual(analysis)
    scope = session.record_scope()
    if presets := scope.store.presets(scope.owner):
        name = st.selectbox(
            _("Preset"),
            [None, *presets],
            format_func=lambda name: name or _("None"),
            key="builder-preset",
        )
        start = presets[name] if name else start
    if start is not None:
        usual = {id: start.weights.get(id, 1.0) for id in start.models}
    preset = start.name if start else ""  # another preset is another set of sliders
    weights = {
        id: st.slider(
            title, 0.0, 3.0, min(3.0, float(usual.get(id, 0.0))), 0.1, key=f"builder-{id}-{preset}"
        )
        for id, title in titles.items()
    }
    weights = {id: weight for id, weight in weights.items() if weight > 0}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        index = list(AGGREGATIONS).index(start.aggregation) if start else 0
        aggregation = controls.select(
            _("Over time"), AGGREGATIONS, f"builder-way-{preset}", index=index
        )
        fewest = st.number_input(
            _("Fewest models"),
            1,
            max(1, len(titles)),
            min(start.min_models, len(titles)) if start else 1,
            key=f"builder-least-{preset}",
            help=_("With fewer models that gave a score, there is no answer."),
        )
    if not weights:
        return None
    # Models of a subject that is not looked at stay as they are.
    weights |= {id: weight for id, weight in usual.items() if id not in titles and weight > 0}
    return CustomEnsemble(
        models=list(weights), weights=weights, min_models=int(fewest), aggregation=aggregation
    )


def _usual(analysis: Analysis) -> dict[str, float]:
    """Return each model's multiple of its usual evidence in the present verdict."""
    ensemble = analysis.settings.ensemble
    weights = ensemble.weights if ensemble else {}
    return {m.id: weights.get(m.id, 1.0) if m.heard else 0.0 for m in analysis.models}


def untouched(ensemble: CustomEnsemble, analysis: Analysis) -> bool:
    """Return whether nothing was changed: the present verdict applies."""
    before = analysis.settings.ensemble or CustomEnsemble(models=ensemble.models)
    return (
        {id: ensemble.weights.get(id, 1.0) for id in ensemble.models}
        == {id: weight for id, weight in _usual(analysis).items() if weight > 0}
        and ensemble.aggregation == before.aggregation
        and ensemble.min_models == before.min_models
    )


def _verdict(title: str, analysis: Analysis) -> None:
    verdict, likely = analysis.verdict, analysis.verdict.probability
    cards.built(
        title,
        chips.reading(alone(verdict)),
        labels.percent(likely) if likely is not None else series.words(series.Missing.NO_SCORE),
        list(map(messages.text, verdict.reasons[:2])),
    )


def _presets(ensemble: CustomEnsemble) -> None:
    """Draw the presets: save, load and delete ensembles."""
    scope = session.record_scope()
    store, owner = scope.store, scope.owner
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            _("Name"), key="builder-name", max_chars=60, placeholder=_("My ensemble")
        )
        if controls.button(_("Save as preset"), "save", "builder-save"):
            with alerted():
                store.save_preset(owner, ensemble.model_copy(update={"name": name.strip()}))
                saved = _("{name} is kept. The Analyze page offers it too.")
                typography.notice(saved.format(name=name))
    presets = store.presets(owner)
    if presets and (
        unwanted := st.selectbox(_("Delete a preset"), [None, *presets], key="builder-gone",
                                 format_func=lambda name: name or _("Choose one"))
    ):  # fmt: skip
        delete, label = partial(store.delete_preset, owner, unwanted), _("Delete {name}")
        controls.button(label.format(name=unwanted), "delete", "builder-delete", delete)
