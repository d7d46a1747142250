"""Plotly figures of an evaluation: pure functions of numbers and a palette."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.charts import DASHES, PLAIN, Part, area, layout, rgba, rule, scatter
from dashboard.theme import AXIS, SANS, Palette
from detector.evaluation.metrics import Roc
from detector.evaluation.report import Bar
from detector.presentation.evaluation import GUESSING, ChartTexts, Line, of_total, sides
from detector.schema.analysis import Thresholds
from detector.sentences import say

SECOND, FOURTH = "#8C5A87", "#56B4E9"
HEIGHT = 340
BINS = 20
LINES = 4
"""that their colors and dashes tell apart"""
PERCENTS = {"x": "%{x:.0%}", "y": "%{y:.0%}"}
"""What plotly fills in where the pointer is"""


def roc(curves: Mapping[str, Roc], texts: ChartTexts, colors: Palette) -> go.Figure:
    """Return ROC curves by name; the first has its band."""
    traces: list[Part] = []
    for number, (name, curve) in enumerate(curves.items()):
        if number == 0 and curve.grid.size:
            x, y = [*curve.grid, *curve.grid[::-1]], [*curve.high, *curve.low[::-1]]
            traces.append(area(x, y, rgba(_color(number, colors), 0.16)))
        hover, line = texts.hover.format(name=name, **PERCENTS), _stroke(number, colors)
        traces.append(scatter(curve.fpr, curve.tpr, hover=hover, line=line))
    return _figure(traces, texts, colors, shapes=[_diagonal(colors)])


def precision(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], share: float, texts: ChartTexts,
    colors: Palette,
) -> go.Figure:  # fmt: skip
    """Return precision against recall; `share` of fakes is the precision of guessing."""
    traces = []
    for number, (name, (recall, right)) in enumerate(curves.items()):
        hover = texts.hover.format(name=name, **PERCENTS)
        line = _stroke(number, colors) | {"shape": "vh"}
        traces.append(scatter(recall, right, hover=hover, line=line))
    guessing = rule(colors.edge, "dot", layer="above", x0=0, x1=1, y0=share, y1=share)
    return _figure(traces, texts, colors, shapes=[guessing])


def reliability(bars: Sequence[Bar], texts: ChartTexts, colors: Palette) -> go.Figure:
    """Return observed frequency against predicted likelihood, with intervals."""
    filled = [bar for bar in bars if bar.seen.of]
    dots = scatter(
        [bar.said for bar in filled],
        [bar.seen.value for bar in filled],
        hover=texts.hover.format(n="%{text}", **PERCENTS),
        mode="markers",
        marker={"size": 9, "color": colors.accent},
        text=[of_total(bar.seen) for bar in filled],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [bar.seen.high - bar.seen.value for bar in filled],
            "arrayminus": [bar.seen.value - bar.seen.low for bar in filled],
            "color": colors.muted,
            "thickness": 1,
            "width": 3,
        },
    )
    return _figure([dots], texts, colors, shapes=[_diagonal(colors)])


def histogram(
    real: Sequence[float], fake: Sequence[float], thresholds: Thresholds, texts: ChartTexts,
    colors: Palette,
) -> go.Figure:  # fmt: skip
    """Return the scores of originals (up) and fakes (down), with the thresholds."""
    edges = np.linspace(0, 1, BINS + 1)
    up, down = np.histogram(real, edges)[0], np.histogram(fake, edges)[0]
    most = int(max([*up, *down, 1]))
    traces, notes = [], []
    originals, fakes = sides()
    for glyph, (name, hover), counts, sign, fill in (
        ("○", originals, up, 1, colors.real.fill),
        ("▲", fakes, down, -1, colors.fake.fill),
    ):
        text = hover.format(n="%{customdata}", **PERCENTS)
        bars = {"type": "bar", "width": 0.9 / BINS, "marker": {"color": fill}}
        bars |= {"x": (edges[:-1] + edges[1:]) / 2, "y": sign * counts, "customdata": counts}
        traces.append({**bars, "hovertemplate": f"{text}<extra></extra>"})
        font = {"size": AXIS, "color": colors.text, "family": SANS}
        # Where the other kind has its scores, this one's name stands on few bars.
        place = {"x": 0.99, "xanchor": "right"} if sign > 0 else {"x": 0.01, "xanchor": "left"}
        place |= {"y": sign * most * 0.94}
        notes.append({**place, "text": f"{glyph} {name}", "showarrow": False, "font": font})
    shapes = [
        rule(colors.edge, "dot", layer="above", x0=v, x1=v, y0=0, y1=1, yref="y domain")
        for v in thresholds.edges
    ]
    figure = _figure(traces, texts, colors, shapes=shapes, annotations=notes, barmode="overlay")
    figure.update_yaxes(
        range=[-most * 1.1, most * 1.1], tickvals=[-most, 0, most],
        ticktext=[str(most), "0", str(most)],
    )  # fmt: skip
    return figure


def over_time(lines: Mapping[str, Line], texts: ChartTexts, colors: Palette) -> go.Figure:
    """Return AUC by date, a line each."""
    traces = [
        scatter(
            [moment for moment, _auc in line],
            [auc for _moment, auc in line],
            hover=texts.hover.format(name=name, y="%{y:.2f}", x="%{x}"),
            mode="lines+markers",
            line=_stroke(number, colors),
        )
        for number, (name, line) in enumerate(lines.items())
    ]
    figure = _figure(traces, texts, colors)
    figure.update_xaxes(range=None, tickvals=None, tickformat=None)
    least = min((auc for line in lines.values() for _moment, auc in line), default=0.5)
    figure.update_yaxes(range=[min(0.5, least) - 0.02, 1.02], tickformat=".1f", tickvals=None)
    return figure


def key(names: Sequence[str], colors: Palette) -> list[tuple[str, str, str]]:
    """Return the legend of a figure: dash, color and name of each line."""
    rows = [(DASHES[n % 4], _color(n, colors), name) for n, name in enumerate(names)]
    return [*rows, ("dot", colors.edge, say(GUESSING))]


def _figure(traces: list[Part], texts: ChartTexts, colors: Palette, **more: Any) -> go.Figure:
    """Return a figure with percents on both axes."""
    font = {"size": AXIS, "color": colors.muted, "family": SANS}
    axis = {
        **PLAIN,
        "range": [0, 1],
        "tickformat": ".0%",
        "linecolor": colors.edge,
        "tickfont": font,
        "tickvals": [0, 0.25, 0.5, 0.75, 1],
    }
    return go.Figure(
        traces,
        layout(
            colors,
            HEIGHT,
            margin={"l": 52, "r": 24, "t": 14, "b": 42},
            hovermode="closest",
            xaxis={**axis, "title": {"text": texts.across, "font": font}},
            yaxis={**axis, "title": {"text": texts.up, "font": font}},
            **more,
        ),
    )


def _diagonal(colors: Palette) -> Part:
    return rule(colors.edge, "dot", x0=0, y0=0, x1=1, y1=1)


def _stroke(number: int, colors: Palette) -> Part:
    return {"color": _color(number, colors), "width": 2.2, "dash": DASHES[number % 4]}


def _color(number: int, colors: Palette) -> str:
    """Return the color of a curve that is no score; dash and label distinguish it too."""
    return (colors.accent, SECOND, colors.muted, FOURTH)[number % 4]
