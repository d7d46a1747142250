"""Beside a lane of scores: whose it is, the words of its zones, the names of its lines."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from dashboard.charts import LaneSize
from dashboard.components.markup import Text, join, tag
from detector.messages import states
from detector.schema.analysis import Question, Thresholds

WORD_ROOM = 0.12
"""Share of the axis a zone needs for its word."""
NAME_GAP = 14
"""px between two names at the end of lines."""


def zone_words(limits: Thresholds, size: LaneSize, question: Question | None = None) -> Markup:
    """Return the words of the zones at their middles, by default those of a face."""
    words = join(
        tag("span", states.zone(label, question), style=f"top:{size.y((a + b) / 2):.0f}px")
        for label, a, b in reversed(limits.zones)
        if b - a >= WORD_ROOM
    )
    return tag("div", words, cls="um-beside left", style=f"height:{size.height}px")


def line_names(ends: Sequence[tuple[float, str, bool]], size: LaneSize) -> Markup:
    """Return (px from the top, name, whether combined) as labels that do not overlap."""
    places = spread(
        [y for y, _name, _bold in sorted(ends)], NAME_GAP, size.top, size.top + size.plot
    )
    names = join(
        tag("span", name, cls="all" if bold else "", style=f"top:{top:.0f}px")
        for top, (_y, name, bold) in zip(places, sorted(ends), strict=True)
    )
    return tag("div", names, cls="um-beside right", style=f"height:{size.height}px")


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return ascending places moved as little as needed to stand `gap` apart, within low..high."""
    offsets = gap * np.arange(len(wanted))
    places = np.maximum.accumulate(np.maximum(wanted, low) - offsets) + offsets
    return [float(place) for place in np.minimum(places, high - offsets[::-1])]


def owner(name: Text, where: Text, chip: Text, score: Text = "") -> Markup:
    """Return whose lane it is: name, where they are, state, score."""
    return tag(
        "div",
        tag("b", name),
        tag("div", where, cls="um-caption where"),
        chip,
        tag("div", score, cls="whole") if score else "",
        cls="um-who",
    )


def model(name: Text, *lines: Text) -> Markup:
    """Return which model a lane is of, with small print under it."""
    return tag("div", tag("b", name), *(tag("div", line, cls="um-caption") for line in lines),
               cls="um-who")  # fmt: skip


def whole(score: Text, chip: Text, line: Text) -> Markup:
    """Return what a lane comes to; with only a line, why to nothing."""
    number = tag("b", score, cls="um-big") if score else ""
    return tag("div", number, chip, tag("div", line, cls="um-caption"), cls="um-who")
