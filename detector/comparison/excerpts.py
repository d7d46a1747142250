"""Where the original is in a copy that shows other footage, too: a news report, a compilation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from detector.comparison.measure import MeasuredMoment
from detector.comparison.sameness import LEAST_ALIKE, MOST, Sameness
from detector.schema.analysis import Media
from detector.schema.comparison import Comparison, Span

CLEARLY = 0.5
"""share of the tiles that show the same at the best moment, from which others of a stretch do"""
FEWEST = 3
"""moments of a stretch that surely show the original: of fewer it may be chance"""


@dataclass(frozen=True)
class Excerpt:
    """A stretch of the copy."""

    start: float
    end: float
    """s, of the first and the last moment that show the original"""
    share: float
    """0..1, of the copy's moments"""

    def of(self, result: Comparison) -> Comparison:
        """Return a comparison that was begun without the copy's length: how long all of it lasts
        tells nothing of which of the two is the younger."""
        untimed = result.copy_media.model_copy(update={"duration": None})
        return result.model_copy(update={"copy_media": untimed})

    def within(self, copy: Media, result: Comparison) -> Comparison:
        """Return a comparison of this stretch as one of the copy: what differs, differs in it, and
        the copy has moments beyond it that the original has not."""
        people = [p.model_copy(update={"spans": self._cut(p.spans)}) for p in result.people]
        edits = [e.model_copy(update={"spans": self._cut(e.spans)}) for e in result.edits]
        compared = round(result.time.compared / self.share)
        time = result.time.model_copy(update={"compared": compared})
        span = Span(start=round(self.start, 3), end=round(self.end, 3))
        told = {"people": people, "edits": edits, "time": time, "excerpt": span}
        return result.model_copy(update=told | {"copy_media": copy})

    def _cut(self, spans: Sequence[Span]) -> list[Span]:
        return [
            Span(start=round(max(s.start, self.start), 3), end=round(min(s.end, self.end), 3))
            for s in spans
        ]


def find(found: Sequence[MeasuredMoment], same: Sameness) -> Excerpt | None:
    """Return the longest stretch of moments that show the original, where too few of all do for the
    two to be the same footage as wholes."""
    if sum(same.moments) >= MOST * len(found):
        return None
    runs, at = [], 0
    # Colors that were fitted on all moments hide in some of them that they do.
    least = max(LEAST_ALIKE, CLEARLY * max(same.place, default=0.0))
    for shows, run in groupby(share >= least for share in same.place):
        count = len(list(run))
        if shows and sum(same.moments[at : at + count]) >= FEWEST:
            runs.append((count, at))
        at += count
    if not runs:
        return None
    count, first = max(runs)
    times = [moment.pair.time for moment in found[first : first + count]]
    return Excerpt(times[0], times[-1], count / len(found))
