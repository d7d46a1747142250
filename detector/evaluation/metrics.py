"""Figures of merit, from scores and labels alone. NumPy only; checked against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detector.decision import numbers

Array = np.ndarray
ROUNDS = 1000
"""of a bootstrap"""


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
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Interval:
    """A figure with an interval from resampling whole groups (clips of one footage move together).

    Rounds in which the figure is undefined (one label only) are left out.
    """
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    values = [figure(scores[drawn], labels[drawn]) for drawn in _draws(groups, rounds, seed)]
    return _interval(figure(scores, labels), values)


def bootstrap_difference(
    figure: Callable[[Array, Array], float],
    first: Array,
    second: Array,
    labels: Array,
    groups: Sequence[str],
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Interval:
    """`figure` of the first scores less that of the second, paired: both on the same files, and in
    each round on the same resampled groups."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    labels = np.asarray(labels)
    values = [
        figure(first[drawn], labels[drawn]) - figure(second[drawn], labels[drawn])
        for drawn in _draws(groups, rounds, seed)
    ]
    return _interval(figure(first, labels) - figure(second, labels), values)


def _draws(groups: Sequence[str], rounds: int, seed: int) -> Iterator[Array]:
    """Indices of resampled groups, all members of a group together."""
    names = np.asarray(groups)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    rng = np.random.default_rng(seed)
    for _ in range(rounds if members else 0):
        yield np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])


def _interval(value: float, values: Sequence[float]) -> Interval:
    defined = [v for v in values if np.isfinite(v)]
    low, high = np.percentile(defined, [2.5, 97.5]) if defined else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def wilson(count: int, total: int) -> Interval:
    """A share with its 95 % interval (`decision.numbers.wilson`). NaN for a total of 0."""
    if not total:
        return Interval(float("nan"), float("nan"), float("nan"))
    return Interval(count / total, *numbers.wilson(count, total))


def paired_ranking_accuracy(scores: Array, couples: Sequence[tuple[int, int]]) -> float:
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


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram.

    Attributes
    ----------
    low, high : float
        Probabilities low <= p < high (the last bin holds 1 too).
    count : int
        Files in it.
    said : float
        Mean probability of these.
    seen : Interval
        Share of fakes among these, with its Wilson interval.
    """

    low: float
    high: float
    count: int
    said: float
    seen: Interval


def reliability(probabilities: Array, labels: Array, bins: int = 10) -> list[Bin]:
    """The bins that hold any file, of equal width."""
    p, y = np.asarray(probabilities, float), np.asarray(labels)
    which = np.minimum((p * bins).astype(int), bins - 1)
    found = []
    for b in np.unique(which):
        inside = which == b
        seen = wilson(int(y[inside].sum()), int(inside.sum()))
        found.append(
            Bin(b / bins, (b + 1) / bins, int(inside.sum()), float(p[inside].mean()), seen)
        )
    return found


def calibration_error(probabilities: Array, labels: Array, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width, weighted by their counts (Naeini et al.
    2015). NaN for no files."""
    found = reliability(probabilities, labels, bins)
    total = sum(b.count for b in found)
    return sum(b.count * abs(b.said - b.seen.value) for b in found) / total if total else np.nan


def calibration_error_by_chance(
    probabilities: Array, bins: int = 10, *, rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """The calibration error that honest probabilities would show on so many files.

    It is never 0: with nine files in a bin, the share of fakes among them is off by chance alone.
    Labels are drawn from the probabilities. The value is the mean; low and high hold 95 % of them.
    """
    p = np.asarray(probabilities, float)
    rng = np.random.default_rng(seed)
    values = [calibration_error(p, rng.random(len(p)) < p, bins) for _ in range(rounds)]
    return _interval(float(np.mean(values)), values)


@dataclass(frozen=True)
class RiskCoverageCurve:
    """Risk against coverage (El-Yaniv & Wiener 2010): the k surest answers, and how many are wrong.

    Attributes
    ----------
    coverage : float array [files]
        Share of the files that are answered, ascending to 1.
    risk : float array [files]
        Share of wrong answers among these.
    area : float
        Under the curve: the mean risk. 0 is best.
    """

    coverage: Array
    risk: Array
    area: float


def risk_coverage(confidence: Array, wrong: Array) -> RiskCoverageCurve:
    """The curve of answers from the surest on; among equally sure ones the wrong are spread."""
    sure, wrong = np.asarray(confidence, float), np.asarray(wrong, float)
    values, which = np.unique(-sure, return_inverse=True)
    ends = np.cumsum(np.bincount(which, minlength=len(values)))
    errors = np.cumsum(np.bincount(which, wrong, minlength=len(values)))
    answered = np.arange(1, len(sure) + 1)
    risk = np.interp(answered, np.r_[0, ends], np.r_[0, errors]) / answered
    return RiskCoverageCurve(
        answered / max(1, len(sure)), risk, float(risk.mean()) if len(sure) else np.nan
    )


def brier(probabilities: Array, labels: Array) -> float:
    """Mean squared error of the probabilities."""
    return float(np.mean((np.asarray(probabilities, float) - np.asarray(labels, float)) ** 2))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    x = np.asarray(x, float)
    p: Array = np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))
    return p
