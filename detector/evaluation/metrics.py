"""Figures of merit, from scores and labels alone, checked against scikit-learn in the tests. NumPy
only: a bootstrap asks a thousand times, and scikit-learn takes 20 to 100 times as long for each."""

from collections.abc import Callable, Iterator, Sequence
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
BAND_ROUNDS = 400  # of the bootstrap over groups


Number = Annotated[float, BeforeValidator(lambda v: np.nan if v is None else v)]
"""NaN where there is nothing to count; JSON has null for it."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: Number
    low: Number
    high: Number

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc(scores: Array, labels: Array) -> float:
    """Return the probability that a fake scores above an original, ties half; NaN for one label."""
    scores, labels = np.asarray(scores, float), np.asarray(labels).astype(bool)
    fake, real = scores[labels], np.sort(scores[~labels])
    if not fake.size or not real.size:
        return float("nan")
    below, up_to = (np.searchsorted(real, fake, side) for side in ("left", "right"))
    return float((below.sum() + up_to.sum()) / (2 * fake.size * real.size))


def bootstrap(
    figure: Callable[[Array, Array], float],
    scores: Array,
    labels: Array,
    groups: Sequence[str] | Array,
    *,
    less: Array | None = None,
) -> Interval:
    """Return a figure of scores and labels with an interval from resampling whole groups; rounds in
    which it is undefined are left out. `less` are other scores of the same files whose figure is
    subtracted in each round: a paired difference."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)

    def value(rows: Array | slice) -> float:
        other = 0.0 if less is None else figure(np.asarray(less, float)[rows], labels[rows])
        return figure(scores[rows], labels[rows]) - other

    return _interval(value(slice(None)), [value(rows) for rows in resample(groups)])


def resample(groups: Sequence[str] | Array, rounds: int = ROUNDS, seed: int = 0) -> Iterator[Array]:
    """Yield the members of groups drawn with replacement, int [members], `rounds` times."""
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
    """Return a share with its 95 % interval (`decision.numbers.wilson`). NaN for a total of 0."""
    if not total:
        return Interval(float("nan"), float("nan"), float("nan"))
    return Interval(count / total, *numbers.wilson(count, total))


def paired_ranking_accuracy(scores: Array, couples: Sequence[tuple[int, int]]) -> float:
    """Return the share of (original, fake) pairs ranked rightly; ties count half."""
    if not couples:
        return float("nan")
    real, fake = np.asarray(scores, float)[np.asarray(couples).T]
    return float(np.mean((fake > real) + 0.5 * (fake == real)))


def tpr_at(scores: Array, labels: Array, rate: float) -> float:
    """Return the share of fakes found when at most this share of originals is called fake."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    real = np.sort(scores[labels == 0])[::-1]
    fake = scores[labels == 1]
    if not real.size or not fake.size:
        return float("nan")
    allowed = int(np.floor(rate * real.size))
    return float(np.mean(fake > (real[allowed] if allowed < real.size else -np.inf)))


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
    rng = np.random.default_rng(0)
    values = [calibration_error(p, rng.random(len(p)) < p) for _ in range(ROUNDS)]
    return _interval(float(np.mean(values)), values)


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
    """A ROC, ascending from (0, 0) to (1, 1), with its 95 % band over `grid`; empty where no
    resample had both labels."""

    fpr: Array
    tpr: Array
    grid: Array
    low: Array
    high: Array


def roc(scores: ArrayLike, labels: ArrayLike, groups: Sequence[str]) -> Roc:
    """Return the ROC of scores (higher is more suspicious; label 1 is fake) with a band from
    resampling groups, so that takes of one original do not count as independent."""
    s, y = np.asarray(scores, float), np.asarray(labels, int)
    fpr, tpr = _points(s, y)
    drawn = [
        _at(*_points(s[rows], y[rows]))
        for rows in resample(groups, BAND_ROUNDS)
        if 0 < y[rows].sum() < len(rows)
    ]
    if not drawn:
        return Roc(fpr, tpr, np.empty(0), np.empty(0), np.empty(0))
    low, high = np.quantile(np.stack(drawn), [0.025, 0.975], axis=0)
    return Roc(fpr, tpr, GRID, low, high)


def precision_recall(scores: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Return recall, ascending from 0, and the precision at each threshold."""
    s, y = np.asarray(scores, float), np.asarray(labels, int)
    true_positives, positives = _counts(s, y)
    recall, precision = true_positives / max(1, y.sum()), true_positives / positives
    return np.append(0.0, recall), np.append(precision[:1], precision)


def _counts(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Fakes and files called fake at each threshold, the highest first."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    return np.cumsum(labels[order], dtype=float)[last], (last + 1).astype(float)


def _points(scores: Array, labels: Array) -> tuple[Array, Array]:
    true_positives, positives = _counts(scores, labels)
    fakes = int(labels.sum())
    fpr = (positives - true_positives) / max(1, len(labels) - fakes)
    return np.append(0.0, fpr), np.append(0.0, true_positives / max(1, fakes))


def _at(fpr: Array, tpr: Array) -> Array:
    """Return the curve at `GRID`: the best value with no more false alarms."""
    best = np.maximum.accumulate(tpr)
    return best[np.searchsorted(fpr, GRID, side="right") - 1]
