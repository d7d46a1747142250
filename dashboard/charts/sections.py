"""The charts of a section (`detector.presentation`), as plotly figures."""

import plotly.graph_objects as go

from dashboard import labels
from dashboard.charts import LEFT, PLAIN, RIGHT, Part, area, layout, lonely, rule, scatter
from dashboard.theme import Palette
from detector.messages.format import time_ticks
from detector.presentation import BarChart, Curve, CurveChart, series
from detector.sentences import NBSP, numeral

HEIGHT, ROW, TOP = 180, 30, 26
"""px of a chart over time, of a row of dots, and above the rows."""
PX_PER_MM = 3.6
"""of the width of a line"""
TEXT = 14
"""px: height of a text at an axis"""


def figure(chart: BarChart | CurveChart, palette: Palette) -> go.Figure:
    """Return a chart of a section; bars as dots, each with a line from its start."""
    return _dots(chart, palette) if isinstance(chart, BarChart) else _curves(chart, palette)


def _curves(chart: CurveChart, palette: Palette) -> go.Figure:
    traces = [part for line in chart.lines for part in _curve(line, palette)]
    edges = {"x0": 0.0, "x1": chart.end}
    for outline in series.shaded(chart):
        x, y = zip(*outline, strict=True)
        traces.insert(0, area(x, y, palette.band))
    times, texts = time_ticks(chart.end)
    values = dict(sorted(series.ticks(chart, TEXT / (HEIGHT - 36))))
    return go.Figure(
        traces,
        layout(
            palette,
            HEIGHT,
            shapes=[rule(palette.edge, "dot", y0=v, y1=v, **edges) for v in chart.limits],
            xaxis={
                **PLAIN, "range": [0, chart.end], "tickvals": times, "ticktext": texts,
                "ticklabelstandoff": 6,  # else the first time stands on the 0 of the other axis
            },
            yaxis={
                **PLAIN, "range": [chart.low, chart.high], "automargin": True,
                "tickvals": list(values), "ticktext": list(values.values()),
            },
            hovermode="closest",
            margin={"l": LEFT, "r": RIGHT, "t": 8, "b": 28},
        ),
    )  # fmt: skip


def _curve(line: Curve, palette: Palette) -> list[Part]:
    """Return a line, and as dots its points without neighbors."""
    color = palette.edge if line.muted else palette.text
    if line.state is not None:
        color = palette.state(line.state).fill
    stroke = {
        "color": color, "width": max(1.0, PX_PER_MM * line.width),
        "dash": "dash" if line.dashed else "solid",
    }  # fmt: skip
    x, y = zip(*line.points, strict=True) if line.points else ((), ())
    texts = [
        f"{numeral(time, '.1f')}{NBSP}s: {numeral(value, '.3g')}" if value is not None else ""
        for time, value in line.points
    ]
    return [
        scatter(x, y, hover="%{text}", text=texts, line=stroke, connectgaps=False),
        *lonely(series.runs(line.points), color),
    ]


def _dots(chart: BarChart, palette: Palette) -> go.Figure:
    traces, bottom = list[Part](), len(chart.rows) - 0.5
    for place, row in enumerate(chart.rows):
        if row.end is not None:
            state = palette.state(row.state)
            stroke = {"color": palette.edge, "width": 1.5}
            dot = {"size": 12, "color": state.fill, "line": {"width": 2, "color": state.ink}}
            traces += [
                scatter([row.start, row.end], [place, place], line=stroke),
                scatter(
                    [row.end], [place], hover=f"{labels.escape(row.name)} · {row.value}",
                    mode="markers", marker=dot, cliponaxis=False,
                ),
            ]  # fmt: skip
    low, high = chart.band or (chart.low, chart.low)
    edges = [edge for edge in (low, high) if chart.low < edge < chart.high]
    across = {"y0": -0.5, "y1": bottom}
    band = {"type": "rect", "x0": low, "x1": high, "fillcolor": palette.band, "layer": "below"}
    room = 0.03 * (chart.high - chart.low)
    return go.Figure(
        traces,
        layout(
            palette,
            TOP + ROW * len(chart.rows),
            shapes=[
                {**band, "line": {"width": 0}, **across},
                *(rule(palette.edge, "dot", x0=edge, x1=edge, **across) for edge in edges),
            ],
            xaxis={
                **PLAIN, "range": [chart.low - room, chart.high + room], "side": "top",
                "tickvals": [value for value, _text in chart.ticks],
                "ticktext": [text for _value, text in chart.ticks], "tickangle": 0,
            },
            yaxis={
                **PLAIN, "range": [bottom, -0.5], "automargin": True,
                "tickvals": list(range(len(chart.rows))),
                "ticktext": [labels.escape(row.name) for row in chart.rows],
            },
            hovermode="closest",
            margin={"l": 8, "r": 18, "t": TOP, "b": 0},
        ),
    )  # fmt: skip
