"""Where each model looked: a heatmap a model and moment, in a grid that moves together."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, series
from dashboard.components import cards, figures, typography
from dashboard.components.chips import inked
from dashboard.components.markup import join, show, tag
from dashboard.i18n import _
from dashboard.pages.compare import state as chosen
from dashboard.pages.compare.lanes import limits
from dashboard.pages.compare.state import Chosen
from dashboard.result import pictures
from dashboard.series import Lane
from detector import explain
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, ModelResult

COLUMNS = 8
"""Moments that stand for a clip."""
KEPT = 600
"""heatmaps that are kept, about 10 kB each."""
SIDE = 160
"""px of a heatmap in the grid."""


def moments(drawn: dict[str, Lane], end: float) -> list[float]:
    """The moments of the columns: stretches of equal length, each stood for by the moment that the
    most suspicious model finds worst."""
    if not drawn:
        return []
    lines = list(drawn.values())
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


def draw(view: Chosen, drawn: dict[str, Lane]) -> list[tuple[DeltaGenerator, ModelResult, float]]:
    """Draw the card with places for the heatmaps; returns what `fill` fills, so that nothing else
    of the page waits for a network."""
    times = moments(drawn, series.length(view.analysis))
    wanted: list[tuple[DeltaGenerator, ModelResult, float]] = []
    with st.container(border=True, key="card-looked"):
        scaled = _("scaled per model: compare places, not strength")
        colors = figures.inferno(_("little"), _("most"), scaled)
        cards.wide_head(_("Where each model looked"), colors)
        if not times:
            typography.caption(_("No model scored this person."))
            return []
        if not view.job.has_media:
            gone = _(
                "The file is not kept here any more, so nothing can be drawn of it. Its scores are."
            )
            typography.caption(gone)
            return []
        nearest = min(times, key=lambda t: abs(t - view.time))
        with st.container(key="looked-grid"):
            for id, lane in drawn.items():
                model = next(m for m in view.models if m.id == id)
                show(tag("b", labels.plain(model), cls="um-caption"))
                grid = st.grid(len(times), min_column_width=96, wrap=False, gap="small")
                for time in times:
                    with grid:
                        on = "-on" if time == nearest else ""
                        with st.container(key=f"looked{on}-{id}-{time:.2f}", gap="small"):
                            place = st.empty()
                            place.skeleton(height=96)
                            wanted.append((place, model, time))
                            show(_score(lane, model, view, time))
            grid = st.grid(len(times), min_column_width=96, wrap=False, gap="small")
            for time in times:
                with grid:
                    st.button(
                        labels.clock(time),
                        key=f"looked-go-{time:.2f}",
                        on_click=chosen.go,
                        args=(time,),
                        type="primary" if time == nearest else "tertiary",
                        help=_("Go to this moment"),
                    )
    return wanted


def fill(view: Chosen, wanted: list[tuple[DeltaGenerator, ModelResult, float]]) -> None:
    """Draw the heatmaps, one after another."""
    for place, model, time in wanted:
        assert view.track is not None
        try:
            found = heatmap(
                view.job.path, view.analysis.id, view.track.id, time, model.id, view.analysis
            )
        except (UnmaskError, OSError):
            found = None
        if found is None:
            none = _("{model} can’t show where it looked.").format(model=labels.plain(model))
            typography.caption(none, at=place)
            continue
        picture, caption = found
        alt = _("{model} at {time}: {caption}").format(
            model=labels.plain(model), time=labels.clock(time), caption=caption
        )
        place.image(picture, width="stretch", alt=alt)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def heatmap(
    path: Path, analysis_id: str, person: str, time: float, model: str, _analysis: Analysis
) -> tuple[bytes, str] | None:
    """A heatmap as a small JPEG with its caption; None where the model can't show it."""
    heat = pictures.heatmap(path, analysis_id, person, time, model, _analysis)
    if heat is None:
        return None
    shown = explain.overlay(heat)
    step = max(1, shown.shape[0] // SIDE)
    return pictures.jpeg(shown[::step, ::step]), heat.caption


def _score(lane: Lane, model: ModelResult, view: Chosen, time: float) -> Markup:
    value = lane.at(time)
    if value is None:
        return tag("span", "–", cls="um-caption")
    state = labels.STATES[series.label_at(value, limits(view, model))]
    said = tag("span", " ", _("percent, {reading}").format(reading=state.short), cls="um-quiet")
    return inked(join([str(labels.whole_percent(value)), said]), state.slug, state.icon, "um-cell")
