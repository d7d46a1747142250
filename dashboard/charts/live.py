"""Chart of the last 60 seconds: dots are scored frames, the line the likelihood, bars alarms.

The axes are fixed: "now" is at the right edge. After a session they show its own time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from dashboard import charts, labels
from dashboard.charts import LaneSize, Part, scatter
from dashboard.theme import AXIS, Palette
from detector.presentation import live, series
from detector.schema.analysis import Thresholds

if TYPE_CHECKING:
    from detector.live import Alarm, Dot, LiveState

SPAN = 60.0
"""s on the axis."""
TICK = 20
"""s between two times below it."""
GAP, VOICE_GAP = 2.0, 3.0
"""s without a mean that break the line: there was nothing to score. A voice is read every 2 s."""
SIZE = LaneSize(plot=150, top=30, bottom=charts.FOOT)
VOICE_SIZE = LaneSize(plot=90, top=charts.PAD, bottom=charts.FOOT)
RIGHT = 16
"""Margin in px: half of "now" stands in it."""
ROOM = 9.0
"""s that the words of an alarm's bar need beside it."""
Ticks = tuple[list[float], list[str]]
"""Places on the axis, s from its right edge, and their texts."""


def figure(
    state: LiveState | None, thresholds: Thresholds, palette: Palette, *, ended: bool = False
) -> go.Figure:
    """Return the figure as unvalidated dictionaries: it is drawn twice a second."""
    traces, notes = _marks(state, thresholds, palette) if state else ([], [])
    ticks = _since_start(state.time) if state and ended else live.ago()
    return _figure(traces, notes, ticks, thresholds, SIZE, palette)


def voice_figure(
    series: Sequence[Dot], now: float, thresholds: Thresholds, palette: Palette
) -> go.Figure:
    """Return the figure of a voice; `now` is the right edge, s of the session."""
    dots = [dot for dot in series if dot.time >= now - SPAN]
    traces = _scores(dots, now, VOICE_GAP, thresholds, palette)
    return _figure(traces, [], live.ago(), thresholds, VOICE_SIZE, palette)


def _since_start(end: float) -> Ticks:
    """Return ticks of the session's own time on an axis that ends with it."""
    first = math.ceil(max(0.0, end - SPAN) / TICK) * TICK
    times = [float(time) for time in range(int(first), int(end), TICK) if end - time >= ROOM]
    times.append(end)
    return [time - end for time in times], [labels.clock(time, tenths=False) for time in times]


def _figure(
    traces: list[Part],
    notes: list[Part],
    ticks: Ticks,
    thresholds: Thresholds,
    size: LaneSize,
    palette: Palette,
) -> go.Figure:
    # An invisible line holds the axes where there is nothing to draw yet.
    axes = scatter([-SPAN, 0], [0, 0], opacity=0)
    layout = charts.lane_layout(thresholds, (-SPAN, 0), ticks, size, palette, right=RIGHT)
    layout |= {"annotations": notes, "hovermode": False}
    return go.Figure({"data": [*traces, axes], "layout": layout}, _validate=False)


def _marks(
    state: LiveState, thresholds: Thresholds, palette: Palette
) -> tuple[list[Part], list[Part]]:
    now = state.time
    dots = [dot for dot in state.series if dot.time >= now - SPAN]
    bars = [bar for alarm in state.alarms if (bar := _bar(alarm, now, palette)) is not None]
    traces = _scores(dots, now, GAP, thresholds, palette)
    return [*traces, *(bar for bar, _ in bars)], [note for _, note in bars]


def _scores(
    dots: Sequence[Dot], now: float, gap: float, thresholds: Thresholds, palette: Palette
) -> list[Part]:
    """Return scores as dots and their means as lines; a gap of more than `gap` s breaks a line."""
    lines = series.runs(((dot.time - now, dot.mean) for dot in dots), gap)
    scored = [(dot.time, dot.score) for dot in dots if dot.score is not None]
    marker = {"size": 4, "color": palette.edge, "opacity": 0.65}
    line = {"color": palette.text, "width": 2.6}
    return [
        *charts.areas_above(lines, thresholds.suspect, palette),
        scatter(
            [round(time - now, 2) for time, _ in scored],
            [round(score, 4) for _, score in scored],
            mode="markers",
            marker=marker,
        ),
        *(
            scatter([round(t, 2) for t, _ in run], [round(v, 4) for _, v in run], line=line)
            for run in lines
        ),
    ]


def _bar(alarm: Alarm, now: float, palette: Palette) -> tuple[Part, Part] | None:
    """Return an alarm above the lane with its length in words; None outside of the axis."""
    stop = now if alarm.end is None else alarm.end
    start, end = max(alarm.start - now, -SPAN), stop - now
    if end < -SPAN or end <= start:
        return None
    manipulated = alarm.kind == "manipulated"
    color = (palette.fake if manipulated else palette.not_applicable).fill
    line = {"color": color, "width": 6}
    bar = scatter([round(start, 2), round(end, 2)], [1.1, 1.1], line=line, cliponaxis=False)
    after = end < -ROOM
    note: Part = {
        "x": end if after else start,
        "y": 1.1,
        "xanchor": "left" if after else "right",
        "xshift": 6 if after else -6,
        "text": f"<b>{live.over_lane(alarm, now)}</b>",
        "showarrow": False,
        "font": {"size": AXIS, "color": palette.text},
    }
    if not after and start <= -SPAN + ROOM:
        note |= {"x": (start + end) / 2, "xanchor": "center", "xshift": 0, "yshift": 11}
    return bar, note
