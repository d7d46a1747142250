"""Scores of labelled files as columns, and the figures taken from one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.evaluation import metrics
from detector.evaluation.labels import pairs
from detector.evaluation.metrics import Interval, Number
from detector.evaluation.scores import Scored
from detector.schema.base import StrictModel

_WORST = 1e6  # Further out than any logit


@dataclass(frozen=True)
class Estimate(Interval):
    """A figure of so many files."""

    real: int
    fake: int


@dataclass(frozen=True)
class Share(Interval):
    """So many of so many, by Wilson's interval."""

    count: int
    of: int

    @classmethod
    def of_all(cls, hits: Sequence[bool] | np.ndarray) -> Share:
        """Return the share of the true ones; NaN of none."""
        count, total = int(np.sum(hits)), len(hits)
        share = metrics.wilson(count, total)
        return cls(share.value, share.low, share.high, count, total)


class Bar(StrictModel):
    """A reliability bar: `said` is its files' mean probability, low <= p < high (last: <=)."""

    low: Number
    high: Number
    said: Number
    seen: Share  # Fakes among them


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[Bar]:
    """Return the bars that hold any file, of equal width."""
    which = metrics.bins_of(probabilities)
    return [
        Bar(
            low=b / metrics.BINS,
            high=(b + 1) / metrics.BINS,
            said=float(probabilities[which == b].mean()),
            seen=Share.of_all(labels[which == b] == 1),
        )
        for b in np.unique(which).tolist()
    ]


@dataclass(frozen=True)
class Column:
    """What one model, or one feature, says of each file. A file that could not be judged counts
    against it: an original ranks above all fakes, a fake below all originals."""

    values: np.ndarray  # float [files]
    labels: np.ndarray  # int [files]
    judged: np.ndarray  # bool [files]
    groups: list[str]  # of files that a bootstrap draws together: one person or footage

    @classmethod
    def of(cls, values: Sequence[float | None], scored: Sequence[Scored]) -> Column:
        """Return a column of these files; None where there is no score."""
        labels = np.array([s.label for s in scored], int)
        judged = np.array([value is not None for value in values], bool)
        filled = np.where(labels == 1, -_WORST, _WORST)
        filled[judged] = [value for value in values if value is not None]
        return cls(filled, labels, judged, [s.person for s in scored])

    def only(self, chosen: np.ndarray) -> Column:
        """Return the files where `chosen` (bool [files]) is true."""
        groups = [group for group, c in zip(self.groups, chosen, strict=True) if c]
        return Column(self.values[chosen], self.labels[chosen], self.judged[chosen], groups)

    def auc_less(self, other: Column) -> Interval:
        """Return the AUC less that of another column of the same files, paired, over groups."""
        return metrics.bootstrap(
            metrics.auc, self.values, self.labels, self.groups, less=other.values
        )


def figure_of(column: Column) -> Estimate:
    """Return the AUC with its interval over groups."""
    auc = metrics.bootstrap(metrics.auc, column.values, column.labels, column.groups)
    fake = int(column.labels.sum())
    real = len(column.labels) - fake
    return Estimate(auc.value, auc.low, auc.high, real, fake)


def couples_of(scored: Sequence[Scored]) -> list[tuple[int, int]]:
    """Return indices (original, fake of it), without groups of several originals."""
    originals = Counter((s.source, s.group) for s in scored if s.label == 0)
    return [(a, b) for a, b in pairs(scored) if originals[scored[b].source, scored[b].group] == 1]


def paired_ranking(column: Column, couples: Sequence[tuple[int, int]]) -> Interval:
    """Return the share of pairs ranked rightly, its interval over groups, Wilson's where all are
    won."""
    wins = np.array([metrics.paired_ranking_accuracy(column.values, [pair]) for pair in couples])
    groups = [column.groups[original] for original, _ in couples]
    if not couples:
        return Interval(float("nan"), float("nan"), float("nan"))
    if (wins == 1).all() or (wins == 0).all():
        count = len(set(groups))
        return metrics.wilson(round(wins[0] * count), count)
    return metrics.bootstrap(lambda won, _: float(won.mean()), wins, wins, groups)
