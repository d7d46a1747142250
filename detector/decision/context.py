"""Context of one question in one analysis: its counted models, their weights, its thresholds.

Thresholds apply only to the set of models that they were measured on:

measured   exactly the manifest's ensemble with its weights, or a single calibrated model with
           bands of its own (`ModelSpec.alone`): the measured thresholds.
own        exactly the models for which a person set a threshold by their own untouched clips.
subset     calibrated models combined otherwise: never narrower than measured or published.
published  no calibrated model is counted: the operating point of a published model's authors with a
           margin above it. The answer is PROBABLY_FAKE at most, and never REAL.
none       models without a calibration or an operating point: no decision.

Beside calibrated models an uncalibrated one is not counted. One with an operating point is a
witness: a score above that point and the margin keeps a file from being cleared (`policy`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from detector.decision.numbers import for_people, limit_of, logit, mapped
from detector.schema.analysis import (
    Analysis,
    Basis,
    Ensemble,
    ModelResult,
    OwnThreshold,
    Question,
    Thresholds,
)
from detector.schema.ensemble import NotCounted
from detector.sentences import _

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
    """One question: counted models, their maps and weights, starting point and thresholds."""

    def __init__(self, analysis: Analysis, question: Question, choice: Choice) -> None:
        self.question = question
        self.choice = choice
        self.frozen = analysis.media.frozen
        self.still = analysis.media.still
        self.ensemble = analysis.ensembles.get(question) or Ensemble()
        if self.still and (pictures := self.ensemble.pictures) is not None:
            self.ensemble = self.ensemble.model_copy(update={"thresholds": pictures})
        models = [m for m in analysis.models if m.question is question]
        chosen = [m for m in models if choice.models is None or m.id in choice.models]
        self.voters = voters(chosen)
        able = [m for m in chosen if m.id in self.voters and m.scored and not m.error]
        able = [m for m in able if not _lacks_skill(m)]
        able = [m for m in able if choice.factor(m.id) > 0 and not self._lacks_motion(m)]
        self.alone = self._alone(able)
        self.own = self._own(able)
        voting = able if choice.unmeasured else deciding(able)
        self.deciding = set(self.own.models) if self.own else {m.id for m in voting}
        self.models = {m.id: self._counting(m) for m in models}
        self.counted = {id: m for id, m in self.models.items() if m.counted}
        self.published = [id for id, m in self.counted.items() if not _calibrated(m) and _point(m)]
        self.witnesses = [
            id for id, m in self.models.items()
            if m.not_counted_because == NotCounted.UNMEASURED and _point(m)
        ]  # fmt: skip
        self.asked_by_name = analysis.settings.models is not None

    def _alone(self, able: Collection[ModelResult]) -> bool:
        """Use the own fit of the only calibrated model, if there is one; return whether it is."""
        measured = [m for m in able if _calibrated(m)]
        if len(measured) != 1 or (fit := measured[0].alone) is None:
            return False
        if self.ensemble.models == fit.models:
            return False
        kept = {"own": self.ensemble.own, "min_models": self.ensemble.min_models}
        self.ensemble = fit.model_copy(update=kept)
        return True

    def _own(self, able: Collection[ModelResult]) -> OwnThreshold | None:
        own = self.ensemble.own
        for models in (able, deciding(able)):
            identities = {m.id: m.identity for m in models}
            if own and own.models == identities and self.choice.usual(identities):
                return own
        return None

    def _counting(self, model: ModelResult) -> ModelResult:
        why = self._why_not(model)
        return model.model_copy(update={"counted": why is None, "not_counted_because": why})

    def _why_not(self, model: ModelResult) -> str | None:
        chosen = self.choice.models
        if model.error:
            return model.error
        if model.scored == 0:
            return model.not_counted_because or NotCounted.NO_SCORE
        if self._lacks_motion(model):
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

    def _lacks_motion(self, model: ModelResult) -> bool:
        return self.frozen and model.kind == "video"

    @cached_property
    def as_fitted(self) -> bool:
        """Return True if the calibrated models are the manifest's except for silent ones."""
        fitted = set(self.ensemble.models)
        calibrated = {id for id, m in self.counted.items() if _calibrated(m)}
        silent = {
            id for id, m in self.models.items()
            if m.error or not m.scored or self._lacks_motion(m)
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

    @cached_property
    def basis(self) -> Basis:
        """Return the origin of the thresholds."""
        if self.choice.thresholds is not None:
            return Basis.CUSTOM
        if self.own is not None:
            return Basis.OWN
        if self.published:
            return Basis.PUBLISHED
        if self.as_fitted and self.all_calibrated and self.choice.usual(self.counted):
            return Basis.MEASURED
        if any(map(_calibrated, self.counted.values())):
            return Basis.SUBSET
        return Basis.NONE

    @cached_property
    def thresholds(self) -> Thresholds:
        """Return the thresholds of exactly this set of models."""
        ours = self.ensemble.thresholds
        if (moved := self.choice.thresholds) is not None:
            update = {} if self.all_calibrated else {"low": 0.0, "probably_low": None}
            return moved.model_copy(update=update)
        if self.own is not None:
            return self._own_thresholds(self.own, ours)
        if self.basis is Basis.PUBLISHED:
            return PUBLISHED_LIMITS
        if self.basis is Basis.SUBSET:
            high = max(ours.high, PUBLISHED_LIMITS.suspect)
            return Thresholds(low=self._low(ours), high=high)
        measured = self.basis is Basis.MEASURED or not self.counted
        return ours if measured else Thresholds(low=0, high=1)

    def _own_thresholds(self, own: OwnThreshold, ours: Thresholds) -> Thresholds:
        """Return the own `high` with the calibrated `low`, unless an uncalibrated model counts."""
        high = limit_of(own.high)
        cleared = ours.probably_low if self._low(ours) else None
        return Thresholds(
            low=min(self._low(ours), high),
            high=high,
            probably_low=None if cleared is None else min(cleared, high),
            false_positive_rate=own.rate,
            data=_own_clips(own),
            own=True,
        )

    def _clears(self, ours: Thresholds) -> bool:
        """Return True if "no sign" was measured and every counted model is calibrated."""
        return ours.can_clear and self.all_calibrated

    def _low(self, ours: Thresholds) -> float:
        """Return the measured `low` for the measured set, and none higher for another set."""
        if not self._clears(ours):
            return 0.0
        usual = self.as_fitted and self.choice.usual(self.counted)
        return ours.low if usual else min(ours.low, 0.5 - PUBLISHED_MARGIN)

    def of_people(self, count: int) -> Thresholds:
        """Return the thresholds for a file with so many judged people; own and custom thresholds
        are not corrected."""
        fixed = self.basis in (Basis.CUSTOM, Basis.OWN)
        correction = 0.0 if fixed else self.ensemble.people_correction
        return for_people(self.thresholds, correction, count)

    def limits(self, id: str) -> Thresholds:
        """Return the thresholds for the label of one model's own score."""
        if _lacks_skill(self.models[id]):
            return Thresholds(low=0, high=1)
        return PUBLISHED_LIMITS if id in self.witnesses else self.thresholds

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
        promised = self.ensemble.own.models if self.ensemble.own else {}
        able = sum(
            m.label_order != "unverified"
            and (chosen is None or id in chosen)
            and (_calibrated(m) or id in promised)
            for id, m in self.models.items()
        )
        return max(1, min(self.ensemble.min_models, able))

    @property
    def measured(self) -> bool:
        """Return True if any calibrated model is counted."""
        return any(map(_calibrated, self.counted.values()))


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


def _calibrated(model: ModelResult) -> bool:
    return model.calibration is not None


def _point(model: ModelResult) -> float | None:
    """Return the authors' operating point, a probability strictly between 0 and 1."""
    point = model.operating_point
    return point if point is not None and 0 < point < 1 else None


def _own_clips(own: OwnThreshold) -> str:
    text = _("your own {clips} clips of {recordings} recordings, {day}")
    if own.domain:
        text = _("your own {clips} clips of {recordings} recordings ({domain}), {day}")
    return text.format(
        clips=own.clips, recordings=own.sources, domain=own.domain, day=f"{own.created:%Y-%m-%d}"
    )
