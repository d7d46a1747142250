"""Labels beside a lane of scores: its subject, and its zones."""

from markupsafe import Markup

from dashboard.charts import LaneSize
from dashboard.components.markup import Text, join, tag
from detector.messages import states
from detector.schema.analysis import Question, Thresholds

WORD_ROOM = 0.12
"""Share of the axis a zone needs for its word."""


def zone_words(limits: Thresholds, size: LaneSize, question: Question | None = None) -> Markup:
    """Return the zone names at their centers, by default a face's."""
    words = join(
        tag("span", states.zone(label, question), style=f"top:{size.y((a + b) / 2):.0f}px")
        for label, a, b in reversed(limits.zones)
        if b - a >= WORD_ROOM
    )
    return tag("div", words, cls="um-beside", style=f"height:{size.height}px")


def owner(name: Text, where: Text, chip: Text, score: Text = "") -> Markup:
    """Return the subject of a lane: name, position, state, score."""
    return tag(
        "div",
        tag("b", name),
        tag("div", where, cls="um-caption where"),
        chip,
        tag("div", score, cls="whole") if score else "",
        cls="um-who",
    )


def model(name: Text, *lines: Text) -> Markup:
    """Return the model of a lane, with small print."""
    return tag("div", tag("b", name), *(tag("div", line, cls="um-caption") for line in lines),
               cls="um-who")  # fmt: skip


def whole(score: Text, chip: Text, line: Text) -> Markup:
    """Return the overall score of a lane, or the reason for none."""
    number = tag("b", score, cls="um-big") if score else ""
    return tag("div", number, chip, tag("div", line, cls="um-caption"), cls="um-who")
