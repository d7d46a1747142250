"""A stretch of a clip that stands out: a short change is averaged away in the score of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from detector.decision.context import Context
from detector.schema.analysis import Subject

FEWEST = 3
"""Moments in a row over the threshold. Of 39 untouched development clips that as a whole lean
nowhere, or untouched, none has two (by the scores that `python -m bench.quality` keeps)."""
MOST = 0.5
"""Of somebody's moments; over more of them the score of the whole says it."""


@dataclass(frozen=True)
class StretchAbove:
    """A stretch in which somebody's score stays over the threshold.

    Attributes
    ----------
    person : str
        id of the subject
    start, end, peak : float
        s
    highest : float
        score at the peak, 0..1
    moments : int
        looked at within it
    """

    person: str
    start: float
    end: float
    peak: float
    highest: float
    moments: int


def longest(subjects: Sequence[Subject], context: Context) -> StretchAbove | None:
    """Return the longest part of anybody's face that stands out, if one does."""
    if not context.question.spec.stretches:
        return None
    found = [part for subject in subjects for part in _parts(subject, context)]
    return max(found, key=lambda part: part.moments, default=None)


def _parts(subject: Subject, context: Context) -> Iterator[StretchAbove]:
    asked, high = context.question, context.thresholds.high
    looks = [look for look in subject.looks if asked in look.answers]
    for over, run in groupby(looks, lambda look: look.answers[asked] > high):
        part = list(run)
        if over and FEWEST <= len(part) <= MOST * len(looks):
            top = max(part, key=lambda look: look.answers[asked])
            yield StretchAbove(
                person=subject.id,
                start=part[0].start,
                end=part[-1].end,
                peak=top.start,
                highest=top.answers[asked],
                moments=len(part),
            )
