"""Labels beside a lane of scores: its subject, and its zones."""

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard.charts import LaneSize
from dashboard.components.markup import Text, join, show, tag
from detector.messages import states
from detector.schema.analysis import Label, Question, Thresholds

WORD = 24
"""px between the names of zones"""
HALF = 15
"""px: half of a name in two lines"""
_FIRST = (Label.FAKE, Label.REAL, Label.INCONCLUSIVE, Label.PROBABLY_FAKE, Label.PROBABLY_REAL)
"""Which zones are named where not all have room."""


def zone_words(limits: Thresholds, size: LaneSize, question: Question | None = None) -> Markup:
    """Return the zone names at their centers, by default a face's."""
    centers = {label: size.y((a + b) / 2) for label, a, b in limits.zones}
    named: dict[Label, float] = {}
    for label in filter(centers.__contains__, _FIRST):
        if all(abs(centers[label] - other) >= WORD for other in named.values()):
            named[label] = centers[label]
    words = join(
        tag("span", states.zone(label, question), style=f"top:{max(top, HALF):.0f}px")
        for label, top in sorted(named.items(), key=lambda name: name[1])
    )
    return tag("div", words, cls="um-beside", style=f"height:{size.height}px")


def row(id: str, who: Text, zones: Text) -> DeltaGenerator:
    """Draw a lane's subject and its zones; return the place of its plot."""
    with st.container(key=f"lane-{id}", gap=None):
        left, words, plot = st.columns([15, 9, 76], gap=None)
        show(who, at=left)
        with words, st.container(key=f"lane-words-{id}"):
            show(zones)
    return plot


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
