"""What an evaluation says, as data: the JSON of `unmask evaluate`.

Figures are of whole files. Intervals hold 95 %; they come from resampling groups (all takes
of a person together), those of shares from Wilson's formula.
"""

from datetime import datetime

from detector.evaluation.baselines import Baseline
from detector.evaluation.metrics import Interval, Number
from detector.evaluation.tallies import Bar, Estimate, Share
from detector.schema.analysis import Question, Software, Thresholds
from detector.schema.base import StrictModel

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
    """What is said at the thresholds that are shipped."""

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
    """An answer of ours: the combined one, or a question's on originals and its fakes."""

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
