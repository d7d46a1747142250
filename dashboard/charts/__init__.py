"""The figures of the dashboard, as plotly figures. Pure functions of numbers and a palette.

Figures are drawn with `theme=None` and the empty template, so that nothing of plotly's or
Streamlit's own look is left. Margins are fixed and narrow, because the page doesn't know its width
and because the evidence view places its cursor by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dashboard import labels as words
from dashboard import series
from dashboard.i18n import _
from dashboard.series import Lane
from dashboard.theme import AXIS, CAPTION, SANS, Palette
from detector.schema.analysis import Thresholds

CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "showTips": False}
"""No toolbar: a click is the only gesture."""

LEFT, RIGHT = 38, 10
"""Margins of a lane in px."""
TAG = 26
"""Room above the first lane for the cursor's time tag, px."""
HEAD = 26
"""Room above rows of dots for the score axis, px."""
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
PLAIN = {"showgrid": False, "zeroline": False, "fixedrange": True, "automargin": False}
"""An axis."""
STEPS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600)

Part = dict[str, Any]
"""A piece of a figure, as plotly's reference of figures has it."""


@dataclass(frozen=True)
class LaneSize:
    """The vertical layout of a lane in px, shared with the words beside it and with the cursor."""

    plot: int
    top: int = PAD
    bottom: int = PAD

    @property
    def height(self) -> int:
        return self.top + self.plot + self.bottom

    def y(self, score: float) -> float:
        """Distance of a score from the top of the figure."""
        return self.top + self.plot * (1 - score)


def lane_sizes(count: int, first: int = 150, rest: int = 112) -> list[LaneSize]:
    """Sizes of lanes drawn below one another: the first has the tag, the last the time axis."""
    return [
        LaneSize(
            plot=first if i == 0 else rest,
            top=TAG if i == 0 else PAD,
            bottom=FOOT if i == count - 1 else PAD,
        )
        for i in range(count)
    ]


def time_ticks(end: float, most: int = 6) -> tuple[list[float], list[str]]:
    """At most so many round times from 0 to the end, and their texts."""
    step = next((s for s in STEPS if end / s < most), STEPS[-1] * -(-end // (STEPS[-1] * most)))
    values = [i * step for i in range(int(end / step) + 1)]
    return values, [words.clock(v, tenths=step < 1) for v in values]


def score_ticks(thresholds: Thresholds) -> tuple[list[float], list[str]]:
    """0, the two thresholds in bold, 100 %; one of two that would touch is left out."""
    low, high = thresholds.low, thresholds.high
    room = 0.11
    ticks = [(0.0, "0")] if low > room else []
    if high - low < room:
        ticks.append(
            (
                (low + high) / 2,
                f"<b>{words.whole_percent(low)}–{words.whole_percent(high)}</b>",
            )
        )
    else:
        ticks += [(t, f"<b>{words.whole_percent(t)}</b>") for t in (low, high)]
    if high < 1 - room:
        ticks.append((1.0, f"100{words.NBSP}%"))
    return [t for t, _ in ticks], [text for _, text in ticks]


def lane_figure(  # noqa: PLR0913
    lane: Lane,
    *,
    thresholds: Thresholds,
    end: float,
    size: LaneSize,
    palette: Palette,
    titles: Mapping[str, str],
    chosen: str | None = None,
    axis: bool = True,
) -> go.Figure:
    """One person's scores over time.

    Parameters
    ----------
    thresholds : Thresholds
        Drawn dotted and numbered; the band between them is tinted.
    end : float
        End of the time axis, s; the same in every lane.
    titles : mapping of str to str
        Model id to name, in the order that gives each its dash.
    chosen : str, optional
        With more than four models this one is drawn in the accent, the others are faded.
    axis : bool
        Whether to print the times below.
    """
    traces = [_hatch(gap, palette) for gap in lane.gaps]
    many = len(titles) > len(DASHES)
    for run in series.runs(lane, lane.score):
        for part in series.above(run, thresholds.high):
            traces.append(filled(part, thresholds.high, palette))
    for i, id in enumerate(titles):
        faded = many and id != chosen
        color = palette.accent if many and id == chosen else palette.edge if faded else None
        if id in lane.models:
            line = {"color": color or palette.muted, "width": 1, "dash": DASHES[i % len(DASHES)]}
            traces.append(_line(lane.times, lane.models[id], line, 0.6 if faded else 1))
    traces.append(_line(lane.times, lane.score, {"color": palette.text, "width": 2.6}))
    lonely = [run[0] for run in series.runs(lane, lane.score) if len(run) == 1]
    if lonely:
        traces.append(
            {
                "type": "scatter",
                "x": [t for t, _ in lonely],
                "y": [s for _, s in lonely],
                "mode": "markers",
                "marker": {"color": palette.text, "size": 6},
                "hoverinfo": "skip",
            }
        )
    traces.append(_picker(lane, titles, palette))
    layout = lane_layout(thresholds, (0, end), time_ticks(end), size, palette)
    layout["xaxis"]["showticklabels"] = axis
    layout |= {
        "annotations": [_word(gap, palette) for gap in lane.gaps if fits(gap, end)],
        "clickmode": "event+select",
        "hovermode": "closest",
        "hoverdistance": -1,
    }
    return go.Figure(traces, layout)


def fits(gap: series.Gap, end: float) -> bool:
    """Whether the word of a gap fits into its block on a desktop."""
    return (gap.end - gap.start) / end * PLOT_WIDTH > len(gap.word) * LETTER + 4


def _line(
    times: Sequence[float], scores: Sequence[float | None], line: Part, opacity: float = 1
) -> Part:
    return {
        "type": "scatter", "x": times, "y": scores, "mode": "lines", "line": line,
        "opacity": opacity, "hoverinfo": "skip", "connectgaps": False,
    }  # fmt: skip


def _hatch(gap: series.Gap, palette: Palette) -> Part:
    """A block where there is no score. What is only on its way is plain instead of hatched."""
    waiting = gap.why is series.Missing.NOT_YET
    hatching = {
        "shape": "/",
        "size": 7,
        "solidity": 0.14,
        "fgcolor": rgba(palette.edge, 0.6),
        "bgcolor": palette.surface,
    }
    return {
        "type": "scatter",
        "x": [gap.start, gap.end, gap.end, gap.start],
        "y": [0, 0, 1, 1],
        "fill": "toself",
        "mode": "lines",
        "line": {"width": 0},
        "fillcolor": palette.sunken if waiting else palette.surface,
        "fillpattern": None if waiting else hatching,
        "hoverinfo": "skip",
    }


def _word(gap: series.Gap, palette: Palette) -> Part:
    """Why there is no score, in the middle of the block."""
    return {
        "x": (gap.start + gap.end) / 2,
        "y": 0.5,
        "text": gap.word,
        "showarrow": False,
        "font": {"size": AXIS, "color": palette.muted},
        "bgcolor": palette.sunken if gap.why is series.Missing.NOT_YET else palette.surface,
        "borderpad": 3,
    }


def filled(part: Sequence[tuple[float, float]], level: float, palette: Palette) -> Part:
    """The area between the upper threshold and the line."""
    times = [t for t, _ in part]
    return {
        "type": "scatter",
        "x": [*times, times[-1], times[0]],
        "y": [*(s for _, s in part), level, level],
        "fill": "toself",
        "mode": "lines",
        "line": {"width": 0},
        "fillcolor": rgba(palette.fake.fill, palette.over_alpha),
        "hoverinfo": "skip",
    }


def _picker(lane: Lane, titles: Mapping[str, str], palette: Palette) -> Part:
    """Invisible points that take the clicks: one for each looked-at moment, gaps too."""
    reasons = iter_gap_words(lane)
    texts = []
    for i, time in enumerate(lane.times):
        score = lane.score[i]
        if score is None:
            texts.append(f"{words.clock(time)} · {reasons[i]}")
            continue
        parts = [
            f"{words.escape(titles[id])} {words.whole_percent(value)}"
            for id, line in lane.models.items()
            if id in titles and (value := line[i]) is not None
        ]
        detail = f"<br>{' · '.join(parts)}" if parts else ""
        together = _("{percent} all models").format(percent=f"<b>{words.percent(score)}</b>")
        texts.append(f"{words.clock(time)} · {together}{detail}")
    invisible = {"marker": {"opacity": 0}}
    return {
        "type": "scatter",
        "x": lane.times,
        "y": [0.5 if s is None else s for s in lane.score],
        "mode": "markers",
        "marker": {"size": 11, "opacity": 0, "color": palette.accent},
        "selected": invisible,
        "unselected": invisible,
        "customdata": lane.times,
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "name": "moments",
    }


def iter_gap_words(lane: Lane) -> list[str]:
    """The word of the gap at each moment; empty where there is a score."""
    return [
        next((g.word for g in lane.gaps if g.start <= t <= g.end), "") if s is None else ""
        for t, s in zip(lane.times, lane.score, strict=True)
    ]


def lane_layout(
    thresholds: Thresholds,
    span: tuple[float, float],
    ticks: tuple[Sequence[float], Sequence[str]],
    size: LaneSize,
    palette: Palette,
    *,
    right: int = RIGHT,
) -> Part:
    """Axes, band and thresholds of a lane.

    Parameters
    ----------
    span : tuple of float
        Where the time axis begins and ends, s.
    ticks : tuple
        The times to print below, and their texts.
    right : int
        Margin, px.
    """
    start, end = span
    values, texts = score_ticks(thresholds)
    moments, labels = ticks
    return layout(
        palette,
        size.height,
        shapes=[
            band(palette, x0=start, x1=end, y0=thresholds.low, y1=thresholds.high),
            *(
                rule(palette.edge, "dot", x0=start, x1=end, y0=level, y1=level)
                for level in (thresholds.low, thresholds.high)
            ),
            *(rule(palette.line, x0=start, x1=end, y0=level, y1=level) for level in (0, 1)),
        ],
        yaxis={
            **PLAIN, "range": [0, 1], "tickvals": values, "ticktext": texts,
            "tickfont": {"size": AXIS}, "ticklabelstandoff": 4,
        },
        xaxis={
            **PLAIN, "range": [start, end], "tickvals": moments, "ticktext": labels,
            "tickangle": 0, "tickfont": {"size": AXIS}, "ticklabelstandoff": 5,
        },
        margin={"l": LEFT, "r": right, "t": size.top, "b": size.bottom, "pad": 0},
        dragmode=False,
    )  # fmt: skip


def score_layout(rows: int, height: int, thresholds: Thresholds, palette: Palette) -> Part:
    """Layout of a chart with dots in rows, the first at 0 on top: band, thresholds, the scores'
    ticks above.

    Parameters
    ----------
    height : int
        Of a row, px; names stand beside the figure, so far apart under `HEAD` px.
    """
    bottom = rows - 0.5
    values, texts = score_ticks(thresholds)
    return layout(
        palette,
        HEAD + height * rows,
        shapes=[
            band(palette, x0=thresholds.low, x1=thresholds.high, y0=-0.5, y1=bottom),
            *(
                rule(palette.edge, "dot", x0=level, x1=level, y0=-0.5, y1=bottom)
                for level in (thresholds.low, thresholds.high)
            ),
        ],
        xaxis={
            **PLAIN, "range": [-0.03, 1.03], "tickvals": values, "ticktext": texts, "side": "top",
            "tickangle": 0, "tickfont": {"size": AXIS},
        },
        yaxis={**PLAIN, "range": [bottom, -0.5], "showticklabels": False},
        margin={"l": 8, "r": 18, "t": HEAD, "b": 0, "pad": 0},
        hovermode="closest",
        dragmode=False,
    )  # fmt: skip


def band(palette: Palette, **place: float) -> Part:
    """The uncertain band, below the lines."""
    return {"type": "rect", "fillcolor": palette.band, "line": {"width": 0}, "layer": "below",
            **place}  # fmt: skip


def rule(color: str, dash: str = "solid", **place: float | str) -> Part:
    """A thin line below the others."""
    return {"type": "line", "line": {"color": color, "width": 1, "dash": dash}, "layer": "below",
            **place}  # fmt: skip


def layout(palette: Palette, height: int, **more: Any) -> Part:
    """A layout that leaves nothing of plotly's own look.

    A figure is made of its parts at once, as plain data: plotly looks through the whole of it again
    each time something is added, which takes ten times as long.
    """
    return {
        "template": "none",
        "height": height,
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
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
    """ "#D55E00", 0.26 -> "rgba(213,94,0,0.26)"."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
