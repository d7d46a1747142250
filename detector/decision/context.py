"""One question in one analysis: which models are counted, how much each counts, what decides.

Thresholds belong to the set of models they were made for:

measured   just the models of the manifest's ensemble, as many times as it says: its thresholds.
           So does a single calibrated model with bands of its own (`ModelSpec.alone`).
own        just the models for which a person set a threshold by their own untouched clips.
subset     calibrated models put together otherwise: never narrower than measured or published.
published  no calibrated model is counted: the operating point of a published model's authors with a
           margin above it. It says PROBABLY_FAKE at most, and never REAL.
none       models without a calibration or an operating point: nothing is decided.

Beside calibrated models an uncalibrated one is not counted. One with an operating point is a
witness: what it says over that point and the margin keeps a file from being cleared (`policy`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from detector.decision.numbers import for_people, logit, mapped, sigmoid
from detector.schema.analysis import (
    Analysis,
    Basis,
    CustomEnsemble,
    Ensemble,
    ModelResult,
    OwnThreshold,
    Question,
    Thresholds,
)
from detector.schema.ensemble import NotCounted
from detector.sentences import _

PUBLISHED_MARGIN = 0.3
"""of probability, from an operating point that was not measured here"""
PUBLISHED_LIMITS = Thresholds(
    low=0.0,
    high=1.0,
    probably_high=0.5 + PUBLISHED_MARGIN,
    data="an operating point that was not measured here",
)
"""of a model's evidence, which is 0.5 at its operating point"""
"""Why a model whose fitted weight is 0 does not vote beside others. Alone it does."""
CORRELATION = 0.5
"""of the evidence of two models whose own correlation was not measured: two that agree are surer
than each, by a third, not by twice"""


@dataclass(frozen=True)
class Choice:
    """What a person changed for this one decision."""

    models: Collection[str] | None = None  # ids to count; None: all that can be
    factors: Mapping[str, float] | None = None
    """how many times its usual evidence a model counts, by id; 1 by default"""
    thresholds: Thresholds | None = None
    min_models: int | None = None
    over_time: str = "mean"  # how a model's logits over time become one (`people.over_time`)
    unmeasured: bool = False  # models without a calibration count beside calibrated ones

    def usual(self, ids: Collection[str]) -> bool:
        """Return whether these models are put together as the manifest says."""
        return self.over_time == "mean" and all(self.factor(id) == 1 for id in ids)

    def factor(self, id: str) -> float:
        """Return how many times a model's usual evidence is counted."""
        return (self.factors or {}).get(id, 1.0)

    @classmethod
    def of(
        cls,
        ensemble: CustomEnsemble | None,
        models: Collection[str] | None,
        factors: Mapping[str, float] | None,
        thresholds: Thresholds | None,
        unmeasured: bool,
    ) -> Choice:
        """Put an ensemble and what goes before it together."""
        if ensemble is None:
            return cls(models, factors, thresholds, unmeasured=unmeasured)
        chosen = ensemble.models if models is None else models
        merged = {**ensemble.weights, **(factors or {})}
        return cls(
            chosen, merged, thresholds, ensemble.min_models, ensemble.aggregation, unmeasured
        )


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

    # --- who is counted

    def _alone(self, able: Collection[ModelResult]) -> bool:
        """Take the fit of the only able model, where it is none of the manifest's ensemble alone,
        and return whether it has one. What a verdict needs, and a person's own, stays."""
        measured = [m for m in able if _calibrated(m)]
        if len(measured) != 1 or (fit := measured[0].alone) is None:
            return False
        if self.ensemble.models == fit.models:
            return False
        kept = {"own": self.ensemble.own, "min_models": self.ensemble.min_models}
        self.ensemble = fit.model_copy(update=kept)
        return True

    def _own(self, able: Collection[ModelResult]) -> OwnThreshold | None:
        """Return the person's own threshold if it was made for exactly these models and maps."""
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
        if model.label_order == "unverified":  # not even when it is named: it may be upside down
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

    # --- how much each counts

    @cached_property
    def as_fitted(self) -> bool:
        """Return whether the calibrated models are the manifest's, but for failed or blind ones."""
        fitted = set(self.ensemble.models)
        calibrated = {id for id, m in self.counted.items() if _calibrated(m)}
        silent = {
            id for id, m in self.models.items()
            if m.error or not m.scored or self._lacks_motion(m)
        }  # fmt: skip
        return bool(calibrated) and calibrated <= fitted and fitted - silent == calibrated

    @cached_property
    def all_calibrated(self) -> bool:
        """Return whether no counted model lacks a calibration."""
        return all(map(_calibrated, self.counted.values()))

    @cached_property
    def weights(self) -> dict[str, float]:
        """Return how many times each counted model's calibrated log odds are added."""
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
        """Log odds before any model has said anything."""
        fitted = self.ensemble.calibration if self.as_fitted else None
        return fitted.offset if fitted else 0.0

    def calibrate(self, id: str, raw: float) -> float:
        """Return a model's raw logit as evidence: calibrated, or moved to its operating point."""
        model = self.models[id]
        if _calibrated(model):
            return mapped(model.calibration, raw)
        point = _point(model)
        return raw - logit(point) if point else raw

    # --- what decides

    @cached_property
    def basis(self) -> Basis:
        """By what the thresholds stand."""
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
        """Of this very set of models."""
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
        """Return the own `high`, and the calibrated `low` unless an uncalibrated model counts."""
        high = sigmoid(own.high)
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
        """Return whether "no sign" was measured, and no model is counted that was not."""
        return ours.can_clear and self.all_calibrated

    def _low(self, ours: Thresholds) -> float:
        """Return the measured `low` for the measured set, and never a higher one for another."""
        if not self._clears(ours):
            return 0.0
        usual = self.as_fitted and self.choice.usual(self.counted)
        return ours.low if usual else min(ours.low, 0.5 - PUBLISHED_MARGIN)

    def of_people(self, count: int) -> Thresholds:
        """Return the thresholds for a file with so many judged people; a person's own and moved
        ones stay as they are."""
        theirs = self.basis in (Basis.CUSTOM, Basis.OWN)
        correction = 0.0 if theirs else self.ensemble.people_correction
        return for_people(self.thresholds, correction, count)

    def limits(self, id: str) -> Thresholds:
        """Return the thresholds by which one model's own score is labelled."""
        if _lacks_skill(self.models[id]):
            return Thresholds(low=0, high=1)
        return PUBLISHED_LIMITS if id in self.witnesses else self.thresholds

    @cached_property
    def min_models(self) -> int:
        """Return how many models a verdict needs.

        Who names fewer models than the ensemble needs is judged by those; a model that fails does
        not lower that. Only calibrated models are needed, and those that an own threshold is for:
        it holds for its very set, all of which gave a score.
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
        """Return whether any calibrated model is counted."""
        return any(map(_calibrated, self.counted.values()))


def voters(models: Collection[ModelResult]) -> set[str]:
    """Return the models that vote: all but calibrated ones whose fitted weight is 0 beside others
    of a weight."""
    measured = deciding(models)
    heavy = [m for m in measured if m.weight > 0] or measured
    return {m.id for m in models if m in heavy or m not in measured}


def deciding(models: Collection[ModelResult]) -> Collection[ModelResult]:
    """Return the calibrated ones, beside which no other votes; all where there are none."""
    return [m for m in models if _calibrated(m) and m.label_order != "unverified"] or models


def _lacks_skill(model: ModelResult) -> bool:
    """Return whether it was not measured here and accuses bundled faces by chance."""
    return not _calibrated(model) and model.skill is not None and not model.skill.passed


def _calibrated(model: ModelResult) -> bool:
    return model.calibration is not None


def _point(model: ModelResult) -> float | None:
    """Return its authors' operating point, as a probability strictly between 0 and 1."""
    point = model.operating_point
    return point if point is not None and 0 < point < 1 else None


def _own_clips(own: OwnThreshold) -> str:
    """Return what a person's own threshold was set by."""
    text = _("your own {clips} clips of {recordings} recordings, {day}")
    if own.domain:
        text = _("your own {clips} clips of {recordings} recordings ({domain}), {day}")
    return text.format(
        clips=own.clips, recordings=own.sources, domain=own.domain, day=f"{own.created:%Y-%m-%d}"
    )
