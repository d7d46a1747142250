"""Arithmetic of log odds and of shares: what a score means."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from detector.schema.analysis import Calibration, EmpiricalOdds, Label, OddsPoint, Thresholds

CAUSES = ("size", "sharpness", "compression", "frames", "disagreement")
"""Why a logit can be uncertain: the fields of `UncertaintyRates`."""
FEWEST = 20
"""clips near a score, for odds to be given"""


Rating = Literal["poor", "fair", "good"]


def rate(value: float, poor: float, fair: float) -> Rating:
    """Return how good material is, of which more is better."""
    return "poor" if value < poor else "fair" if value < fair else "good"


def sigmoid(logit: float) -> float:
    """Return the probability of a logit, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    z = math.exp(logit)
    return z / (1.0 + z)


def logit(probability: float) -> float:
    """Return log odds, within what a probability can hold (about ±36)."""
    p = min(max(probability, 2e-16), 1.0 - 2e-16)
    return math.log(p / (1.0 - p))


def mapped(calibration: Calibration | None, raw: float) -> float:
    """Return a raw logit through its Platt map (Platt 1999); as it is without one."""
    return calibration.scale * raw + calibration.offset if calibration else raw


def weighted_mean(logits: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """Return the weighted mean over the models that have a weight; None without any."""
    total = sum(weights.get(id, 0.0) for id in logits)
    added = sum(weights.get(id, 0.0) * x for id, x in logits.items())
    return added / total if total > 0 else None


def for_people(thresholds: Thresholds, correction: float, people: int) -> Thresholds:
    """Return thresholds for a file with so many judged people, where the score of the most
    suspicious one decides.

    Among n people a high score is met n times as often by chance. `correction` times log n on the
    limits of FAKE and PROBABLY_FAKE (log odds) keeps false alarms as rare per file as with one
    person (Bonferroni; `Ensemble.people_correction`).
    """
    if people < 2 or not correction:
        return thresholds

    def raised(limit: float) -> float:
        return limit if limit >= 1 else sigmoid(logit(limit) + correction * math.log(people))

    update: dict[str, object] = {"high": raised(thresholds.high), "people": people}
    if thresholds.probably_high is not None:
        update["probably_high"] = raised(thresholds.probably_high)
    return thresholds.model_copy(update=update)


def probit_shrink(logit: float, variance: float) -> float:
    """Return a logit with an uncertainty as a certain one: nearer to 0 (the probit shrink).

    The probability of a Gaussian logit, averaged (Spiegelhalter & Lauritzen 1990; MacKay 1992).
    """
    return logit / math.sqrt(1.0 + math.pi * variance / 8.0)


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), which holds for few clips and for none.

    The share over a threshold that was set by these very clips, with so many of them over it, is
    within about a percent of the same (it follows a beta distribution: `conformal.worst`).
    """
    z, share = 1.959964, count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / total / 2) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def printed(parts: Sequence[float], total: int) -> list[int]:
    """Return parts in tenths that sum to `total` tenths: what rounding leaves over goes to the
    largest part, where it is the smallest share."""
    tenths = [round(10 * part) for part in parts]
    if rest := total - sum(tenths):
        tenths[max(range(len(parts)), key=lambda i: abs(parts[i]))] += rest
    return tenths


def label_of(probability: float, thresholds: Thresholds) -> Label:
    """Return the band of a likelihood; on a limit it is the less certain one."""
    if probability > thresholds.suspect:
        return Label.FAKE if probability > thresholds.high else Label.PROBABLY_FAKE
    if probability < thresholds.unsuspicious:
        return Label.REAL if probability < thresholds.low else Label.PROBABLY_REAL
    return Label.INCONCLUSIVE


def odds_at(table: Sequence[OddsPoint], logit: float, *, holds: float) -> EmpiricalOdds | None:
    """Return the odds of a score, between the points of the table; None where it says too little.

    Beyond its ends the table is level: further out there are no measurements. The interval holds
    the probability of the logit `holds`, the file's, whose interval it is.
    """
    if not table:
        return None
    at = [point.logit for point in table]
    odds = {
        name: float(np.interp(logit, at, [getattr(point, name) for point in table]))
        for name in EmpiricalOdds.model_fields
    }
    if odds["clips"] < FEWEST:
        return None
    own = sigmoid(holds)
    odds |= {"low": min(odds["low"], own), "high": max(odds["high"], own)}
    return EmpiricalOdds.model_validate(odds | {"clips": int(odds["clips"])})
