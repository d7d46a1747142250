"""Thresholds that keep stated rates on sources nobody tuned to. Numbers only.

Every logit here is *held out*: of a clip scored by what was fitted on the other sources. Thresholds
are chosen on these, with one clip more counted as wrong than was seen for each limit that can be
wrong (the finite-sample term of conformal prediction: with n clips and one question a rate under
1 / (n + 1) can't be promised, with two none under 2 / (n + 1)), and tightened until the rates also
hold where each source is judged by thresholds that the others chose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from detector.decision.reasons import RIGHT as RIGHT
from detector.schema.analysis import Question

Array = np.ndarray
Limits = dict[Question, tuple[float, float]]
"""low and high, as logits"""

Way = Callable[["Held", float], Limits | None]
"""How limits are chosen on clips, with this share of the error rates."""

RATE = 0.05
"""of untouched clips that may be called manipulated"""
WEAKER = 4
"""A weaker question may raise a quarter of the false alarms that the strongest may."""
TIGHTER = (1.0, 0.75, 0.5, 0.25)
"""Shares of the two error rates that are tried, until the held-out rates are kept."""
INCONCLUSIVE, FAKE, REAL = 0, 1, -1


@dataclass(frozen=True)
class Held:
    """Held-out logits of labelled clips.

    Attributes
    ----------
    logits : dict of float [clips]
        By question that is asked; NaN where a clip could not be judged.
    labels : int [clips]
    about : dict of bool [clips]
        By question: the fakes that it is about.
    sources : str [clips]
    """

    logits: dict[Question, Array]
    labels: Array
    about: dict[Question, Array]
    sources: Array

    @cached_property
    def strongest(self) -> Question:
        """The question that ranks its own fakes over originals best; of equals the first."""

        def auc(question: Question) -> float:
            x, seen = self.logits[question], np.isfinite(self.logits[question])
            real, fake = x[seen & (self.labels == 0)], x[seen & self.about[question]]
            if not real.size or not fake.size:
                return 0.0
            return float(np.searchsorted(np.sort(real), fake).mean() / real.size)

        return max(self.logits, key=auc)

    def of(self, chosen: Array) -> Held:
        """Some of the clips."""
        return Held(
            {q: x[chosen] for q, x in self.logits.items()},
            self.labels[chosen],
            {q: x[chosen] for q, x in self.about.items()},
            self.sources[chosen],
        )


@dataclass(frozen=True)
class Rates:
    """What decisions come to.

    Attributes
    ----------
    alarms : float
        Share of originals called FAKE.
    missed : float
        Share of fakes called REAL.
    decided : float
        Share that is called either; as the next two with originals and fakes weighted alike.
    right : float
        Share of the decided that is right; NaN when nothing is decided.
    promised : float
        The same with one wrong decision more.
    """

    alarms: float
    missed: float
    decided: float
    right: float
    promised: float


def decisions(logits: Mapping[Question, Array], limits: Limits) -> Array:
    """FAKE if any question says so, REAL only if all do, else inconclusive."""
    fake = [logits[q] > limits[q][1] for q in logits]
    real = [logits[q] < limits[q][0] for q in logits]
    said = np.where(np.all(real, axis=0), REAL, INCONCLUSIVE)
    found: Array = np.where(np.any(fake, axis=0), FAKE, said)
    return found


def rates(said: Array, labels: Array) -> Rates:
    """What decisions come to on labelled clips."""
    real, fake = labels == 0, labels == 1
    weight = np.where(real, 0.5 / max(1, real.sum()), 0.5 / max(1, fake.sum()))
    wrong = ((said == FAKE) & real) | ((said == REAL) & fake)
    decided = float(weight[said != INCONCLUSIVE].sum())
    wrongly, one = float(weight[wrong].sum()), 1.0 / max(1, len(labels))
    return Rates(
        alarms=float((said[real] == FAKE).mean()) if real.any() else float("nan"),
        missed=float((said[fake] == REAL).mean()) if fake.any() else float("nan"),
        decided=decided,
        right=1 - wrongly / decided if decided else float("nan"),
        promised=1 - (wrongly + one) / (decided + one),
    )


def choose(held: Held, *, rate: float = RATE, right: float = RIGHT) -> Limits | None:
    """The limits that decide most clips while both promises are kept; None if none do.

    At most `rate` of originals are called FAKE, with one clip more for each question counted as
    wrong, and at least `right` of the decided is right, with one more. Each question's `high` lies
    above all but a number of originals, its `low` below all but a number of the fakes it is about;
    the numbers are the same for all questions.
    """
    best: tuple[float, Limits] | None = None
    # With more fakes than this called REAL the second promise is broken whatever else is decided.
    most = int(2 * (1 - right) * (held.labels == 1).sum())
    for above in _alarms(held, rate):
        for below in range(-1, most + 1):
            limits = _limits(held, above, below)
            found = rates(decisions(held.logits, limits), held.labels)
            if found.promised >= right and (best is None or found.decided > best[0]):
                best = found.decided, limits
    return best[1] if best else None


def by_alarms(held: Held, *, rate: float = RATE) -> Limits:
    """Limits by the rate of originals called FAKE alone, with one clip more for each question
    counted as wrong. Nothing is called REAL: no `low` keeps the promise that such an answer
    makes."""
    return _limits(held, _alarms(held, rate)[0], -1)


def _alarms(held: Held, rate: float) -> list[int]:
    """How many originals may lie over each question's `high`, most first; -1 is none at any score.

    Two questions together may give more alarms than either: such numbers are left out. Each has a
    limit of its own, and the next clip may be the one over either.
    """
    real = held.labels == 0
    allowed = _allowed(rate, int(real.sum()), limits=len(held.logits))
    return [
        above
        for above in range(allowed, -2, -1)
        if above < 0
        or (decisions(held.logits, _limits(held, above, -1))[real] == FAKE).sum() <= allowed
    ]


def _allowed(rate: float, count: int, limits: int = 1) -> int:
    """How many of so many clips may be wrong, for the rate to hold with one more for each limit."""
    return int(rate * (count + 1) + 1e-9) - limits


def _limits(held: Held, above: int, below: int) -> Limits:
    """So many originals over the `high` of the strongest question, and a quarter of them over that
    of a weaker one: an alarm buys fewer finds there."""
    first = held.strongest
    highs = {q: _high(held, q, above if q is first else above // WEAKER) for q in held.logits}
    return {q: (_low(held, q, below, high), high) for q, high in highs.items()}


def _high(held: Held, question: Question, above: int) -> float:
    """Halfway to the next lower score below the (`above` + 1)-th highest of the originals: exactly
    that many lie over it."""
    if above < 0:
        return float("inf")
    real = held.logits[question][held.labels == 0]
    real = np.sort(real[np.isfinite(real)])[::-1]
    if above >= len(real):
        return float("inf")
    upper = real[above - 1] if above else real[0] + 1.0
    return float((upper + real[above]) / 2) if above else float(real[0] + 1e-3)


def _low(held: Held, question: Question, below: int, high: float) -> float:
    """Exactly `below` of the fakes it is about lie under it; never over `high`."""
    if below < 0:
        return float("-inf")
    fake = held.logits[question][held.about[question]]
    fake = np.sort(fake[np.isfinite(fake)])
    if below >= len(fake):
        return float("-inf")
    lower = fake[below - 1] if below else fake[0] - 2e-3
    return float(min((lower + fake[below]) / 2, high))


@dataclass(frozen=True)
class Operating:
    """Chosen limits, and what to expect of them on a source nobody tuned to."""

    limits: Limits
    elsewhere: Rates
    said: Array
    """Decision for each clip by limits that were chosen without its source."""
    kept: bool
    """Whether both promises hold elsewhere."""


def operate(held: Held, *, rate: float = RATE, right: float = RIGHT) -> Operating:
    """Choose limits and tighten them until their promises hold on sources left out of the choice.

    Where no limits keep both promises (the scores are too weak), nothing is called REAL, and FAKE
    by the rate of false alarms alone: these are still as promised, but more of the decided may be
    wrong, and `kept` says so.
    """

    def both(of: Held, share: float) -> Limits | None:
        return choose(of, rate=rate * share, right=1 - (1 - right) * share)

    def alarms_only(of: Held, share: float) -> Limits:
        return by_alarms(of, rate=rate * share)

    last: Operating | None = None
    ways: tuple[Way, ...] = (both, alarms_only)
    for way in ways:
        for share in TIGHTER:
            limits = way(held, share)
            if limits is None:
                continue
            said = _elsewhere(held, way, share)
            found = rates(said, held.labels)
            last = Operating(limits, found, said, found.alarms <= rate and found.promised >= right)
            if last.kept or (way is alarms_only and found.alarms <= rate):
                return last
    assert last is not None
    return last


def _elsewhere(held: Held, way: Way, share: float) -> Array:
    """Decisions about each source by limits that the other sources chose."""
    said = np.zeros(len(held.labels), int)
    for name in np.unique(held.sources):
        own = held.sources == name
        rest = held.of(~own)
        limits = way(rest, share) if len(set(rest.labels.tolist())) == 2 else None
        if limits is not None:
            said[own] = decisions({q: x[own] for q, x in held.logits.items()}, limits)
    return said


def by_source(said: Array, labels: Array, sources: Array) -> dict[str, tuple[int, int]]:
    """(originals called FAKE, originals) of each source that has any."""
    return {
        str(name): (
            int(((said == FAKE) & (sources == name) & (labels == 0)).sum()),
            int(((sources == name) & (labels == 0)).sum()),
        )
        for name in np.unique(sources[labels == 0])
    }
