"""Arithmetic of log odds and of shares. Numbers only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from detector.schema.analysis import Calibration, Tally

CAUSES = ("size", "sharpness", "compression", "frames", "disagreement")
"""Why a logit can be uncertain: the fields of `UncertaintyRates`."""


def sigmoid(logit: float) -> float:
    """Return the probability of a logit, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    z = math.exp(logit)
    return z / (1.0 + z)


def logit(probability: float) -> float:
    """Return log odds, within what a probability can hold (about ±36)."""
    kept = min(max(probability, 2e-16), 1.0 - 2e-16)
    return math.log(kept / (1.0 - kept))


def mapped(calibration: Calibration | None, raw: float) -> float:
    """Return a raw logit through its Platt map (Platt 1999); as it is without one."""
    return calibration.scale * raw + calibration.offset if calibration else raw


def weighted_mean(logits: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """Return the weighted mean over the models that have a weight; None without any."""
    total = sum(weights.get(id, 0.0) for id in logits)
    if total <= 0:
        return None
    return sum(weights.get(id, 0.0) * x for id, x in logits.items()) / total


def pooled(logits: Sequence[float], caution: float = 0.0) -> float:
    """Return the evidence that one of several is a fake, nobody knows which: log of the mean ratio.

    With a likelihood ratio for each of n people and each as likely as the others to be the
    manipulated one, the ratio for the whole is their mean (the Bayes factor of a mixture): these
    odds are true ones, where the highest of n scores grows with n by itself. True odds alone don't
    keep the false alarms at a threshold constant, since with more people more of the rare high
    scores turn up; so `caution` times log n is taken off, fitted such that they do not grow even
    when the people's scores have nothing in common (`training.fitting.fit_caution`).
    """
    if len(logits) == 1:
        return float(logits[0])
    values = np.asarray(logits, float)
    top = float(values.max())
    mean = top + math.log(float(np.exp(values - top).mean()))
    return mean - caution * math.log(len(values))


def probit_shrink(logit: float, variance: float) -> float:
    """Return a logit with an uncertainty as a certain one: nearer to 0 (the probit shrink).

    The probability of a Gaussian logit, averaged (Spiegelhalter & Lauritzen 1990; MacKay 1992).
    """
    return logit / math.sqrt(1.0 + math.pi * variance / 8.0)


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), which holds for few clips and for none.

    The share over a threshold that was set by these very clips, with so many of them over it, is
    within about a percent of the same (it follows a beta distribution: `conformal.guarantee`).
    """
    z, share = 1.959964, count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / total / 2) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def at_most(tally: Tally) -> float:
    """Return the largest share that a tally leaves likely, rounded up to a whole percent."""
    return math.ceil(wilson(tally.count, tally.clips)[1] * 100) / 100


def printed(parts: Sequence[float], total: int) -> list[int]:
    """Return parts in tenths that sum to `total` tenths: what rounding leaves over goes to the
    largest part, where it is the smallest share."""
    tenths = [round(10 * part) for part in parts]
    if rest := total - sum(tenths):
        tenths[max(range(len(parts)), key=lambda i: abs(parts[i]))] += rest
    return tenths
