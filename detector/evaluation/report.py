"""What an evaluation says, as data (the JSON of `unmask evaluate`), and the columns of scores that
its figures are taken from.

Figures are of whole files. Intervals hold 95 %; they come from resampling groups (all takes
of a person together), those of shares from Wilson's formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from detector.evaluation import metrics
from detector.evaluation.labels import pairs
from detector.evaluation.metrics import Interval, Number
from detector.evaluation.scores import Scored
from detector.schema.analysis import Question, Software, Thresholds
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
        return metrics.auc_interval(self.values, self.labels, self.groups, less=other.values)


def figure_of(column: Column) -> Estimate:
    """Return the AUC with its interval over groups."""
    auc = metrics.auc_interval(column.values, column.labels, column.groups)
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
    return metrics.mean_interval(wins, groups)


class Baseline(StrictModel):
    """One baseline beside the ensemble."""

    id: str
    title: str
    kind: Literal["published", "feature"]
    reversed: bool = False  # A feature that is lower in fakes, such as sharpness
    auc: Estimate
    judged: int
    pairs_won: Number
    difference: Interval  # AUC of ours less this one's, paired, over groups

    @property
    def beaten(self) -> str:
        """Return whether the ensemble is better, outside the interval."""
        if self.difference.low > 0:
            return "yes"
        return "no" if self.difference.high < 0 else "not outside the interval"


ENSEMBLE = "ensemble"  # Id of our models together, among the others


class Ranking(StrictModel):
    """How well one score ranks files: `auc`, pairs, and what it finds at few false alarms."""

    auc: Estimate
    auc_judged: Estimate  # Of the files that could be judged
    judged: int
    pairs: int
    pairs_won: Interval  # originals that score below the fake made of them; ties count half
    tpr_at_1: Number  # Share of fakes found where at most 1 % of these originals are called fake
    tpr_at_5: Number
    equal_error: Number


class Decisions(StrictModel):
    """Decisions at the shipped thresholds."""

    false_positives: Share  # Originals called FAKE
    true_positives: Share  # Fakes called FAKE
    decided: Share  # Files that got FAKE or REAL
    right: Share  # Of these


class CalibrationQuality(StrictModel):
    """How far the probabilities can be taken at their word. Of the files that could be judged."""

    error: Number  # Expected calibration error, ten bins
    error_by_chance: Number
    """What probabilities that are exactly right show on so many files, on average."""
    error_by_chance_high: Number  # and what 97.5 % of such stay under
    brier: Number
    bars: list[Bar]


class Risk(StrictModel):
    """Share of wrong answers among the surest; unjudged files come last and are wrong."""

    area: Number  # Under the curve: 0 is best
    coverage: list[Number]
    risk: list[Number]


class AnswerReport(StrictModel):
    """An answer of the ensemble: the combined one, or a question's on originals and its fakes."""

    name: str
    title: str
    ranking: Ranking
    combined: Estimate  # AUC of the combined probability on the same files
    decisions: Decisions
    calibration: CalibrationQuality
    risk: Risk


class ModelReport(StrictModel):
    """One model alone, or the ensemble, each on the person most suspicious to it."""

    id: str
    title: str
    ranking: Ranking
    families: dict[str, Estimate]  # AUC of one family of fakes against all originals


class ReportRow(StrictModel):
    """One method against all originals, or one source by itself."""

    name: str
    real: int
    fake: int
    auc: Estimate | None
    false_positives: Share | None
    true_positives: Share | None


class ConditionReport(StrictModel):
    """All files again under a condition."""

    name: str
    title: str
    ranking: Ranking
    fall: Interval  # AUC lost against the files as they are: paired, on the same files
    decisions: Decisions
    models: dict[str, Estimate]  # AUC of each model alone


class KindReport(StrictModel):
    """All clips, or all pictures."""

    kind: str
    files: int
    real: int
    fake: int
    groups: int
    people: int  # As far as groups and the column `person` tell; what a bootstrap draws from
    answers: list[AnswerReport]
    models: list[ModelReport]
    baselines: list[Baseline]
    methods: list[ReportRow]
    sources: list[ReportRow]
    conditions: list[ConditionReport]
    not_judged: dict[str, str]


class Report(StrictModel):
    """An evaluation."""

    labels: str
    created: datetime
    software: Software
    frames: int
    thresholds: dict[Question, Thresholds]
    weights: dict[str, str]  # sha256 of each model's first file, by id
    kinds: list[KindReport]
    missing_baselines: list[str] = []
    """Published models that were not compared: their weights are not on this computer."""
    notes: list[str] = []
