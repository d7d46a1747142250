"""Plotly figures of the dashboard: pure functions of numbers and a palette.

Figures use `theme=None` and the empty template, without plotly's or Streamlit's styles. Margins are
fixed and narrow, because the page doesn't know its width and the evidence view places its cursor by
them.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from _plotly_utils import basevalidators, optional_imports, utils
from plotly.io import _json

from dashboard import labels
from dashboard.theme import AXIS, CAPTION, SANS, Palette
from detector.messages.format import time_ticks
from detector.presentation import series
from detector.presentation.series import Lane
from detector.schema.analysis import Thresholds
from detector.sentences import separators

_get_module = optional_imports.get_module


def _whole(name: str, should_load: bool = True) -> Any:
    """Return Plotly's `get_module`, but None for a module that is still being imported.

    Plotly (and narwhals) checks `sys.modules` for pandas, which another session may be importing:
    the half-imported module would break a chart. Figures here need numbers and NumPy only. Last
    verified with Plotly 7.1.
    """
    module = None if should_load else sys.modules.get(name)
    # What importlib itself asks, to let others wait for the end of an import.
    if module is not None and getattr(module.__spec__, "_initializing", False):
        return None
    return _get_module(name, should_load)


for _importing in (basevalidators, utils, _json):
    _importing.get_module = _whole

CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "showTips": False}
"""No toolbar: a click is the only gesture."""

LEFT, RIGHT = 66, 10
"""Margins of a lane in px; two limits with tenths have to find room on the left."""
TAG = 26
"""Room above the first lane for the cursor's time tag, px."""
FOOT = 28
"""Room below the last lane for the time axis, px."""
PAD = 9
"""Above and below every lane, so that no tick is cut, px."""
DASHES = ("solid", "dash", "dot", "dashdot")
PLOT_WIDTH = 820
"""Usual width of a lane on a desktop, px: only decides whether a word fits into a gap. On a phone
the words are hidden and the caption below lists them."""
LETTER = 5.7
"""Mean width of a letter of the axis font, px."""
ROOM = 0.11
"""share of the axis of a lane that a text at it needs"""
PLAIN = {"showgrid": False, "zeroline": False, "fixedrange": True, "automargin": False}
"""An axis."""
BARE = {
    "template": "none",
    "showlegend": False,
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "dragmode": False,
}
"""A layout without plotly's own look."""

Values = Sequence[Any] | np.ndarray
Part = dict[str, Any]
"""A piece of a figure, as plotly's reference of figures has it."""


@dataclass(frozen=True)
class LaneSize:
    """Vertical layout of a lane, px, common to the chart, its labels and the cursor."""

    plot: int
    top: int = PAD
    bottom: int = PAD

    @property
    def height(self) -> int:
        return self.top + self.plot + self.bottom

    def y(self, score: float) -> float:
        """Return the distance of a score from the top of the figure."""
        return self.top + self.plot * (1 - score)


def lane_sizes(count: int, first: int = 150, rest: int = 112) -> list[LaneSize]:
    """Return the sizes of stacked lanes: the first has the tag, the last the time axis."""
    return [
        LaneSize(
            plot=first if i == 0 else rest,
            top=TAG if i == 0 else PAD,
            bottom=FOOT if i == count - 1 else PAD,
        )
        for i in range(count)
    ]


def score_ticks(thresholds: Thresholds) -> tuple[list[float], list[str]]:
    """Return the values and texts of a score's axis, thresholds bold."""
    ticks = sorted(series.ticks(series.chart((), 1.0, thresholds), ROOM))
    texts = [text if text in ("0", "100") else f"<b>{text}</b>" for _value, text in ticks]
    return [value for value, _text in ticks], texts


def lane_figure(
    lane: Lane,
    *,
    thresholds: Thresholds,
    end: float,
    size: LaneSize,
    palette: Palette,
    titles: Mapping[str, str],
) -> go.Figure:
    """Return one person's scores over time up to `end` in s, with the thresholds dotted and the
    band between them tinted. `titles` maps model ids to names in the order of their dashes; a
    `size` with room below prints the times."""
    traces = [_hatch(gap, palette) for gap in lane.gaps]
    traces += areas_above(lane.runs, thresholds.suspect, palette)
    faded = len(titles) > len(DASHES)
    color, opacity = (palette.edge, 0.6) if faded else (palette.muted, 1)
    for i, id in enumerate(titles):
        if id in lane.models:
            line = {"color": color, "width": 1, "dash": DASHES[i % len(DASHES)]}
            points = lane.joined(lane.models[id])
            traces.append(_line([t for t, _ in points], [v for _, v in points], line, opacity))
    if lane.bridges:
        ends = [point for pair in lane.bridges for point in (*pair, (pair[1][0], None))]
        thin = {"color": palette.text, "width": 1}
        traces.append(_line([t for t, _ in ends], [v for _, v in ends], thin))
    traces.append(_line(lane.times, lane.score, {"color": palette.text, "width": 2.6}))
    traces += lonely(lane.runs, palette.text)
    traces.append(_picker(lane, titles, thresholds, palette))
    layout = lane_layout(thresholds, (0, end), time_ticks(end), size, palette)
    layout["xaxis"]["showticklabels"] = size.bottom >= FOOT
    layout |= {
        "annotations": [_word(gap, palette) for gap in lane.gaps if fits(gap, end)],
        "clickmode": "event+select",
        "hovermode": "closest",
        "hoverdistance": -1,
    }
    return go.Figure(traces, layout)


def fits(gap: series.Gap, end: float) -> bool:
    """Return whether the label of a gap fits into its block on a desktop."""
    return (gap.end - gap.start) / end * PLOT_WIDTH > len(gap.word) * LETTER + 4


def scatter(x: Values, y: Values, *, hover: str = "", **more: Any) -> Part:
    """Return a trace, lines by default; `hover` is plotly's template for the pointer, whose own
    formats write a hyphen for a minus sign."""
    # Without the empty part plotly would put the name of the trace beside it.
    on_hover = {"hovertemplate": f"{hover}<extra></extra>"} if hover else {"hoverinfo": "skip"}
    return {"type": "scatter", "x": x, "y": y, "mode": "lines", **on_hover, **more}


def lonely(runs: Iterable[Sequence[tuple[float, float]]], color: str | None) -> list[Part]:
    """Return dots for the points of a line that have no neighbor, if there are any; the pointer
    finds those of the line."""
    points = [run[0] for run in runs if len(run) == 1]
    if not points:
        return []
    x, y = zip(*points, strict=True)
    return [scatter(x, y, mode="markers", marker={"color": color, "size": 6})]


def area(x: Sequence[float], y: Sequence[float], color: str | None, **more: Any) -> Part:
    """Return a filled shape without an outline, by its corners."""
    return scatter(x, y, fill="toself", line={"width": 0}, fillcolor=color, **more)


def areas_above(
    runs: Iterable[Sequence[tuple[float, float]]], level: float, palette: Palette
) -> list[Part]:
    """Return the areas between the upper threshold and the parts of a line above it."""
    color = rgba(palette.fake.fill, palette.over_alpha)
    return [
        area(
            [t for t, _ in (*part, part[-1], part[0])], [*(s for _, s in part), level, level], color
        )
        for run in runs
        for part in series.above(run, level)
    ]


def _line(
    times: Sequence[float], scores: Sequence[float | None], line: Part, opacity: float = 1
) -> Part:
    return scatter(times, scores, line=line, opacity=opacity, connectgaps=False)


def _hatch(gap: series.Gap, palette: Palette) -> Part:
    """Return a block without scores: hatched, or plain while a score is pending."""
    x, y = [gap.start, gap.end, gap.end, gap.start], [0, 0, 1, 1]
    if gap.why is series.Missing.NOT_YET:
        return area(x, y, palette.sunken)
    hatching = {
        "shape": "/",
        "size": 7,
        "solidity": 0.14,
        "fgcolor": rgba(palette.edge, 0.6),
        "bgcolor": palette.surface,
    }
    return area(x, y, palette.surface, fillpattern=hatching)


def _word(gap: series.Gap, palette: Palette) -> Part:
    """Return the reason of a missing score as a label in the middle of the block."""
    return {
        "x": (gap.start + gap.end) / 2,
        "y": 0.5,
        "text": gap.word,
        "showarrow": False,
        "font": {"size": AXIS, "color": palette.muted},
        "bgcolor": palette.sunken if gap.why is series.Missing.NOT_YET else palette.surface,
        "borderpad": 3,
    }


def _picker(
    lane: Lane, titles: Mapping[str, str], thresholds: Thresholds, palette: Palette
) -> Part:
    """Return invisible points that receive clicks: one for each sampled frame, also in gaps."""
    texts = []
    for i, (time, score, gap) in enumerate(zip(lane.times, lane.score, lane.gap_at, strict=True)):
        if score is None:
            texts.append(f"{labels.clock(time)} · {gap}")
            continue
        parts = [
            f"{labels.escape(titles[id])} {labels.whole_percent(value)}"
            for id, line in lane.models.items()
            if id in titles and (value := line[i]) is not None
        ]
        detail = f"<br>{' · '.join(parts)}" if parts else ""
        texts.append(f"{labels.clock(time)} · <b>{series.together(score, thresholds)}</b>{detail}")
    invisible = {"marker": {"opacity": 0}}
    return scatter(
        lane.times,
        [0.5 if s is None else s for s in lane.score],
        hover="%{text}",
        mode="markers",
        marker={"size": 11, "opacity": 0, "color": palette.accent},
        selected=invisible,
        unselected=invisible,
        customdata=lane.times,
        text=texts,
        name="moments",
    )


def lane_layout(
    thresholds: Thresholds,
    span: tuple[float, float],
    ticks: tuple[Sequence[float], Sequence[str]],
    size: LaneSize,
    palette: Palette,
    *,
    right: int = RIGHT,
) -> Part:
    """Return axes, band and thresholds of a lane over `span`, s; `ticks` are times and texts."""
    start, end = span
    times, texts = ticks
    values, marks = score_ticks(thresholds)
    ends = (rule(palette.line, x0=start, x1=end, y0=level, y1=level) for level in (0, 1))
    return layout(
        palette,
        size.height,
        shapes=[*_threshold_shapes(thresholds, span, palette), *ends],
        yaxis={
            **PLAIN, "range": [0, 1], "tickvals": values, "ticktext": marks,
            "tickfont": {"size": AXIS}, "ticklabelstandoff": 4,
        },
        xaxis={
            **PLAIN, "range": [start, end], "tickvals": times, "ticktext": texts,
            "tickangle": 0, "tickfont": {"size": AXIS}, "ticklabelstandoff": 5,
        },
        margin={"l": LEFT, "r": right, "t": size.top, "b": size.bottom, "pad": 0},
    )  # fmt: skip


def _threshold_shapes(
    thresholds: Thresholds, span: tuple[float, float], palette: Palette
) -> list[Part]:
    ends = {"x0": span[0], "x1": span[1]}
    band = {"type": "rect", "fillcolor": palette.band, "line": {"width": 0}, "layer": "below"}
    return [
        {**band, "y0": thresholds.unsuspicious, "y1": thresholds.suspect, **ends},
        *(rule(palette.edge, "dot", y0=edge, y1=edge, **ends) for edge in thresholds.edges),
    ]


def rule(color: str, dash: str = "solid", **place: float | str) -> Part:
    """Return a thin line below the other traces."""
    return {"type": "line", "line": {"color": color, "width": 1, "dash": dash}, "layer": "below",
            **place}  # fmt: skip


def layout(palette: Palette, height: int, **more: Any) -> Part:
    """Return a layout as plain data: plotly validates a figure again at each addition."""
    return {
        **BARE,
        "height": height,
        "separators": separators(),
        "font": {"family": SANS, "size": AXIS, "color": palette.muted},
        "hoverlabel": {
            "bgcolor": palette.surface,
            "bordercolor": palette.edge,
            "font": {"family": SANS, "size": CAPTION, "color": palette.text},
            "align": "left",
        },
        **more,
    }


def rgba(color: str, alpha: float) -> str:
    """Return "rgba(213,94,0,0.26)" for "#D55E00", 0.26."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
