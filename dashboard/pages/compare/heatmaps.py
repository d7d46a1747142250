"""Where each model looked: a heatmap a model and sampled time, in a grid that moves together."""

from functools import partial
from pathlib import Path

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, series
from dashboard.components import cards, controls, figures, typography
from dashboard.components.chips import inked
from dashboard.components.markup import join, show
from dashboard.i18n import _, say
from dashboard.images import jpeg
from dashboard.pages.compare import state
from dashboard.pages.compare.state import Selection, limits
from dashboard.result import pictures
from dashboard.series import Lane
from detector import explain
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, ModelResult

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


def draw(selection: Selection, lanes: dict[str, Lane]) -> list[Slot]:
    """Draw the card with slots for the heatmaps; return what `fill` fills, so that nothing else
    of the page waits for a network."""
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


def fill(selection: Selection, slots: list[Slot]) -> None:
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
    answer = state.reading(selection, model, series.label_at(value, limits(selection, model)))
    words = _("score, {reading}").format(reading=answer.short)
    score = join([labels.score(value), typography.unseen(words)])
    return typography.strong(inked(score, answer.slug, answer.icon))
