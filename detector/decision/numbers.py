"""Arithmetic of log odds, shares, thresholds and ratings."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from detector.schema.analysis import (
    Calibration,
    EmpiricalOdds,
    Evidence,
    Label,
    OddsPoint,
    Thresholds,
)
from detector.schema.base import Param

FEWEST = 20
"""clips near a score that empirical odds need"""


Rating = Literal["poor", "fair", "good"]


def rate(value: float, poor: float, fair: float) -> Rating:
    """Rate a quantity of which more is better."""
    return "poor" if value < poor else "fair" if value < fair else "good"


def rated(code: Any, rating: Rating, **params: Param) -> Evidence:
    """Return a rated item of the material."""
    return Evidence(code=code, rating=rating, params={"rating": rating, **params})


def sigmoid(logit: float) -> float:
    """Return the probability of a logit, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    z = math.exp(logit)
    return z / (1.0 + z)


def logit(probability: float) -> float:
    """Return log odds, within the precision of a probability (about ±36)."""
    p = min(max(probability, 2e-16), 1.0 - 2e-16)
    return math.log(p / (1.0 - p))


def mapped(calibration: Calibration | None, raw: float) -> float:
    """Return a raw logit through its Platt map (Platt 1999); unchanged without one."""
    return calibration.scale * raw + calibration.offset if calibration else raw


def limit_of(logit: float) -> float:
    """Return the limit of a logit in tenths of a percent, as it is printed: rounded up, so that no
    more than the promised false alarms lie above it. Over 99.9 % it is exact, for 1 is no limit."""
    exact = sigmoid(logit)
    return min(math.ceil(1000 * exact - 1e-6) / 1000, max(exact, 0.999))


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), valid also for few clips and for none.

    For the share above a threshold set by the same clips it is right to about a percent (that share
    follows a beta distribution: `conformal.worst`).
    """
    z, share = 1.959964, count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / total / 2) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def printed(parts: Sequence[float], total: int) -> list[int]:
    """Return parts in tenths that sum to `total` tenths: the largest part takes the rounding
    error."""
    tenths = [round(10 * part) for part in parts]
    if rest := total - sum(tenths):
        tenths[max(range(len(parts)), key=lambda i: abs(parts[i]))] += rest
    return tenths


def label_of(probability: float, thresholds: Thresholds) -> Label:
    """Return the band of a likelihood; on a limit, the less certain one."""
    if probability > thresholds.suspect:
        return Label.FAKE if probability > thresholds.high else Label.PROBABLY_FAKE
    if probability < thresholds.unsuspicious:
        return Label.REAL if probability < thresholds.low else Label.PROBABLY_REAL
    return Label.INCONCLUSIVE


def odds_at(table: Sequence[OddsPoint], logit: float) -> EmpiricalOdds | None:
    """Return the odds of a score by interpolation; None with fewer than `FEWEST` clips near it.

    Beyond its ends the table is constant: there are no measurements. The interval is extended to
    include the probability of the logit itself.
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
    own = sigmoid(logit)
    odds |= {"low": min(odds["low"], own), "high": max(odds["high"], own)}
    return EmpiricalOdds.model_validate(odds | {"clips": int(odds["clips"])})
