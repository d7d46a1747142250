"""Chart of several models on one clip: a curve each, on one time axis."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard import charts, labels
from dashboard.theme import Palette
from detector.messages.format import time_ticks
from detector.presentation import looks, series
from detector.presentation.agreement import ModelLine

MARKS = (("circle", "●"), ("square", "■"), ("diamond", "◆"), ("triangle-up", "▲"), ("x", "✕"),
         ("star", "★"))  # fmt: skip
"""Of each curve, as plotly and as text write them: curves differ without color."""
DASHES = (*charts.DASHES, "longdash", "longdashdot")


def figure(
    lines: Sequence[ModelLine], *, span: tuple[float, float], size: charts.LaneSize,
    palette: Palette,
) -> go.Figure:  # fmt: skip
    """Return the curves of models with the cursor at the first time of `span` and the clip's end at
    the second, s, over the thresholds of the first; those that count in the verdict are bolder."""
    time, end = span
    traces = []
    for shown, (symbol, _mark), dash in zip(lines, MARKS, DASHES, strict=False):
        points = shown.lane.joined(shown.lane.score)
        color = palette.text if shown.model.counted else palette.muted
        trace = charts.scatter(
            [t for t, _v in points],
            [v for _t, v in points],
            hover="%{text}",
            mode="lines+markers",
            line={"color": color, "width": 2 if shown.model.counted else 1.2, "dash": dash},
            marker={"color": color, "size": 8, "symbol": symbol},
            connectgaps=False,
            text=[
                ""
                if v is None
                else labels.escape(looks.at(shown.model, t, series.scored(v, shown.limits)))
                for t, v in points
            ],
        )
        traces.append(trace)
    layout = charts.lane_layout(lines[0].limits, (0, end), time_ticks(end), size, palette)
    cursor = {"type": "line", "x0": time, "x1": time, "y0": 0, "y1": 1,
              "line": {"color": palette.accent, "width": 1.4}}  # fmt: skip
    layout["shapes"] = [*layout["shapes"], cursor]
    layout |= {"clickmode": "event+select", "hovermode": "closest", "hoverdistance": -1}
    return go.Figure(traces, layout)
