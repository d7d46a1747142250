"""Curves over every threshold: receiver operating characteristic and precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

GRID = np.linspace(0.0, 1.0, 101)
"""False positive rates at which the band of a ROC is given."""


@dataclass(frozen=True)
class Roc:
    """A ROC with a 95 % band.

    Attributes
    ----------
    fpr, tpr : float arrays, ascending from (0, 0) to (1, 1)
        The curve itself, one point a threshold.
    grid, low, high : float arrays
        The band: `low` and `high` true positive rate at each false positive rate of `grid`. Empty
        if a resample never held both labels.
    """

    fpr: Array
    tpr: Array
    grid: Array
    low: Array
    high: Array


def roc(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    groups: Sequence[str],
    *,
    rounds: int = 400,
    seed: int = 0,
) -> Roc:
    """ROC of scores; the band comes from resampling groups, so that takes of one original do not
    count as independent.

    Parameters
    ----------
    scores : float [N], higher is more suspicious
    labels : int [N], 1 is fake
    groups : [N] names
    """
    s, y = np.asarray(scores, float), np.asarray(labels, int)
    fpr, tpr = _points(s, y)
    names = np.asarray(groups)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(rounds):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if 0 < y[chosen].sum() < len(chosen):
            x, t = _points(s[chosen], y[chosen])
            drawn.append(_at(x, t))
    if not drawn:
        return Roc(fpr, tpr, np.empty(0), np.empty(0), np.empty(0))
    low, high = np.quantile(np.stack(drawn), [0.025, 0.975], axis=0)
    return Roc(fpr, tpr, GRID, low, high)


def precision_recall(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Array, Array]:
    """Recall ascending, and the precision at each, one point a threshold; starts at recall 0."""
    s, y = np.asarray(scores, float), np.asarray(labels, int)
    order = np.argsort(-s, kind="stable")
    last = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))
    found = np.cumsum(y[order])[last]
    recall = found / max(1, y.sum())
    precision = found / (last + 1)
    return np.append(0.0, recall), np.append(precision[:1], precision)


def _points(scores: Array, labels: npt.NDArray[np.int_]) -> tuple[Array, Array]:
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.cumsum(labels[order])[last]
    alarms = last + 1 - found
    positives = max(1, int(labels.sum()))
    negatives = max(1, len(labels) - int(labels.sum()))
    return np.append(0.0, alarms / negatives), np.append(0.0, found / positives)


def _at(fpr: Array, tpr: Array) -> Array:
    """The curve at the rates of `GRID`: the best that is reached with no more false alarms, so that
    an upright part counts at its foot."""
    best = np.maximum.accumulate(tpr)
    return best[np.searchsorted(fpr, GRID, side="right") - 1]
