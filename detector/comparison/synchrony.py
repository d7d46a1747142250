"""Does a face move as one of the other file does, to the frame, whatever the pictures show?

Who drives a generated face with footage leaves none of its pictures and all of its movement: each
nod, blink and word at its moment. The movements of both (`movement.py`) are held against each other
at every offset. How far chance alone would bring them together follows from how much each goes with
itself (Bartlett, "Some aspects of the time-correlation problem in regard to tests of significance",
J. R. Stat. Soc. 98, 1935), so that one slow nod tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from detector.comparison import movement
from detector.comparison.movement import FEWEST, RATE, Movement
from detector.comparison.reading import FootageReader
from detector.schema.comparison import (
    Comparison,
    ComparisonFinding,
    MovementTrace,
    SharedMovement,
)

COPY_SECONDS, ORIGINAL_SECONDS = 12.0, 120.0
"""that are looked at, from the start"""
SURELY = 9.0
"""Score from which two faces move alike (chance: docs/comparison.md)."""
USUAL_OFFSETS, FOR_TENFOLD = 60, 0.7
"""Offsets that such clips are tried at, and by how much the score has to be higher where they are
ten times as many: by so much it rises from what one in a thousand reaches to one in ten thousand.
"""
BEGINNING, TOGETHER = 0.06, 0.8
"""s within which both begin at one moment, as what a model drove with a whole file does, and how
much less the score has to be there: it is one offset of many."""
WHOLE = 7.5
"""Score where both are equally long, too, and so begin and end together, as who drives a face with
a whole file has it: a single offset. Of all 68,653 unrelated pairs of equal length among 902 clips
the highest there is 7.46 (docs/comparison.md)."""
STEADY, HALVES = 2, 40
"""Steps by which the offset of either half may lie off that of the whole, of `HALVES` steps and
more: who says the same sentence again says it at another pace."""
_LOOKED = 6
"""offsets that are asked what chance would do"""
_SHARE = 0.6
"""of the shorter one that has to lie in the other"""


@dataclass(frozen=True)
class Synchrony:
    """How alike two faces move where they do so most."""

    score: float
    """about 4.6 by chance"""
    needed: float
    """score from which chance does not do that"""
    lag: int
    """steps of the original minus steps of the copy"""
    head: float
    """-1..1, correlation"""
    features: float
    """-1..1, correlation"""
    seconds: float
    """in which both show a face"""
    mirrored: bool
    steady: bool
    """whether both halves say the same offset, as far as they are long enough to tell"""

    @property
    def surely(self) -> bool:
        """Whether chance does not do that."""
        return self.steady and self.score >= self.needed


def checked(result: Comparison, copy: FootageReader, original: FootageReader) -> Comparison:
    """Return the comparison; where its pictures are not the same footage, or the same scene in
    other shapes, and a face moves alike in both, with that as its finding. `why` says which.

    Raises
    ------
    MediaError, Canceled
    """
    anew = result.finding is ComparisonFinding.NOT_COMPARABLE
    if not anew and result.finding is not ComparisonFinding.NOT_SAME_FOOTAGE:
        return result
    ours = movement.read(copy, 0.0, COPY_SECONDS)
    theirs = movement.read(original, 0.0, ORIGINAL_SECONDS) if ours is not None else None
    if ours is None or theirs is None:
        return result
    found = synchrony(ours, theirs)
    if found is None or not found.surely:
        return result
    shared = _shared_movement(ours, theirs, found)
    update: dict[str, object] = {
        "finding": ComparisonFinding.SAME_MOVEMENT,
        "movement": shared,
    }
    if not anew:
        time = result.time.model_copy(update={"offset": shared.offset})
        update |= {"why": "", "time": time}
    return result.model_copy(update=update)


def synchrony(copy: Movement, original: Movement) -> Synchrony | None:
    """Return how alike they move at the best offset, mirrored or not; None: too short to tell."""
    found = [
        alike
        for mirrored in (False, True)
        if (alike := _best(copy.mirrored() if mirrored else copy, original, mirrored)) is not None
    ]
    return max(found, key=lambda alike: alike.score - alike.needed, default=None)


def _best(copy: Movement, original: Movement, mirrored: bool) -> Synchrony | None:
    """Return how alike they move at the offset at which they do so most."""
    shorter = min(len(copy.head), len(original.head))
    least = max(FEWEST, round(_SHARE * shorter))
    lags = np.arange(least - len(copy.head), len(original.head) - least + 1)
    pairs = [_correlations(copy, original, int(lag)) for lag in lags]
    plain = np.array([_both(*pair) for pair in pairs])
    if not len(plain) or np.isnan(plain).all():
        return None
    offsets = original.start - copy.start + lags / RATE
    more = FOR_TENFOLD * float(np.log10(max(1.0, len(lags) / USUAL_OFFSETS)))
    needed = np.where(np.abs(offsets) <= BEGINNING, SURELY - TOGETHER, SURELY + more)
    if equally_long(copy, original):
        needed[np.abs(offsets) <= 0.5 / RATE] = WHOLE
    told = np.nan_to_num(plain, nan=-np.inf)
    looked = {*np.argsort(told)[::-1][:_LOOKED], *np.flatnonzero(np.abs(offsets) <= BEGINNING)}
    scores = {
        int(k): float(plain[k]) + _surprise(copy, original, int(lags[k]))
        for k in looked
        if not np.isnan(plain[k])
    }
    best = max(scores, key=lambda k: scores[k] - needed[k])
    a, _b = _shared(copy.head, original.head, int(lags[best]))
    return Synchrony(
        score=scores[best],
        needed=float(needed[best]),
        lag=int(lags[best]),
        head=pairs[best][0],
        features=pairs[best][1],
        seconds=len(a) / RATE,
        mirrored=mirrored,
        steady=_steady(copy, original, int(lags[best])),
    )


def equally_long(copy: Movement, original: Movement) -> bool:
    """Whether both show a face for as many steps, but for one that rounding adds."""
    return abs(len(copy.head) - len(original.head)) <= 1


def _shared(a: np.ndarray, b: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what both show where step k of `a` is step k + lag of `b`, less the mean."""
    first, second = max(0, -lag), max(0, lag)
    n = min(len(a) - first, len(b) - second)
    a, b = a[first : first + n], b[second : second + n]
    seen = ~(np.isnan(a[:, 0]) | np.isnan(b[:, 0]))
    if seen.sum() < FEWEST:
        return a[:0], b[:0]
    a, b = (np.where(seen[:, None], x - x[seen].mean(0), 0.0) for x in (a, b))
    return a, b


def _correlations(copy: Movement, original: Movement, lag: int) -> tuple[float, float]:
    """Return the correlations of heads and of features."""
    found = []
    for a, b in ((copy.head, original.head), (copy.features, original.features)):
        a, b = _shared(a, b, lag)
        if not len(a):
            return np.nan, np.nan
        found.append(float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9)))
    return found[0], found[1]


def _both(head: float, features: float) -> float:
    return float(np.arctanh(min(head, 0.999)) + 2 * np.arctanh(min(features, 0.999)))


def _surprise(copy: Movement, original: Movement, lag: int) -> float:
    """Return by how many deviations of chance heads and features go together, summed."""
    total = 0.0
    for a, b in ((copy.head, original.head), (copy.features, original.features)):
        a, b = _shared(a, b, lag)
        total += float((a * b).sum()) / np.sqrt(max(_chance(a, b), 1e-12))
    return total


def _chance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the variance of the sum of products of two stationary series that know nothing of
    each other: of each step apart, the product of how far each goes with itself."""
    n = len(a)
    crossed = a @ b.T
    variance = 0.0
    for k in range(n):
        weight = (1 - 1.5 * k / n) * (n - k) / n**2 * (2 if k else 1)
        if weight <= 0:
            break
        variance += weight * float((crossed[: n - k, : n - k] * crossed[k:, k:]).sum())
    return variance


def _steady(copy: Movement, original: Movement, lag: int) -> bool:
    """Whether each half by itself goes with the original at the offset of the whole."""
    a, _b = _shared(copy.head, original.head, lag)
    if len(a) < HALVES:
        return True
    first = max(0, -lag)
    middle = first + len(a) // 2
    for part in (slice(first, middle), slice(middle, first + len(a))):
        half = Movement(0.0, copy.head[part], copy.features[part])
        near = range(lag + part.start - 4 * STEADY, lag + part.start + 4 * STEADY + 1)
        told = [
            (_both(*_correlations(half, original, other)), abs(other - lag - part.start))
            for other in near
        ]
        told = [(score, off) for score, off in told if not np.isnan(score)]
        if told and max(told)[1] > STEADY:
            return False
    return True


def _shared_movement(copy: Movement, original: Movement, found: Synchrony) -> SharedMovement:
    """Return what is kept of it: the figures, and how heads and features go in both."""
    copy = copy.mirrored() if found.mirrored else copy
    head = _trace("head", found.head, *_shared(copy.head, original.head, found.lag))
    features = _shared(copy.features, original.features, found.lag)
    return SharedMovement(
        score=round(found.score, 2),
        needed=round(found.needed, 2),
        seconds=round(found.seconds, 2),
        start=round(copy.start + max(0, -found.lag) / RATE, 3),
        offset=round(original.start - copy.start + found.lag / RATE, 3),
        step=1 / RATE,
        mirrored=found.mirrored,
        traces=[head, _trace("features", found.features, *features)],
    )


def _trace(
    what: Literal["head", "features"], correlation: float, a: np.ndarray, b: np.ndarray
) -> MovementTrace:
    main = np.linalg.svd(np.concatenate([a, b]), full_matrices=False)[2][0]
    ours, theirs = ((x @ main) / max(1e-9, float((x @ main).std())) for x in (a, b))
    return MovementTrace(
        what=what,
        correlation=round(correlation, 3),
        of_copy=[round(float(x), 2) for x in ours],
        of_original=[round(float(x), 2) for x in theirs],
    )
