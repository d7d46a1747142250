"""Figures of merit, from scores and labels alone. NumPy only; checked against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc(scores: Array, labels: Array) -> float:
    """Probability that a fake scores above an original; ties count half. NaN for one label only."""
    scores, labels = np.asarray(scores, float), np.asarray(labels).astype(bool)
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not positive or not negative:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Mean rank of each distinct score, from 1.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


def bootstrap(
    figure: Callable[[Array, Array], float],
    scores: Array,
    labels: Array,
    groups: Sequence[str],
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> Interval:
    """A figure with an interval from resampling whole groups (clips of one footage move together).

    Rounds in which the figure is undefined (one label only) are left out.
    """
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    names = np.asarray(groups)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        value = figure(scores[chosen], labels[chosen])
        if np.isfinite(value):
            values.append(value)
    low, high = np.percentile(values, [2.5, 97.5]) if values else (np.nan, np.nan)
    return Interval(figure(scores, labels), float(low), float(high))


def pairs_won(scores: Array, couples: Sequence[tuple[int, int]]) -> float:
    """Share of (original, fake) index pairs in which the fake scores higher; ties count half."""
    if not couples:
        return float("nan")
    real, fake = np.asarray(scores, float)[np.asarray(couples).T]
    return float(np.mean((fake > real) + 0.5 * (fake == real)))


def tpr_at(scores: Array, labels: Array, rate: float) -> float:
    """Share of fakes found when at most this share of originals is called fake."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    real = np.sort(scores[labels == 0])[::-1]
    fake = scores[labels == 1]
    if not real.size or not fake.size:
        return float("nan")
    allowed = int(np.floor(rate * real.size))
    return float(np.mean(fake > (real[allowed] if allowed < real.size else -np.inf)))


def equal_error(scores: Array, labels: Array) -> float:
    """Equal error rate: where as many originals are called fake as fakes are missed."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    real, fake = scores[labels == 0], scores[labels == 1]
    if not real.size or not fake.size:
        return float("nan")
    cuts = np.unique(scores)
    false_alarm = np.array([(real >= cut).mean() for cut in cuts])
    miss = np.array([(fake < cut).mean() for cut in cuts])
    best = int(np.argmin(np.abs(false_alarm - miss)))
    return float((false_alarm[best] + miss[best]) / 2)


def calibration_error(probabilities: Array, labels: Array, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width, weighted by their counts."""
    p, y = np.asarray(probabilities, float), np.asarray(labels, float)
    which = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [
        (which == b).sum() * abs(p[which == b].mean() - y[which == b].mean())
        for b in range(bins)
        if (which == b).any()
    ]
    return float(sum(gaps) / len(p)) if len(p) else float("nan")


def brier(probabilities: Array, labels: Array) -> float:
    """Mean squared error of the probabilities."""
    return float(np.mean((np.asarray(probabilities, float) - np.asarray(labels, float)) ** 2))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    x = np.asarray(x, float)
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))
