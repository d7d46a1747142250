"""Models side by side: a lane each on one time axis, where each looked, and what each cost."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import charts, labels, series
from dashboard.components import cards, controls, figures, typography
from dashboard.components import lanes as lane_parts
from dashboard.components.chips import chip, inked
from dashboard.components.markup import join, show
from dashboard.images import jpeg
from dashboard.pages.compare import state
from dashboard.pages.compare.state import Selection, limits
from dashboard.result import pictures
from dashboard.result.timeline import hatched
from dashboard.series import Lane
from dashboard.theme import Palette
from detector import explain, media, vision
from detector.errors import UnmaskError
from detector.models import registry
from detector.schema.analysis import Analysis, Label, ModelResult, Subject, Thresholds
from detector.sentences import _, ngettext, say

PLOT = 74
"""px of a lane."""


def model_lanes(selection: Selection) -> dict[str, Lane]:
    """Return a lane a model, of the chosen person."""
    track = selection.track
    if track is None:
        return {}
    every = series.lane(selection.analysis, track)
    return {
        m.id: replace(
            every,
            score=every.models[m.id],
            models={},
            gaps=_gaps(selection.analysis, track, m.id) if track.frames else every.gaps,
        )
        for m in selection.models
        if m.id in every.models
    }


def _gaps(analysis: Analysis, track: Subject, model: str) -> tuple[series.Gap, ...]:
    """Return where this model has no score of who is seen, and why."""
    faces = {face.index: face for face in track.frames}
    whys: list[series.Why | None] = []
    for index in range(len(analysis.timestamps)):
        face = faces.get(index)
        missing = face is None or model not in face.scores
        whys.append(series.reason(face) if missing else None)
    return series.gaps(analysis.timestamps, whys, series.length(analysis))


def draw(selection: Selection, lanes: dict[str, Lane], palette: Palette) -> None:
    """Draw the card."""
    end = series.length(selection.analysis)
    sizes = charts.lane_sizes(len(lanes), PLOT, PLOT)
    with st.container(border=True, key="card-lanes"):
        how = _("same time axis · shaded: inconclusive · hatched: no score")
        cards.head(_("Scores side by side"), typography.small(how))
        for (id, lane), size in zip(lanes.items(), sizes, strict=True):
            model = next(m for m in selection.models if m.id == id)
            thresholds = limits(selection.analysis, id)
            name, zones, plot, whole = st.columns([17, 9, 58, 16], gap=None)
            show(_name(model), at=name)
            with zones, st.container(key=f"lane-words-{id}"):
                show(lane_parts.zone_words(thresholds, size, model.question))
            with plot:
                figure = charts.lane_figure(
                    lane, thresholds=thresholds, end=end, size=size, palette=palette, titles={}
                )  # fmt: skip
                figure.add_vline(x=selection.time, line={"color": palette.accent, "width": 1.4})
                event = st.plotly_chart(
                    figure,
                    theme=None,
                    config=charts.CONFIG,
                    on_select="rerun",
                    selection_mode="points",
                    key=f"compare-lane-{id}-{selection.job.key}",
                    alt=f"{labels.plain(model)}: {series.finding(lane, thresholds)}",
                )
                _follow(id, event)
            show(_whole(lane, model, selection, thresholds), at=whole)
        hatched(list(lanes.values())[:1])


def _follow(id: str, event: object) -> None:
    """Go to the moment of a point that was clicked, once."""
    points = event["selection"]["points"] if event else []  # type: ignore[index]
    time = float(points[-1]["x"]) if points and "x" in points[-1] else None
    key = f"compare-clicked-{id}"
    if time is not None and st.session_state.get(key) != time:
        st.session_state[key] = time
        state.go(time)
        st.rerun()


def _name(model: ModelResult) -> Markup:
    spec = next((s for s in registry.list_models() if s.id == model.id), None)
    crop = f" · {spec.crop.size} px" if spec and model.kind != "audio" else ""
    clips = model.calibration.clips if model.calibration else 0
    if not clips:
        point = model.operating_point is not None
        calibrated = _("operating point, not calibrated here") if point else _("uncalibrated")
    else:
        calibrated = ngettext(
            "calibrated on {number} clip", "calibrated on {number} clips", clips
        ).format(number=clips)
    lines = [f"{labels.MODEL_KINDS[model.kind]}{crop}", calibrated]
    if not model.counted:
        lines.append(_("not counted"))
    return lane_parts.model(labels.plain(model), *lines)


def _whole(lane: Lane, model: ModelResult, selection: Selection, thresholds: Thresholds) -> Markup:
    track = selection.track
    if track is None or (score := track.models.get(model.id)) is None:
        return lane_parts.whole("", "", _("no score for this person"))
    answer = state.reading(selection, model, Label(score.label))
    values = [v for v in lane.score if v is not None]
    over = sum(v > thresholds.suspect for v in values)
    text = _("{over} of {looks} over {high}").format(
        over=over,
        looks=labels.looks(len(values), "audio" if not track.frames else model.kind),
        high=labels.whole_percent(thresholds.suspect),
    )
    if thresholds.never_decide:
        top = labels.score(max(values)) if values else ""
        text = _("at most {score}").format(score=top) if top else ""
    shown = _("score {score}").format(score=labels.score(score.probability))
    return lane_parts.whole(shown, chip(answer.short, answer.slug, answer.icon), text)


# --- where each model looked ----------------------------------------------------------------------


COLUMNS = 8
"""Moments that stand for a clip."""
CACHE_ENTRIES = 600
"""heatmaps, about 10 kB each."""
Slot = tuple[DeltaGenerator, ModelResult, float]
"""Where a heatmap comes, of which model and time."""
SIDE = 160
"""px of a heatmap in the grid."""


def column_times(lanes: dict[str, Lane], end: float) -> list[float]:
    """Return the times of the columns: stretches of equal length, each stood for by the time that
    the most suspicious model finds worst."""
    if not lanes:
        return []
    lines = list(lanes.values())
    highest = [
        max((lane.score[i] for lane in lines if lane.score[i] is not None), default=None)  # type: ignore[type-var]
        for i in range(len(lines[0].times))
    ]
    whole = Lane(lines[0].track, lines[0].times, tuple(highest), {}, ())
    return [
        whole.times[tile.index]
        for tile in series.tiles(whole, COLUMNS, end)
        if whole.score[tile.index] is not None
    ]


def draw_heatmaps(selection: Selection, lanes: dict[str, Lane]) -> list[Slot]:
    """Draw the card with slots for the heatmaps; return what `fill_heatmaps` fills, so that
    nothing else of the page waits for a network."""
    times = column_times(lanes, series.length(selection.analysis))
    slots: list[Slot] = []
    with st.container(border=True, key="card-looked"):
        scaled = _("scaled per model: compare places, not strength")
        cards.head(_("Where each model looked"), scaled)
        with st.container(width=240):
            figures.caption(figures.ramp(_("little"), _("most")))
        if not times:
            typography.caption(_("No model scored this person."))
            return []
        if not selection.job.has_media:
            lost = _(
                "The file is not kept here any more, so nothing can be drawn of it. Its scores are."
            )
            typography.caption(lost)
            return []
        nearest = min(times, key=lambda t: abs(t - selection.time))
        with st.container(key="looked-grid"):
            for id, lane in lanes.items():
                model = next(m for m in selection.models if m.id == id)
                show(typography.small(typography.strong(labels.plain(model))))
                grid = st.grid(len(times), min_column_width=96, wrap=False, gap="small")
                for time in times:
                    with grid:
                        on = "-on" if time == nearest else ""
                        with st.container(key=f"looked{on}-{id}-{time:.2f}", gap="small"):
                            place = st.empty()
                            place.skeleton(height=96)
                            slots.append((place, model, time))
                            show(_score(lane, model, selection, time))
            grid = st.grid(len(times), min_column_width=96, wrap=False, gap="small")
            for time in times:
                with grid:
                    controls.button(
                        labels.clock(time),
                        "",
                        f"looked-go-{time:.2f}",
                        partial(state.go, time),
                        kind="primary" if time == nearest else "tertiary",
                        help=_("Go to this moment"),
                    )
    return slots


def fill_heatmaps(selection: Selection, slots: list[Slot]) -> None:
    """Draw the heatmaps, one after another."""
    analysis, track = selection.analysis, selection.track
    if track is None:
        return
    for place, model, time in slots:
        try:
            heat = heatmap(selection.job.path, analysis.id, track.id, time, model.id, analysis)
        except (UnmaskError, OSError):
            heat = None
        if heat is None:
            none = _("{model} can’t show where it looked.").format(model=labels.plain(model))
            typography.caption(none, at=place)
            continue
        picture, caption = heat
        alt = _("{model} at {time}: {caption}").format(
            model=labels.plain(model), time=labels.clock(time), caption=caption
        )
        place.image(picture, width="stretch", alt=alt)


@st.cache_data(max_entries=CACHE_ENTRIES, show_spinner=False)
def heatmap(
    path: Path, analysis_id: str, person: str, time: float, model: str, _analysis: Analysis
) -> tuple[bytes, str] | None:
    """Return a heatmap as a small JPEG with its caption; None where the model can't show it."""
    heat = pictures.heatmap(path, _analysis, person, time, model)
    if heat is None:
        return None
    shown = explain.overlay(heat)
    step = max(1, shown.shape[0] // SIDE)
    return jpeg(shown[::step, ::step]), say(heat.caption)


def _score(lane: Lane, model: ModelResult, selection: Selection, time: float) -> Markup:
    value = lane.at(time)
    if value is None:
        return typography.small("–")
    label = series.label_at(value, limits(selection.analysis, model.id))
    answer = state.reading(selection, model, label)
    words = _("score, {reading}").format(reading=answer.short)
    score = join([labels.score(value), typography.unseen(words)])
    return typography.strong(inked(score, answer.slug, answer.icon))


# --- what each cost -------------------------------------------------------------------------------


def draw_cost(selection: Selection) -> None:
    """Draw the card."""
    specs = {spec.id: spec for spec in registry.list_models()}
    memory: dict[str, int] = {}
    for id, _device, size in registry.loaded():
        memory[id] = memory.get(id, 0) + size
    with st.container(border=True, key="card-cost"):
        heard = selection.track is not None and not selection.track.frames
        head = _("Time and memory") if heard else _("Time, memory and what each saw")
        typography.title(head)
        controls.table(_row(model, memory.get(model.id)) for model in selection.models)
        crops = _crops(selection)
        if not crops:
            return
        grid = st.grid(max(2, len(selection.models)), min_column_width=120, gap="small")
        for model in selection.models:
            if model.id in crops:
                with grid, st.container(gap="small", key=f"crop-{model.id}"):
                    spec = specs[model.id]
                    alt = _("The crop that {model} saw").format(model=spec.title)
                    st.image(crops[model.id], width=150, alt=alt)
                    crop = f"{labels.plain(model)}: {spec.crop.size} px, {spec.crop.kind}"
                    show(typography.small(crop))


def _row(model: ModelResult, memory: int | None) -> dict[str, str]:
    each = model.seconds / model.scored if model.seconds and model.scored else None
    return {
        _("Model"): labels.plain(model),
        _("Scored"): labels.looks(model.scored, model.kind),
        _("Time"): labels.took(model.seconds) if model.seconds else "–",
        _("Each"): f"{each * 1000:.0f}{labels.NBSP}ms" if each else "–",
        _("Memory"): _("not loaded") if memory is None else labels.size(memory),
    }


def _crops(selection: Selection) -> dict[str, bytes]:
    """Return the crop of each model at the chosen moment, as it was cut for it."""
    if selection.track is None or not selection.track.frames:
        return {}
    face = min(selection.track.frames, key=lambda f: abs(f.time - selection.time))
    out = {}
    try:
        frame = media.frame_at(selection.job.path, selection.analysis.media, face.time)
    except (UnmaskError, OSError):
        return {}
    for model in selection.models:
        with suppress(UnmaskError):
            crop = registry.get_spec(model.id).crop
            out[model.id] = jpeg(vision.cut(frame.rgb, face.box, crop, face.landmarks))
    return out
