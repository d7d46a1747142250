"""Models side by side: their curves on one axis, heatmaps and costs."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import charts, labels
from dashboard.charts import models
from dashboard.components import blocks, cards, chips, controls, figures, typography
from dashboard.components import lanes as lane_parts
from dashboard.components.chips import inked
from dashboard.components.markup import join, show
from dashboard.images import jpeg
from dashboard.pages.compare import state
from dashboard.pages.compare.agree import SHORT
from dashboard.pages.compare.state import Selection
from dashboard.result import pictures
from dashboard.result.timeline import hatched
from dashboard.theme import Palette
from detector import explain, media, vision
from detector.errors import UnmaskError
from detector.models import registry
from detector.presentation import agreement, looks, series
from detector.presentation import models as presented
from detector.presentation.agreement import ModelLine
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Label, ModelResult
from detector.sentences import _, say

PLOT = 220
"""px of the curves."""
COLUMN = 140
"""px that a model has at least: two a row on a phone."""


def draw(selection: Selection, lines: Sequence[ModelLine], palette: Palette) -> None:
    """Draw each model's result for the clip, and their curves on one axis."""
    first = lines[0]
    with st.container(border=True, key="card-lanes"):
        how = say(agreement.SIDE_BY_SIDE_NOTE)
        cards.head(say(agreement.SIDE_BY_SIDE), typography.small(how))
        grid = st.grid(len(lines), min_column_width=COLUMN, gap="small")
        for line, (_symbol, mark) in zip(lines, models.MARKS, strict=False):
            with grid, st.container(gap="small", key=f"lane-{line.model.id}"):
                show(_name(selection.analysis, line.model, mark))
                show(_whole(line, selection))
        if selection.analysis.media.kind == "image":
            return
        span = selection.time, series.length(selection.analysis)
        size = charts.LaneSize(PLOT, bottom=charts.FOOT)
        figure = models.figure(lines, span=span, size=size, palette=palette)
        event = st.plotly_chart(
            figure,
            theme=None,
            config=charts.CONFIG,
            on_select="rerun",
            selection_mode="points",
            key=f"compare-lanes-{selection.job.key}",
            alt=" ".join(line.finding for line in lines),
        )
        _follow(event)
        if any(line.limits != first.limits for line in lines):
            typography.caption(agreement.shading(first))
        hatched([first.lane])


def _follow(event: object) -> None:
    """Go to the moment of a clicked point, once."""
    points = event["selection"]["points"] if event else []  # type: ignore[index]
    time = float(points[-1]["x"]) if points and "x" in points[-1] else None
    if time is not None and st.session_state.get("compare-clicked") != time:
        st.session_state["compare-clicked"] = time
        state.go(time)
        st.rerun()


def _name(analysis: Analysis, model: ModelResult, mark: str) -> Markup:
    spec = next((s for s in registry.list_models() if s.id == model.id), None)
    crop = f" · {spec.crop.size} px" if spec and model.kind != "audio" else ""
    lines = [f"{say(labels.MODEL_KINDS[model.kind])}{crop}", *presented.about(analysis, model)]
    return lane_parts.model(f"{mark} {labels.plain(model)}", *lines)


def _whole(line: ModelLine, selection: Selection) -> Markup:
    assert selection.track is not None
    if (score := selection.track.models.get(line.model.id)) is None:
        return lane_parts.whole("", "", series.words(series.Missing.NO_SCORE))
    said = presented.reading(selection.analysis, line.model, Label(score.label))
    answered = chips.reading(said)
    return lane_parts.whole(
        series.scored(score.probability, line.limits), answered, agreement.reach(line)
    )


# --- where each model looked ----------------------------------------------------------------------


MOMENTS = 8
"""that stand for a clip."""
Slot = tuple[DeltaGenerator, DeltaGenerator, ModelResult]
"""Where the heatmap of a model comes, its caption, and the model."""
SIDE = 320
"""px of a heatmap."""


def column_times(lines: Sequence[ModelLine], end: float) -> list[float]:
    """Return the moments of the columns: stretches of equal length, each represented by the moment
    that the most suspicious model scores highest, of those that the most models scored."""
    if not lines:
        return []
    lane = lines[0].lane
    whole = Lane(lane.track, lane.times, tuple(agreement.highest(lines)), {}, ())
    tiles = series.tiles(whole, MOMENTS, end)
    return [lane.times[tile.index] for tile in tiles if whole.score[tile.index] is not None]


def draw_heatmaps(selection: Selection, lines: Sequence[ModelLine]) -> list[Slot]:
    """Draw the card with slots for the heatmaps of one frame; return the arguments of
    `fill_heatmaps`, so that the rest of the page waits for no network."""
    times = column_times(lines, series.length(selection.analysis))
    slots: list[Slot] = []
    with st.container(border=True, key="card-looked"):
        cards.head(say(looks.WHERE), typography.small(say(looks.WHERE_NOTE)))
        if not times:
            typography.caption(say(series.UNSCORED))
            return []
        if not selection.job.has_media:
            lost = _(
                "The file is not kept here any more, so nothing can be drawn of it. Its scores are."
            )
            typography.caption(lost)
            return []
        if selection.analysis.media.kind != "image":
            _moments(selection, sorted({*times, selection.time}))
        with st.container(key="looked-grid"):
            grid = st.grid(len(lines), min_column_width=COLUMN, gap="small")
            for line in lines:
                with grid, st.container(key=f"looked-{line.model.id}", gap="small"):
                    show(join([typography.strong(line.name), " ", _score(line, selection)]))
                    place = st.empty()
                    place.skeleton(height=COLUMN)
                    slots.append((place, st.empty(), line.model))
        with st.container(width=240):
            figures.caption(figures.ramp(_("little"), _("most")))
    return slots


def _moments(selection: Selection, times: list[float]) -> None:
    """Draw a button for each moment."""
    with st.container(horizontal=True, gap="small", key="looked-moments"):
        for time in times:
            controls.button(
                labels.clock(time, tenths=series.length(selection.analysis) < SHORT),
                "",
                f"looked-go-{time:.2f}",
                partial(state.go, time),
                kind="primary" if time == selection.time else "tertiary",
                help=_("Go to this moment"),
            )


def fill_heatmaps(selection: Selection, slots: list[Slot]) -> None:
    """Draw the heatmaps, one after another."""
    analysis, track, time = selection.analysis, selection.track, selection.time
    if track is None:
        return
    for place, words, model in slots:
        try:
            heat = pictures.heatmap(selection.job.path, analysis, track.id, time, model.id)
        except (UnmaskError, OSError):
            heat = None
        if heat is None:
            typography.caption(looks.blind(model), at=place)
            continue
        shown, caption = explain.overlay(heat), say(heat.caption)
        step = max(1, shown.shape[0] // SIDE)
        alt = looks.at(model, time, caption)
        place.image(jpeg(shown[::step, ::step]), width="stretch", alt=alt)
        typography.caption(caption, at=words)


def _score(line: ModelLine, selection: Selection) -> Markup:
    value = line.lane.at(selection.time)
    if value is None:
        return typography.small("–")
    at = series.label_at(value, line.limits)
    said = presented.reading(selection.analysis, line.model, at)
    score = join([labels.score(value), typography.unseen(f"{_('Score')}, {said.text}")])
    return typography.strong(inked(score, said.state))


# --- what each cost -------------------------------------------------------------------------------


def draw_cost(selection: Selection) -> None:
    """Draw the card of the models' costs."""
    specs = {spec.id: spec for spec in registry.list_models()}
    memory: dict[str, int] = {}
    for id, _device, size in registry.loaded():
        memory[id] = memory.get(id, 0) + size
    with st.container(border=True, key="card-cost"):
        heard = selection.track is not None and not selection.track.frames
        head = _("Time and memory") if heard else _("Time, memory and what each saw")
        typography.title(head)
        show(blocks.block(presented.costs(selection.models, memory)))
        crops = _crops(selection)
        if not crops:
            return
        grid = st.grid(max(2, len(selection.models)), min_column_width=120, gap="small")
        for model in selection.models:
            if model.id in crops:
                with grid, st.container(gap="small", key=f"crop-{model.id}"):
                    spec = specs[model.id]
                    alt = _("The crop that {model} saw").format(model=labels.plain(model))
                    st.image(crops[model.id], width=150, alt=alt)
                    show(typography.small(f"{labels.plain(model)}: {presented.crop(spec)}"))


def _crops(selection: Selection) -> dict[str, bytes]:
    """Return each model's input crop at the chosen moment."""
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
