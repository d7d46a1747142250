"""Numbers and states as words."""

import re

import pytest

from dashboard import labels
from dashboard.labels import NBSP
from detector.schema.analysis import Label, ReasonCode


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.789, "79"), (0.5, "50"), (0.9999, "99"), (0.0001, "1"), (1.0, "100"), (0.0, "0")],
)
def test_percents_are_whole_and_never_claim_certainty(value, text):
    assert labels.percent(value) == f"{text}{NBSP}%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00.0"),
        (7.23, "00:07.2"),
        (59.97, "01:00.0"),
        (3723.44, "1:02:03.4"),
        (-1, "00:00.0"),
    ],
)
def test_clock(seconds, text):
    assert labels.clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_300_000, "1.3 MB"),
        (71_000_000, "71 MB"),
        (999_700, "1.0 MB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes(count, text):
    assert labels.size(count) == text.replace(" ", NBSP)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 5 s"), (12.3, "about 15 s"), (15, "about 15 s"), (89, "about 90 s"),
     (95, "about 2 minutes"), (600, "about 10 minutes")],
)  # fmt: skip
def test_times_are_said_as_about(seconds, text):
    assert labels.about(seconds).replace(NBSP, " ") == text


def test_spans_and_counts():
    assert labels.took(0.42) == f"0.4{NBSP}s"
    assert labels.took(0.01) == f"under 0.1{NBSP}s"
    assert labels.took(75) == f"1{NBSP}min 15{NBSP}s"
    assert labels.count(1, "person", "people") == f"1{NBSP}person"
    assert labels.count(1200, "frame", "frames") == f"1,200{NBSP}frames"
    assert labels.listed(["A", "B", "C"]) == "A, B and C"
    assert labels.listed([]) == ""
    assert [labels.hours(h).replace(NBSP, " ") for h in (0.5, 1, 24, 168)] == [
        "30 minutes", "1 hour", "24 hours", "7 days",
    ]  # fmt: skip


def test_every_state_has_icon_word_glyph_and_color():
    assert set(labels.STATES) == set(labels.WHAT_IT_MEANS) == set(Label)
    for states in (labels.STATES.values(), labels.READINGS.values()):
        for look in ("icon", "words", "glyph", "color", "slug"):
            assert len({getattr(state, look) for state in states}) == 4


def test_no_state_is_stated_as_a_fact():
    texts = [s.words for s in labels.STATES.values()] + list(labels.WHAT_IT_MEANS.values())
    assert not re.search(r"\b(fake|authentic|verified|real)\b", " ".join(texts), re.IGNORECASE)


def test_every_reason_a_face_is_left_out_has_a_word():
    needed = {code for code in ReasonCode if code.value.startswith(("too_", "face_", "turned"))}
    assert needed <= set(labels.WHY_NOT)


def test_outside_text_is_inert():
    hostile = '<b onclick="x">**a**</b> [l](javascript:x) $x$'
    assert "<" not in labels.escape(hostile) and '"' not in labels.escape(hostile)
    assert not set(labels.plain_markdown(hostile)) & set("*[]()<>$`")
