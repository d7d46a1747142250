"""What figures were measured on: which part of the clips of our tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from detector.messages.types import ENGLISH, Speech

if TYPE_CHECKING:
    from detector.schema.analysis import Thresholds


def of_these(limits: Thresholds, speech: Speech = ENGLISH) -> str:
    """Return how many of the clips that thresholds were measured on their rates are of; empty where
    they are of all."""
    untouched, manipulated = limits.false_positives, limits.false_negatives
    if untouched is None or manipulated is None:
        return ""
    clips = untouched.clips + manipulated.clips
    if not part_of(clips, limits.data):
        return ""
    return speech.gettext(
        "Of these, {clips} clips ask this question and could be judged: {untouched} untouched, "
        "{manipulated} manipulated."
    ).format(clips=clips, untouched=untouched.clips, manipulated=manipulated.clips)


def part_of(clips: int, data: str) -> bool:
    """Return whether so many clips are only some of those in words: "479 clips, each …"."""
    all_of_them = re.match(r"\d+", data)
    return all_of_them is not None and 0 < clips < int(all_of_them[0])
