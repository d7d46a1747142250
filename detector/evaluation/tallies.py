"""Scores of labelled files as columns, and the figures taken from one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator

from detector.evaluation import metrics
from detector.evaluation.metrics import Interval
from detector.evaluation.scores import Scored
from detector.schema.base import StrictModel

_WORST = 1e6
"""Further out than any logit."""


Number = Annotated[float, BeforeValidator(lambda v: math.nan if v is None else v)]
"""NaN where there is nothing to count; JSON has null for it."""


class Estimate(StrictModel):
    """One figure with its 95 % interval, and how many files it is of."""

    value: Number
    low: Number
    high: Number
    real: int
    fake: int


class Share(StrictModel):
    """So many of so many, with its 95 % interval (Wilson)."""

    count: int
    of: int
    value: Number
    low: Number
    high: Number

    @classmethod
    def of_all(cls, hits: Sequence[bool] | np.ndarray) -> Share:
        """Share of the true ones; NaN of none."""
        count, total = int(np.sum(hits)), len(hits)
        return cls.of_interval(metrics.wilson(count, total), total)

    @classmethod
    def of_interval(cls, found: Interval, total: int) -> Share:
        """A share of so many that is known with its interval."""
        count = round(found.value * total) if total else 0
        return cls(count=count, of=total, value=found.value, low=found.low, high=found.high)


@dataclass(frozen=True)
class Column:
    """What one model, or one feature, says of each file.

    A file that could not be judged is counted against it: an original stands above all fakes, a
    fake below all originals.

    Attributes
    ----------
    values : float array [files]
    labels : int array [files]
    judged : bool array [files]
    groups : list of str
        Who or what a file shows: files of one person or footage move together in a bootstrap.
    """

    values: np.ndarray
    labels: np.ndarray
    judged: np.ndarray
    groups: list[str]

    @classmethod
    def of(cls, values: Sequence[float | None], scored: Sequence[Scored]) -> Column:
        """A column of these files; None where there is no score."""
        labels = np.array([s.label for s in scored], int)
        judged = np.array([value is not None for value in values], bool)
        filled = np.where(labels == 1, -_WORST, _WORST)
        filled[judged] = [value for value in values if value is not None]
        return cls(filled, labels, judged, [s.person for s in scored])

    def only(self, chosen: np.ndarray) -> Column:
        """The files where `chosen` (bool [files]) is true."""
        groups = [group for group, c in zip(self.groups, chosen, strict=True) if c]
        return Column(self.values[chosen], self.labels[chosen], self.judged[chosen], groups)


def figure_of(column: Column) -> Estimate:
    """AUC with its interval over groups."""
    found = metrics.bootstrap(metrics.auc, column.values, column.labels, column.groups)
    real = int((column.labels == 0).sum())
    return Estimate(
        value=found.value, low=found.low, high=found.high, real=real, fake=len(column.labels) - real
    )


def couples_of(scored: Sequence[Scored]) -> list[tuple[int, int]]:
    """Indices (original, fake of it). A group with several originals says who, not which footage,
    and is left out."""
    originals: dict[tuple[str, str], list[int]] = {}
    for index, s in enumerate(scored):
        if s.label == 0:
            originals.setdefault((s.source, s.group), []).append(index)
    return [
        (found[0], index)
        for index, s in enumerate(scored)
        if s.label == 1 and len(found := originals.get((s.source, s.group), [])) == 1
    ]


def paired_ranking(column: Column, couples: Sequence[tuple[int, int]]) -> Interval:
    """Share of pairs ranked rightly, with its interval over groups.

    Where all are won, or none, no resampling shows another share: then Wilson's interval of so
    many groups.
    """
    wins = np.array(
        [metrics.paired_ranking_accuracy(column.values, [couple]) for couple in couples]
    )
    groups = [column.groups[original] for original, _ in couples]
    if not couples:
        return Interval(float("nan"), float("nan"), float("nan"))
    if (wins == 1).all() or (wins == 0).all():
        count = len(set(groups))
        return metrics.wilson(round(wins[0] * count), count)
    return metrics.bootstrap(lambda won, _: float(won.mean()), wins, wins, groups)
