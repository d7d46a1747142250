"""Metrics of scores and labels, checked against scikit-learn in the tests. NumPy only: a bootstrap
computes all its draws in one matrix of weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BeforeValidator

from detector.decision import numbers

Array = np.ndarray
ROUNDS = 1000  # of a bootstrap
BINS = 10  # of a reliability diagram, of equal width
GRID = np.linspace(0.0, 1.0, 101)  # False positive rates at which the band of a ROC is given


Number = Annotated[float, BeforeValidator(lambda v: np.nan if v is None else v)]
"""NaN where there is nothing to count; JSON has null for it."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval, NaN where it has none; `count` of `of` for a share, `of`
    alone for a figure of fewer files than the others in its row."""

    value: Number
    low: Number = float("nan")
    high: Number = float("nan")
    count: int | None = None
    of: int | None = None

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc(scores: Array, labels: Array) -> float:
    """Return the probability that a fake scores above an original, ties half; NaN for one label."""
    return float(_auc(scores, labels, np.ones((1, len(scores))))[0])


def _auc(scores: Array, labels: Array, weights: Array) -> Array:
    """Return the AUC of each draw, float [draws], by weighted ranks: `weights` say how often each
    file was drawn, [draws, files]. NaN where a label is missing."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    if not len(scores):
        return np.full(len(weights), np.nan)
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0))
    fake, real = (
        np.add.reduceat(weights[:, order] * (labels[order] == label), starts, axis=1, dtype=float)
        for label in (1, 0)
    )
    won = (fake * (real.cumsum(1) - real / 2)).sum(1)
    pairs = fake.sum(1) * real.sum(1)
    return np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def draw(groups: Sequence[str] | Array, rounds: int = ROUNDS, seed: int = 0) -> Array:
    """Draw whole groups with replacement, as many as there are, `rounds` times; return how often
    each file was drawn, int [rounds, files]."""
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    count = len(names)
    if not count:
        return np.zeros((rounds, 0), int)
    drawn = np.random.default_rng(seed).integers(count, size=(rounds, count))
    places = drawn + count * np.arange(rounds)[:, None]
    return np.bincount(places.ravel(), minlength=rounds * count).reshape(rounds, count)[:, group]


def auc_interval(
    scores: Array, labels: Array, groups: Sequence[str] | Array, *, less: Array | None = None
) -> Interval:
    """Return the AUC with an interval from resampling whole groups, without draws of one label.
    `less`: other scores of the same files whose AUC is subtracted in each draw (a paired
    difference)."""
    value, drawn = auc(scores, labels), draw(groups)
    values = _auc(scores, labels, drawn)
    if less is not None:
        value, values = value - auc(less, labels), values - _auc(less, labels, drawn)
    return _interval(value, values)


def mean_interval(values: Array, groups: Sequence[str] | Array) -> Interval:
    """Return the mean with an interval from resampling whole groups."""
    values, drawn = np.asarray(values, float), draw(groups)
    return _interval(float(values.mean()), drawn @ values / drawn.sum(1))


def _interval(value: float, values: Array) -> Interval:
    defined = values[np.isfinite(values)]
    low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def wilson(count: int, total: int) -> Interval:
    """Return a share with its 95 % interval (`decision.numbers.wilson`). NaN for a total of 0."""
    if not total:
        return Interval(float("nan"), count=0, of=0)
    return Interval(count / total, *numbers.wilson(count, total), count, total)


def share(hits: Sequence[bool] | Array) -> Interval:
    """Return the share of the true ones (`wilson`)."""
    return wilson(int(np.sum(hits)), len(hits))


def paired_ranking_accuracy(scores: Array, couples: Sequence[tuple[int, int]]) -> float:
    """Return the share of (original, fake) pairs ranked rightly; ties count half."""
    if not couples:
        return float("nan")
    real, fake = np.asarray(scores, float)[np.asarray(couples).T]
    return float(np.mean((fake > real) + 0.5 * (fake == real)))


def tpr_at(scores: Array, labels: Array, rate: float) -> float:
    """Return the share of fakes found when at most this share of originals is called fake."""
    fpr, tpr = _curve(scores, labels)
    return float(tpr[fpr <= rate].max(initial=0.0)) if len(set(labels)) == 2 else float("nan")


def equal_error(scores: Array, labels: Array) -> float:
    """Return the equal error rate: where as many originals are called fake as fakes are missed."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    real, fake = scores[labels == 0], scores[labels == 1]
    if not real.size or not fake.size:
        return float("nan")
    cuts = np.unique(scores)
    false_alarm = 1 - np.searchsorted(np.sort(real), cuts) / len(real)
    miss = np.searchsorted(np.sort(fake), cuts) / len(fake)
    best = int(np.argmin(np.abs(false_alarm - miss)))
    return float((false_alarm[best] + miss[best]) / 2)


def bins_of(probabilities: Array) -> Array:
    """Return the bin of each probability, of `BINS` of equal width: int [files]."""
    return np.minimum((np.asarray(probabilities, float) * BINS).astype(int), BINS - 1)


def calibration_error(probabilities: Array, labels: Array) -> float:
    """Return the expected calibration error (Naeini et al. 2015); NaN for no files."""
    p = np.asarray(probabilities, float)
    gaps = np.bincount(bins_of(p), np.asarray(labels, float) - p)
    return float(np.abs(gaps).sum() / len(p)) if len(p) else np.nan


def calibration_error_by_chance(probabilities: Array) -> Interval:
    """Return the calibration error of exactly honest probabilities on so many files, above 0 by
    chance."""
    p = np.asarray(probabilities, float)
    if not len(p):
        return Interval(np.nan, np.nan, np.nan)
    fakes = np.random.default_rng(0).random((ROUNDS, len(p))) < p
    gaps = (fakes - p) @ np.eye(BINS)[bins_of(p)]
    values = np.abs(gaps).sum(1) / len(p)
    return _interval(float(values.mean()), values)


def risk_coverage(confidence: Array, wrong: Array) -> tuple[Array, Array]:
    """Return risk against coverage (El-Yaniv & Wiener 2010), float [files] each: the share of files
    answered, the surest first, ascending to 1, and the share of wrong answers among these; ties
    spread the wrong ones. The mean risk is the area under the curve."""
    sure, wrong = np.asarray(confidence, float), np.asarray(wrong, float)
    values, which = np.unique(-sure, return_inverse=True)
    ends = np.cumsum(np.bincount(which, minlength=len(values)))
    errors = np.cumsum(np.bincount(which, wrong, minlength=len(values)))
    answered = np.arange(1, len(sure) + 1)
    risk = np.interp(answered, np.r_[0, ends], np.r_[0, errors]) / answered
    return answered / max(1, len(sure)), risk


def brier(probabilities: Array, labels: Array) -> float:
    """Return the mean squared error of the probabilities."""
    return float(np.mean((np.asarray(probabilities, float) - np.asarray(labels, float)) ** 2))


@dataclass(frozen=True)
class Roc:
    """A ROC, ascending from (0, 0) to (1, 1), with its 95 % band over `grid`; empty without groups,
    or where no resample had both labels."""

    fpr: Array
    tpr: Array
    grid: Array
    low: Array
    high: Array


def roc(scores: ArrayLike, labels: ArrayLike, groups: Sequence[str] = ()) -> Roc:
    """Return the ROC of scores (higher is more suspicious; label 1 is fake), with a band from the
    draws of groups that `auc_interval` takes."""
    s, y = np.asarray(scores, float), np.asarray(labels, int)
    fpr, tpr = _curve(s, y)
    weights = draw(groups) if len(groups) else np.zeros((0, len(s)), int)
    both = [weights[:, y == label].any(1) for label in (0, 1)]
    drawn = [_at(*line) for line in zip(*_points(s, y, weights[both[0] & both[1]]), strict=True)]
    if not drawn:
        return Roc(fpr, tpr, np.empty(0), np.empty(0), np.empty(0))
    low, high = np.quantile(np.stack(drawn), [0.025, 0.975], axis=0)
    return Roc(fpr, tpr, GRID, low, high)


def precision_recall(scores: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Return recall, ascending from 0, and the precision at each threshold."""
    s, y = np.asarray(scores, float), np.asarray(labels, int)
    found, alarms = (line[0] for line in _counts(s, y, np.ones((1, len(s)))))
    recall, precision = found / max(1, y.sum()), found / (found + alarms)
    return np.append(0.0, recall), np.append(precision[:1], precision)


def _counts(scores: Array, labels: Array, weights: Array) -> tuple[Array, Array]:
    """Return how many fakes and how many originals are called fake at each threshold, the highest
    first: float [draws, thresholds]."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    fakes, originals = (
        (weights[:, order] * (labels[order] == label)).cumsum(1, dtype=float)[:, last]
        for label in (1, 0)
    )
    return fakes, originals


def _points(scores: Array, labels: Array, weights: Array) -> tuple[Array, Array]:
    """Return the false and the true positive rate at each threshold, from 0: [draws, points]."""
    found, alarms = _counts(scores, labels, weights)
    fpr, tpr = (line / np.maximum(1, line[:, -1:]) for line in (alarms, found))
    return np.pad(fpr, ((0, 0), (1, 0))), np.pad(tpr, ((0, 0), (1, 0)))


def _curve(scores: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Return the false and the true positive rate of all files at each threshold, from 0."""
    s, y = np.asarray(scores, float), np.asarray(labels, int)
    fpr, tpr = (line[0] for line in _points(s, y, np.ones((1, len(s)))))
    return fpr, tpr


def _at(fpr: Array, tpr: Array) -> Array:
    """Return the curve at `GRID`: the best value with no more false alarms."""
    best = np.maximum.accumulate(tpr)
    return best[np.searchsorted(fpr, GRID, side="right") - 1]
