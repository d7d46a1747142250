"""Context of one question in one analysis: its counted models, their maps and weights.

Limits apply only to the set of models that they were measured on (`Basis`, `policy.Limits`):

measured   exactly the manifest's ensemble with its weights, or a single calibrated model with
           bands of its own (`ModelSpec.alone`): the measured thresholds.
own        exactly the models for which a person set a threshold by their own untouched clips.
subset     calibrated models combined otherwise: never narrower than measured or published.
published  no calibrated model is counted: the operating point of a published model's authors with a
           margin above it. The answer is PROBABLY_FAKE at most, and never REAL.
none       models without a calibration or an operating point: no decision.

Beside calibrated models of any question an uncalibrated one is not counted. One with an operating
point is a witness: a score above that point and the margin keeps a file from being cleared
(`policy`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from detector.decision.numbers import logit, mapped
from detector.schema.analysis import (
    Alone,
    Analysis,
    Ensemble,
    ModelResult,
    OwnThreshold,
    Question,
    Thresholds,
)
from detector.schema.ensemble import NotCounted

PUBLISHED_MARGIN = 0.3
"""distance in probability from an operating point that was not measured here"""
PUBLISHED_LIMITS = Thresholds(
    low=0.0,
    high=1.0,
    probably_high=0.5 + PUBLISHED_MARGIN,
    data="an operating point that was not measured here",
)
"""of a model's evidence, which is 0.5 at its operating point"""
CORRELATION = 0.5
"""assumed correlation of the evidence of two models whose own was not measured: two that agree add
a third of the evidence of one, not all of it"""


@dataclass(frozen=True)
class Choice:
    """A person's changes for one decision."""

    models: Collection[str] | None = None  # ids to count; None: all that can be
    factors: Mapping[str, float] = field(default_factory=dict)
    """on the usual evidence of a model, by id; 1 by default"""
    thresholds: Thresholds | None = None
    min_models: int | None = None
    over_time: str = "mean"  # aggregation of a model's logits (`people.over_time`)
    unmeasured: bool = False  # models without a calibration count beside calibrated ones

    def usual(self, ids: Collection[str]) -> bool:
        """Return True if these models are combined as in the manifest."""
        return self.over_time == "mean" and all(self.factor(id) == 1 for id in ids)

    def factor(self, id: str) -> float:
        """Return the factor on a model's usual evidence."""
        return self.factors.get(id, 1.0)


class Context:
    """One question: counted models, their maps and weights, starting point."""

    def __init__(
        self, analysis: Analysis, question: Question, choice: Choice, own: OwnThreshold | None
    ) -> None:
        self.question = question
        self.choice = choice
        self.own = own
        self.frozen = analysis.media.frozen
        self.ensemble = analysis.ensembles.get(question) or Ensemble()
        models = [m for m in analysis.models if m.question is question]
        able = _able(analysis, choice)
        mine = [m for m in able if m.question is question]
        self.voters = voters([m for m in _chosen(analysis, choice) if m.question is question])
        self.alone = self._alone(mine)
        voting = able if choice.unmeasured else deciding(able)
        self.deciding = set(own.models) if own else {m.id for m in voting}
        self.models = {m.id: self._counting(m) for m in models}
        self.counted = {id: m for id, m in self.models.items() if m.counted}
        self.published = [id for id, m in self.counted.items() if not _calibrated(m) and _point(m)]
        self.witnesses = [
            id for id, m in self.models.items()
            if m.not_counted_because == NotCounted.UNMEASURED and _point(m)
        ]  # fmt: skip
        self.skilless = {m.id for m in models if _lacks_skill(m)}
        self._promised = analysis.own.models if analysis.own else {}
        self.asked_by_name = analysis.settings.models is not None

    def _alone(self, able: Collection[ModelResult]) -> Alone | None:
        """Use the own fit of the only calibrated model, if there is one, and return it."""
        measured = [m for m in able if _calibrated(m)]
        if len(measured) != 1 or (fit := measured[0].alone) is None:
            return None
        if self.ensemble.models == fit.models:
            return None
        self.ensemble = fit.model_copy(update={"min_models": self.ensemble.min_models})
        return fit

    def _counting(self, model: ModelResult) -> ModelResult:
        why = self._why_not(model)
        return model.model_copy(update={"counted": why is None, "not_counted_because": why})

    def _why_not(self, model: ModelResult) -> str | None:
        chosen = self.choice.models
        if model.error:
            return model.error
        if model.scored == 0:
            return model.not_counted_because or NotCounted.NO_SCORE
        if _lacks_motion(model, self.frozen):
            return NotCounted.STILL
        if chosen is not None and model.id not in chosen:
            return NotCounted.SWITCHED_OFF
        if model.label_order == "unverified":  # not even if named: it may be inverted
            return NotCounted.UNVERIFIED
        if _lacks_skill(model):
            return NotCounted.NO_SKILL
        if chosen is None and not self.own and not (_calibrated(model) or _point(model)):
            return NotCounted.UNCALIBRATED
        if self.choice.factor(model.id) <= 0:
            return NotCounted.NO_WEIGHT
        if model.id not in self.voters:
            return NotCounted.ADDS_NOTHING
        return None if model.id in self.deciding else NotCounted.UNMEASURED

    @cached_property
    def as_fitted(self) -> bool:
        """Return True if the calibrated models are the manifest's except for silent ones."""
        fitted = set(self.ensemble.models)
        calibrated = {id for id, m in self.counted.items() if _calibrated(m)}
        silent = {
            id for id, m in self.models.items()
            if m.error or not m.scored or _lacks_motion(m, self.frozen)
        }  # fmt: skip
        return bool(calibrated) and calibrated <= fitted and fitted - silent == calibrated

    @cached_property
    def all_calibrated(self) -> bool:
        """Return True if every counted model is calibrated."""
        return all(map(_calibrated, self.counted.values()))

    @cached_property
    def weights(self) -> dict[str, float]:
        """Return the weight of each counted model's calibrated log odds."""
        fit = self.ensemble.calibration
        scale = fit.scale if fit else 1.0
        rest = [id for id in self.counted if id not in self.published]
        out = {}
        for ids, fitted in ((rest, self.as_fitted), (self.published, False)):
            share = 1.0 / (1.0 + CORRELATION * (len(ids) - 1)) if ids else 0.0
            for id in ids:
                weight = 1.0 if self.alone else self.counted[id].weight
                usual = weight * scale if fitted else share
                out[id] = usual * self.choice.factor(id)
        return {id: out[id] for id in self.counted}

    @cached_property
    def start(self) -> float:
        """Return the prior log odds, before any model's evidence."""
        fitted = self.ensemble.calibration if self.as_fitted else None
        return fitted.offset if fitted else 0.0

    def calibrate(self, id: str, raw: float) -> float:
        """Return a raw logit as evidence: calibrated, or relative to the operating point."""
        model = self.models[id]
        if _calibrated(model):
            return mapped(model.calibration, raw)
        point = _point(model)
        return raw - logit(point) if point else raw

    @property
    def usual(self) -> bool:
        """Return True if the models of the manifest's ensemble count as they were measured."""
        return self.as_fitted and self.all_calibrated and self.choice.usual(self.counted)

    @cached_property
    def min_models(self) -> int:
        """Return how many models a verdict needs.

        With fewer named models than the ensemble needs, those suffice; a model that fails does not
        lower the number. Only calibrated models count here, and those of an own threshold: it
        applies to exactly its set, all of which gave a score.
        """
        if self.choice.min_models is not None:
            return self.choice.min_models
        if self.own is not None:
            return 1
        chosen = self.choice.models
        if chosen is None and not self.asked_by_name:
            return self.ensemble.min_models
        able = sum(
            m.label_order != "unverified"
            and (chosen is None or id in chosen)
            and (_calibrated(m) or id in self._promised)
            for id, m in self.models.items()
        )
        return max(1, min(self.ensemble.min_models, able))

    @property
    def measured(self) -> bool:
        """Return True if any calibrated model is counted."""
        return any(map(_calibrated, self.counted.values()))


def own_threshold(analysis: Analysis, choice: Choice) -> OwnThreshold | None:
    """Return the person's own threshold if exactly its models vote, as they usually do, and none
    failed. In a live session those of sounds and whole pictures are missing."""
    own, live = analysis.own, analysis.media.live
    chosen = [m for m in _chosen(analysis, choice) if choice.factor(m.id) > 0]
    if own is None or any(m.error for m in chosen) or not choice.usual([m.id for m in chosen]):
        return None
    sets = [{m.id: m.identity for m in some} for some in (chosen, voting(chosen))]
    known = own.models.items()
    fits = [
        ids for ids in sets if ids and ids.items() <= known and (live or len(ids) == len(known))
    ]
    return own if fits else None


def voting(models: Iterable[ModelResult]) -> list[ModelResult]:
    """Return the models that vote on files that all of them can score."""
    by_question: dict[Question | None, list[ModelResult]] = {}
    for model in models:
        by_question.setdefault(model.question, []).append(model)
    ids = {id for some in by_question.values() for id in voters(some)}
    return list(deciding([m for some in by_question.values() for m in some if m.id in ids]))


def _chosen(analysis: Analysis, choice: Choice) -> list[ModelResult]:
    """Return the models of the questions that are asked of the file, if they are chosen."""
    asked = [m for m in analysis.models if m.question in analysis.media.questions]
    return [m for m in asked if choice.models is None or m.id in choice.models]


def _able(analysis: Analysis, choice: Choice) -> list[ModelResult]:
    """Return the chosen models that can count by what they scored."""
    chosen, frozen = _chosen(analysis, choice), analysis.media.frozen
    voting = {
        id
        for q in analysis.media.questions
        for id in voters([m for m in chosen if m.question is q])
    }
    return [
        m for m in chosen
        if m.id in voting and m.scored and not m.error and not _lacks_skill(m)
        and choice.factor(m.id) > 0 and not _lacks_motion(m, frozen)
    ]  # fmt: skip


def voters(models: Collection[ModelResult]) -> set[str]:
    """Return the ids of models that vote: all but calibrated ones of fitted weight 0 beside others
    with a weight."""
    measured = deciding(models)
    heavy = [m for m in measured if m.weight > 0] or measured
    return {m.id for m in models if m in heavy or m not in measured}


def deciding(models: Collection[ModelResult]) -> Collection[ModelResult]:
    """Return the calibrated models, beside which no other votes; all if there are none."""
    return [m for m in models if _calibrated(m) and m.label_order != "unverified"] or models


def _lacks_skill(model: ModelResult) -> bool:
    """Return True if an uncalibrated model failed its skill check (`pipeline.skill`)."""
    return not _calibrated(model) and model.skill is not None and not model.skill.passed


def _lacks_motion(model: ModelResult, frozen: bool) -> bool:
    return frozen and model.kind == "video"


def _calibrated(model: ModelResult) -> bool:
    return model.calibration is not None


def _point(model: ModelResult) -> float | None:
    """Return the authors' operating point, a probability strictly between 0 and 1."""
    point = model.operating_point
    return point if point is not None and 0 < point < 1 else None
