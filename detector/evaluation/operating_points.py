"""Thresholds that keep stated rates on sources nobody tuned to. Numbers only.

Logits are *held out*: of a clip scored by what was fitted on the other sources. Thresholds count
one more clip as wrong for each limit (the finite-sample term of conformal prediction), and are
tightened until the rates hold for each source by the thresholds that the others chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from detector.decision.reasons import RIGHT
from detector.schema.analysis import Question

Array = np.ndarray
Limits = dict[Question, tuple[float, float]]  # low and high, as logits

WEAKER = 4  # A weaker question may raise a quarter of the false alarms that the strongest may
TIGHTER = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Shares of the two error rates that are tried, until the held-out rates are kept."""
INCONCLUSIVE, FAKE, REAL = 0, 1, -1


@dataclass(frozen=True)
class ErrorTargets:
    """Error rates that the thresholds must satisfy."""

    rate: float = 0.05  # of untouched clips called manipulated, at most
    right: float = RIGHT  # of decided clips decided correctly, at least

    def tightened(self, share: float) -> ErrorTargets:
        """Return the targets with this share of both error rates."""
        return ErrorTargets(self.rate * share, 1 - (1 - self.right) * share)


ERROR_TARGETS = ErrorTargets()


@dataclass(frozen=True)
class HeldOutScores:
    """Held-out logits of labelled clips."""

    logits: dict[Question, Array]  # float [clips] by question; NaN where a clip could not be judged
    labels: Array  # int [clips]
    about: dict[Question, Array]  # bool [clips] by question: the fakes that it is about
    sources: Array  # str [clips]

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

    def of(self, chosen: Array) -> HeldOutScores:
        """Return some of the clips."""
        return HeldOutScores(
            {q: x[chosen] for q, x in self.logits.items()},
            self.labels[chosen],
            {q: x[chosen] for q, x in self.about.items()},
            self.sources[chosen],
        )


@dataclass(frozen=True)
class Rates:
    """Error rates of decisions; the last three weight originals and fakes alike."""

    alarms: float  # share of originals called FAKE
    missed: float  # share of fakes called REAL
    decided: float  # share called either
    right: float  # share of the decided that is correct; NaN when none is decided
    promised: float  # the same with one wrong decision more


def decisions(logits: Mapping[Question, Array], limits: Limits) -> Array:
    """Return FAKE if any question says so, REAL only if all do, else inconclusive."""
    fake = np.any([logits[q] > limits[q][1] for q in logits], axis=0)
    real = np.all([logits[q] < limits[q][0] for q in logits], axis=0)
    return np.select([fake, real], [FAKE, REAL], INCONCLUSIVE)


def rates(decided_as: Array, labels: Array) -> Rates:
    """Return what decisions come to on labelled clips."""
    real, fake = labels == 0, labels == 1
    weight = np.where(real, 0.5 / max(1, real.sum()), 0.5 / max(1, fake.sum()))
    wrong = ((decided_as == FAKE) & real) | ((decided_as == REAL) & fake)
    decided = float(weight[decided_as != INCONCLUSIVE].sum())
    wrongly, one = float(weight[wrong].sum()), 1.0 / max(1, len(labels))
    return Rates(
        alarms=float((decided_as[real] == FAKE).mean()) if real.any() else float("nan"),
        missed=float((decided_as[fake] == REAL).mean()) if fake.any() else float("nan"),
        decided=decided,
        right=1 - wrongly / decided if decided else float("nan"),
        promised=1 - (wrongly + one) / (decided + one),
    )


def choose(held: HeldOutScores, targets: ErrorTargets = ERROR_TARGETS) -> Limits | None:
    """Return the limits that decide most clips while both targets are met, with one more false
    alarm for each question and one more wrong decision; None if no limits do. The numbers of
    originals above `high` and of fakes below `low` are the same for all questions."""
    best: tuple[float, Limits] | None = None
    # With more fakes than this called REAL the second target is missed whatever else is decided.
    most = int(2 * (1 - targets.right) * (held.labels == 1).sum())
    for above in _alarms(held, targets.rate):
        for below in range(-1, most + 1):
            limits = _limits(held, above, below)
            now = rates(decisions(held.logits, limits), held.labels)
            if now.promised >= targets.right and (best is None or now.decided > best[0]):
                best = now.decided, limits
    return best[1] if best else None


def by_alarms(held: HeldOutScores, targets: ErrorTargets = ERROR_TARGETS) -> Limits:
    """Return limits by the rate of originals called FAKE alone, with one clip more for each
    question counted as wrong. Nothing is called REAL: no `low` meets the target that such an
    answer makes."""
    return _limits(held, _alarms(held, targets.rate)[0], -1)


def _alarms(held: HeldOutScores, rate: float) -> list[int]:
    """Return the allowed originals over each `high`, most first; -1 is none at any score."""
    real = held.labels == 0
    # How many may be wrong, for the rate to hold with one more for each limit.
    allowed = int(rate * (int(real.sum()) + 1) + 1e-9) - len(held.logits)
    return [
        above
        for above in range(allowed, -2, -1)
        if above < 0
        or (decisions(held.logits, _limits(held, above, -1))[real] == FAKE).sum() <= allowed
    ]


def _limits(held: HeldOutScores, above: int, below: int) -> Limits:
    """Return the allowed alarms: all for the strongest question, a quarter for a weaker one."""
    first = held.strongest
    highs = {q: _high(held, q, above if q is first else above // WEAKER) for q in held.logits}
    return {q: (_low(held, q, below, high), high) for q, high in highs.items()}


def _high(held: HeldOutScores, question: Question, above: int) -> float:
    """Return the midpoint between two originals that leaves exactly `above` of them over it."""
    if above < 0:
        return float("inf")
    real = held.logits[question][held.labels == 0]
    real = np.sort(real[np.isfinite(real)])[::-1]
    if above >= len(real):
        return float("inf")
    return float((real[above - 1] + real[above]) / 2 if above else real[0] + 1e-3)


def _low(held: HeldOutScores, question: Question, below: int, high: float) -> float:
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
class OperatingPoint:
    """Chosen limits, and what to expect of them on a source nobody tuned to."""

    limits: Limits
    elsewhere: Rates
    decisions: Array  # For each clip by limits that were chosen without its source
    targets_met: bool  # Both of them elsewhere


def operate(held: HeldOutScores, targets: ErrorTargets = ERROR_TARGETS) -> OperatingPoint:
    """Choose limits and tighten them until their targets are met on sources left out of the choice.
    Where none satisfy both, nothing is called REAL and FAKE is limited by false alarms alone;
    `targets_met` is then False."""
    tried: list[OperatingPoint] = []
    for alone, way in ((False, choose), (True, by_alarms)):
        for share in TIGHTER:
            tightened = targets.tightened(share)
            if (limits := way(held, tightened)) is None:
                continue
            # Each source by limits that the other sources chose.
            decided = np.full(len(held.labels), INCONCLUSIVE)
            for name in np.unique(held.sources):
                own = held.sources == name
                rest = held.of(~own)
                both = len(set(rest.labels.tolist())) == 2
                if both and (others := way(rest, tightened)) is not None:
                    decided[own] = decisions({q: x[own] for q, x in held.logits.items()}, others)
            now = rates(decided, held.labels)
            few = now.alarms <= targets.rate
            met = few and now.promised >= targets.right
            tried.append(OperatingPoint(limits, now, decided, met))
            if met or (alone and few):
                return tried[-1]
    return tried[-1]


def by_source(decided_as: Array, labels: Array, sources: Array) -> dict[str, tuple[int, int]]:
    """Return (originals called FAKE, originals) of each source that has any."""
    names, alarms = sources[labels == 0], decided_as[labels == 0] == FAKE
    return {
        str(name): (int(alarms[names == name].sum()), int((names == name).sum()))
        for name in np.unique(names)
    }
