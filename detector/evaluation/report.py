"""Result of an evaluation as data (the JSON of `unmask evaluate`): one table with figures by name.

Markdown, CSV, the Evaluate page, MLflow and the model cards select rows and columns of it. Figures
are over whole files. Intervals are 95 %; they come from resampling groups (all takes of a person
together), those of shares from Wilson's formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np

from detector.evaluation import metrics
from detector.evaluation.labels import pairs
from detector.evaluation.metrics import Interval, Number
from detector.evaluation.scores import Scored
from detector.schema.analysis import FileKind, Software, Thresholds
from detector.schema.base import StrictModel

_WORST = 1e6  # Further out than any logit
Figures = dict[str, Interval | int]
ENSEMBLE = "ensemble"  # Name of our models together, among the others
Table = Literal["answer", "model", "published", "feature", "condition", "method", "source"]


class FigureRow(StrictModel):
    """Figures of one answer, model, baseline, condition, method or source."""

    table: Table
    name: str
    title: str
    figures: Figures

    def __getitem__(self, figure: str) -> Interval:
        """Return a figure; an empty share where this row has none."""
        found = self.figures.get(figure)
        return found if isinstance(found, Interval) else metrics.wilson(0, 0)

    def count(self, figure: str) -> int:
        """Return a number of files: "originals", "fakes" or "judged"."""
        found = self.figures[figure]
        return found if isinstance(found, int) else found.of or 0


class Bar(StrictModel):
    """A reliability bar: `said` is its files' mean probability, low <= p < high (last: <=)."""

    low: Number
    high: Number
    said: Number
    seen: Interval  # Share of fakes among them


class Curves(StrictModel):
    """Reliability and risk-coverage curves of one answer; unjudged files are last and wrong."""

    bars: list[Bar]
    coverage: list[Number]
    risk: list[Number]


class KindReport(StrictModel):
    """Results on all clips, all pictures or all sounds."""

    kind: str
    files: int
    real: int
    fake: int
    groups: int
    people: int  # by groups and the column `person`; the units of the bootstrap
    rows: list[FigureRow]
    curves: dict[str, Curves]  # By name of an answer
    not_judged: dict[str, str]

    def table(self, *tables: Table) -> list[FigureRow]:
        """Return the rows of these tables, in order."""
        return [row for row in self.rows if row.table in tables]

    @property
    def combined(self) -> FigureRow:
        """Return the figures of the combined answer."""
        return self.table("answer")[0]

    @property
    def alone(self) -> list[FigureRow]:
        """Return the figures of each model of the ensemble by itself."""
        return [row for row in self.table("model") if row.name != ENSEMBLE]


class Report(StrictModel):
    """Results of an evaluation."""

    labels: str
    created: datetime
    software: Software
    frames: int
    thresholds: dict[FileKind, Thresholds]
    weights: dict[str, str]  # sha256 of each model's first file, by id
    kinds: list[KindReport]
    missing_baselines: list[str] = []
    """Published models without weights on this computer."""
    notes: list[str] = []


@dataclass(frozen=True)
class Column:
    """Scores of each file by one model or feature. A file without a score counts against it: an
    original ranks above all fakes, a fake below all originals."""

    values: np.ndarray  # float [files]
    labels: np.ndarray  # int [files]
    judged: np.ndarray  # bool [files]
    groups: list[str]  # of files that a bootstrap draws together: one person or footage

    @classmethod
    def of(cls, values: Sequence[float | None], scored: Sequence[Scored]) -> Column:
        """Build a column; a value is None where there is no score."""
        labels = np.array([s.label for s in scored], int)
        judged = np.array([value is not None for value in values], bool)
        filled = np.where(labels == 1, -_WORST, _WORST)
        filled[judged] = [value for value in values if value is not None]
        return cls(filled, labels, judged, [s.person for s in scored])

    def only(self, chosen: np.ndarray) -> Column:
        """Return the files where `chosen` (bool [files]) is true."""
        groups = [group for group, c in zip(self.groups, chosen, strict=True) if c]
        return Column(self.values[chosen], self.labels[chosen], self.judged[chosen], groups)

    @property
    def inverted(self) -> bool:
        """Return True if originals have the higher scores."""
        return metrics.auc(self.values[self.judged], self.labels[self.judged]) < 0.5

    def negated(self) -> Column:
        """Return the scores in the other direction; files without one stay where they are."""
        return replace(self, values=np.where(self.judged, -self.values, self.values))

    def auc(self, less: Column | None = None) -> Interval:
        """Return the AUC over groups; less that of another column of the same files, paired."""
        if less is None:
            return self._auc
        return metrics.auc_interval(self.values, self.labels, self.groups, less=less.values)

    @cached_property
    def _auc(self) -> Interval:
        # Of several tables each: a bootstrap of a thousand draws.
        return metrics.auc_interval(self.values, self.labels, self.groups)


def ranking(column: Column, couples: Sequence[tuple[int, int]]) -> Figures:
    """Return the ranking metrics of a column: AUC, pairs, EER, and TPR at few false alarms."""
    scores, labels, judged = column.values, column.labels, int(column.judged.sum())
    auc, fakes = column.auc(), int(labels.sum())
    known = auc if column.judged.all() else column.only(column.judged).auc()
    return {
        "originals": len(labels) - fakes,
        "fakes": fakes,
        "judged": judged,
        "AUC": auc,
        "AUC of the judged": replace(known, of=judged),
        "pairs won": paired_ranking(column, couples),
        "TPR at 1 % FPR": Interval(metrics.tpr_at(scores, labels, 0.01)),
        "TPR at 5 % FPR": Interval(metrics.tpr_at(scores, labels, 0.05)),
        "EER": Interval(metrics.equal_error(scores, labels)),
    }


def calibration_figures(probabilities: np.ndarray, labels: np.ndarray) -> Figures:
    """Return how far probabilities can be taken at their word: calibration error and Brier score,
    NaN for no files."""
    return {
        "ECE": Interval(metrics.calibration_error(probabilities, labels)),
        "ECE by chance": metrics.calibration_error_by_chance(probabilities),
        "Brier": Interval(metrics.brier(probabilities, labels) if len(labels) else float("nan")),
    }


def couples_of(scored: Sequence[Scored]) -> list[tuple[int, int]]:
    """Return indices (original, fake of it), without groups of several originals."""
    originals = Counter((s.source, s.group) for s in scored if s.label == 0)
    return [(a, b) for a, b in pairs(scored) if originals[scored[b].source, scored[b].group] == 1]


def paired_ranking(column: Column, couples: Sequence[tuple[int, int]]) -> Interval:
    """Return the share of pairs ranked rightly with its interval over groups (Wilson's if all are
    alike)."""
    wins = np.array([metrics.paired_ranking_accuracy(column.values, [pair]) for pair in couples])
    groups = [column.groups[original] for original, _ in couples]
    if not couples:
        return Interval(float("nan"), of=0)
    if (wins == 1).all() or (wins == 0).all():
        count = len(set(groups))
        found = metrics.wilson(round(wins[0] * count), count)
    else:
        found = metrics.mean_interval(wins, groups)
    return replace(found, count=None, of=len(couples))


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[Bar]:
    """Return the bars that hold any file, of equal width."""
    which = metrics.bins_of(probabilities)
    return [
        Bar(
            low=b / metrics.BINS,
            high=(b + 1) / metrics.BINS,
            said=float(probabilities[which == b].mean()),
            seen=metrics.share(labels[which == b] == 1),
        )
        for b in np.unique(which).tolist()
    ]
