"""The HTML of the timeline's layers: rows of tiles, and lanes over one time axis.

`timeline.js` moves what stands here: it reads the `data-` attributes and the classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dashboard import labels
from dashboard.charts.sections import PX_PER_MM, TEXT
from dashboard.components.markup import Text, join, tag
from detector.messages.format import time_ticks
from detector.presentation import Curve, CurveChart, series

LIMIT = 0.2  # mm: width of a threshold's line
Point = tuple[float, float]
"""s, and the share of a lane's height"""


def button(*parts: Text, cls: str = "", name: str = "", **attributes: str | None) -> Markup:
    """Return a button that a screen reader calls by its name."""
    return tag("button", *parts, cls=cls, type="button", aria_label=name, **attributes)


def strip(
    name: str, unit: str, *groups: Sequence[Text], chip: Text = "", names: Sequence[str] = ()
) -> Markup:
    """Return a row of tiles. Where there are two groups, the second is for a narrow page."""
    head = tag("div", tag("strong", name), chip, tag("span", unit, cls="unit"), cls="head")
    column = tag("div", *(tag("span", text) for text in names), cls="names") if names else ""
    shown = (
        tag(
            "div", column, *tiles, cls="tiles", role="group", aria_label=name,
            style=f"--columns: {len(tiles)}",
        )
        for tiles in groups
    )  # fmt: skip
    return tag("section", head, *shown, cls="strip")


def tile(
    *pictures: Text, state: str, name: str, text: str, person: str | None, time: float,
    start: float, stop: float,
) -> Markup:  # fmt: skip
    """Return a button that leads to a moment, s, and stands for `start` to `stop`."""
    parts = (*pictures, tag("span", cls="bar"), tag("span", text, cls="score"))
    return button(
        *parts, cls=f"tile {state}", name=name, data_person=person, data_time=str(time),
        data_from=str(start), data_to=str(stop),
    )  # fmt: skip


def plot(
    name: str, end: float, lanes: Iterable[Text], *, moments: int = 0, cls: str = ""
) -> Markup:
    """Return lanes below one slider, which counts s or, if there are any, moments."""
    tagged = tag("div", tag("span", cls="tag"), cls="cursor")
    slider = tag(
        "div", tagged, cls="over", role="slider", tabindex="0", aria_label=name,
        aria_valuemin="0", aria_valuemax=str(moments - 1 if moments else end),
    )  # fmt: skip
    times = (
        tag("span", text, style=f"--at: {time / end:.4f}")
        for time, text in zip(*time_ticks(end), strict=True)
        if time <= end
    )
    above = tag("div", *lanes, slider, cls="lanes")
    return tag("div", above, tag("div", *times, cls="axis"), cls=f"plot {cls}")


def lane(*parts: Text, name: str = "", note: str = "") -> Markup:
    """Return a lane, with its name before it."""
    head = tag("div", tag("strong", name), tag("span", note), cls="head") if name else ""
    return tag("section", head, tag("div", *parts, cls="body"), cls="lane")


def across(start: float, stop: float, end: float) -> str:
    """Return the style of what reaches over a stretch of the lane."""
    return f"left: {100 * start / end:.3f}%; width: {100 * (stop - start) / end:.3f}%"


def curves(
    chart: CurveChart, height: int, gaps: Iterable[tuple[float, float]] = ()
) -> Markup:  # fmt: skip
    """Return a chart as lines and areas over a lane so many px high; `gaps` are shaded, s."""

    def at(points: Iterable[Point]) -> list[Point]:
        return [(time, (value - chart.low) / (chart.high - chart.low)) for time, value in points]

    band = map(at, series.shaded(chart))
    shaded = [[(start, 0.0), (start, 1.0), (stop, 1.0), (stop, 0.0)] for start, stop in gaps]
    drawn: list[dict[str, Any]] = [
        {"css": "band", "paths": band, "area": True},
        {"css": "gap", "paths": shaded, "area": True},
    ]
    limits = [
        Curve([(0.0, limit), (chart.end, limit)], LIMIT, muted=True, dashed=True)
        for limit in chart.limits
    ]
    for line in (*limits, *chart.lines):
        look = labels.look(line.state).slug if line.state else "muted" if line.muted else ""
        css = f"curve {look} {'dashed' if line.dashed else ''}"
        paths = map(at, series.runs(line.points))
        drawn.append({"css": css, "paths": paths, "width": PX_PER_MM * line.width})
    return marks(drawn, height, chart.end, chart.said)


def ticks(chart: CurveChart, height: int) -> Markup:
    """Return the values at a chart's ticks, before a lane so many px high."""
    span = chart.high - chart.low
    return join(
        tag("span", text, cls="tick", style=f"top: {100 * (chart.high - value) / span:.1f}%")
        for value, text in series.ticks(chart, TEXT / height)
    )


def marks(drawn: Iterable[Mapping[str, Any]], height: int, end: float, alt: str) -> Markup:
    """Return lines and areas, each of a class `css` with `paths` of points."""

    def at(point: Point) -> str:
        return f"{1000 * point[0] / end:.1f} {height * (1 - point[1]):.1f}"

    def path(
        css: str, paths: Iterable[Sequence[Point]], *, area: bool = False, width: float = 0.0
    ) -> Markup:
        lines = (f"M{'L'.join(map(at, points))}{'Z' if area else ''}" for points in paths)
        style = f"stroke-width: {width:.1f}px" if width else None
        return tag("path", cls=css, d="".join(lines), style=style)

    return tag(
        "svg", *(path(**mark) for mark in drawn), viewBox=f"0 0 1000 {height}",
        preserveAspectRatio="none", height=str(height), role="img", aria_label=alt,
    )  # fmt: skip
