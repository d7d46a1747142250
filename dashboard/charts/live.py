"""The last 60 seconds as a figure: dots are scored frames, the line their 3 s mean, bars alarms.

The axes never move: "now" is at the right edge, and what is older than a minute has left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from dashboard import charts, labels, series
from dashboard.charts import LaneSize, Part
from dashboard.i18n import _
from dashboard.labels import NBSP
from dashboard.theme import AXIS, Palette
from detector.schema.analysis import Thresholds

if TYPE_CHECKING:
    from detector.live import Alarm, Dot, LiveState

SPAN = 60.0
"""s on the axis."""
GAP = 2.0
"""s without a mean that break the line: there was nothing to score."""
SIZE = LaneSize(plot=150, top=30, bottom=charts.FOOT)
RIGHT = 16
"""Margin in px: half of "now" stands in it."""
ROOM = 9.0
"""s that the words of an alarm's bar need beside it."""


def figure(state: LiveState | None, thresholds: Thresholds, palette: Palette) -> go.Figure:
    """The figure; with no state, its empty axes.

    The traces are plain dictionaries, and nothing is validated: this is drawn twice a second.
    """
    now = state.time if state else 0.0
    traces: list[Part] = []
    notes: list[Part] = []
    if state is not None:
        dots = [dot for dot in state.series if dot.time >= now - SPAN]
        for run in runs(dots, now):
            for part in series.above(run, thresholds.high):
                traces.append(charts.filled(part, thresholds.high, palette))
        traces.append(_dots(dots, now, palette))
        for run in runs(dots, now):
            traces.append(_line(run, palette))
        for alarm in state.alarms:
            if (bar := _bar(alarm, now, palette)) is not None:
                traces.append(bar[0])
                notes.append(bar[1])
    # An invisible line holds the axes where there is nothing to draw yet.
    traces.append({"type": "scatter", "x": [-SPAN, 0], "y": [0, 0], "opacity": 0,
                   "hoverinfo": "skip", "mode": "lines"})  # fmt: skip
    ticks = [-60, -40, -20, 0], [_("60\u00a0s ago"), f"40{NBSP}s", f"20{NBSP}s", _("now")]
    layout = charts.lane_layout(thresholds, (-SPAN, 0), ticks, SIZE, palette, right=RIGHT)
    layout |= {"annotations": notes, "hovermode": False}
    return go.Figure({"data": traces, "layout": layout}, _validate=False)


def runs(dots: Sequence[Dot], now: float) -> list[list[tuple[float, float]]]:
    """The line's stretches as (s before now, negative; mean), broken where nothing was scored."""
    out: list[list[tuple[float, float]]] = []
    before: float | None = None
    for dot in dots:
        if dot.mean is None:
            before = None
            continue
        if before is None or dot.time - before > GAP:
            out.append([])
        out[-1].append((dot.time - now, dot.mean))
        before = dot.time
    return out


def finding(state: LiveState | None, thresholds: Thresholds) -> str:
    """The figure in a sentence."""
    means = [d.mean for d in state.series if d.mean is not None] if state else []
    if not means:
        return _("Nothing was scored in the last 60 seconds.")
    over = sum(mean > thresholds.high for mean in means) / len(means)
    return _(
        "The 3 second mean lay between {low} and {high} in the last 60 seconds, {share} of the "
        "time above {threshold}."
    ).format(
        low=labels.percent(min(means)),
        high=labels.percent(max(means)),
        share=labels.percent(over),
        threshold=labels.percent(thresholds.high),
    )


def _dots(dots: Sequence[Dot], now: float, palette: Palette) -> Part:
    scored = [dot for dot in dots if dot.score is not None]
    return {
        "type": "scatter",
        "x": [round(dot.time - now, 2) for dot in scored],
        "y": [round(dot.score or 0.0, 4) for dot in scored],
        "mode": "markers",
        "marker": {"size": 4, "color": palette.edge, "opacity": 0.65},
        "hoverinfo": "skip",
    }


def _line(run: Sequence[tuple[float, float]], palette: Palette) -> Part:
    return {
        "type": "scatter",
        "x": [round(t, 2) for t, _ in run],
        "y": [round(v, 4) for _, v in run],
        "mode": "lines",
        "line": {"color": palette.text, "width": 2.6},
        "hoverinfo": "skip",
    }


def _bar(alarm: Alarm, now: float, palette: Palette) -> tuple[Part, Part] | None:
    """An alarm over the lane, with its length in words; None when it has left the axis."""
    start, end = max(alarm.start - now, -SPAN), (now if alarm.end is None else alarm.end) - now
    if end < -SPAN or end <= start:
        return None
    manipulated = alarm.kind == "manipulated"
    length = f"{(now if alarm.end is None else alarm.end) - alarm.start:.0f}{NBSP}s"
    text = _("alarm, {time}") if manipulated else _("no face, {time}")
    bar: Part = {
        "type": "scatter",
        "x": [round(start, 2), round(end, 2)],
        "y": [1.1, 1.1],
        "mode": "lines",
        "line": {
            "color": palette.fake.fill if manipulated else palette.not_applicable.fill,
            "width": 6,
        },
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    after = end < -ROOM
    note: Part = {
        "x": end if after else start,
        "y": 1.1,
        "xanchor": "left" if after else "right",
        "xshift": 6 if after else -6,
        "text": f"<b>{text.format(time=length)}</b>",
        "showarrow": False,
        "font": {"size": AXIS, "color": palette.text},
    }
    if not after and start <= -SPAN + ROOM:
        note |= {"x": (start + end) / 2, "xanchor": "center", "xshift": 0, "yshift": 11}
    return bar, note
