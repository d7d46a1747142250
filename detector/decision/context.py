"""One question in one analysis: which models are counted, how much each counts, what decides.

Thresholds belong to the set of models they were made for:

measured   just the models of the manifest's ensemble, as many times as it says: its thresholds.
published  a published model that nobody calibrated here is counted: the operating point of its
           authors with a margin; the bundled models' fitted answer is one voter beside it.
own        just the models for which a person set a threshold by their own untouched clips.
subset     calibrated models put together otherwise: never narrower than measured or published.
none       models without a calibration or an operating point: nothing is decided.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from detector.decision import conformal
from detector.decision.numbers import logit, mapped, sigmoid
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

PUBLISHED_MARGIN = 0.3
"""of probability, on both sides of an operating point that was not measured here"""
PUBLISHED_START = -0.4
"""log odds that such a model and the bundled ones together start from; alone it stands at its
point. Two voters cross a threshold more often than one. With made scores (`python -m
bench.published`) of a model twice as sure as it should be 5.3 of 100 untouched clips would be
called FAKE without this, 4.6 with it; of one half as sure 63 and 74 would be cleared."""
PUBLISHED_DATA = "its authors’ operating point, not measured here"
ADDS_NOTHING = "it tells nothing on new sources"
"""Why a model whose fitted weight is 0 does not vote beside others. Alone it does."""
CORRELATION = 0.5
"""of the evidence of two models whose own correlation nobody measured: two that agree are surer
than each, by a third, not by twice"""


@dataclass(frozen=True)
class Choice:
    """What a person changed for this one decision.

    Attributes
    ----------
    models : collection of str or None
        Ids to count; None: all that can be.
    factors : mapping
        How many times its usual evidence a model counts, by id; 1 where nothing is said.
    over_time : str
        How a model's logits over time become one; the usual is their mean.
    """

    models: Collection[str] | None = None
    factors: Mapping[str, float] | None = None
    thresholds: Thresholds | None = None
    min_models: int | None = None
    over_time: str = "mean"

    def usual(self, ids: Collection[str]) -> bool:
        """Whether these models are put together as the manifest says."""
        return self.over_time == "mean" and all(self.factor(id) == 1 for id in ids)

    def factor(self, id: str) -> float:
        """How many times a model's usual evidence is counted."""
        return (self.factors or {}).get(id, 1.0)

    @classmethod
    def of(
        cls,
        mix: CustomEnsemble | None,
        models: Collection[str] | None,
        factors: Mapping[str, float] | None,
        thresholds: Thresholds | None,
    ) -> Choice:
        """Put a mix and what goes before it together."""
        if mix is None:
            return cls(models, factors, thresholds)
        chosen = mix.models if models is None else models
        merged = {**mix.weights, **(factors or {})}
        return cls(chosen, merged, thresholds, mix.min_models, mix.aggregation)


class Context:
    """One question: counted models, their maps and weights, starting point and thresholds."""

    def __init__(self, analysis: Analysis, question: Question, choice: Choice) -> None:
        self.question = question
        self.choice = choice
        self.ensemble = analysis.ensembles.get(question) or Ensemble()
        models = [m for m in analysis.models if m.question is question]
        chosen = [m for m in models if choice.models is None or m.id in choice.models]
        self.voters = voters(chosen)
        self.own = self._own(models)
        self.models = {m.id: self._counting(m) for m in models}
        self.counted = {id: m for id, m in self.models.items() if m.counted}
        self.published = [id for id, m in self.counted.items() if not _calibrated(m) and _point(m)]
        self.asked_by_name = analysis.settings.models is not None

    # --- who is counted

    def _own(self, models: Collection[ModelResult]) -> OwnThreshold | None:
        """Return the person's own threshold, if it holds: for exactly these models as they are, put
        together as usual."""
        own = self.ensemble.own
        able = [m for m in models if m.id in self.voters and m.scored and not m.error]
        identities = {m.id: m.identity for m in able}
        holds = own and own.models == identities and self.choice.usual(identities)
        return own if holds else None

    def _counting(self, model: ModelResult) -> ModelResult:
        why = self._why_not(model)
        return model.model_copy(update={"counted": why is None, "not_counted_because": why})

    def _why_not(self, model: ModelResult) -> str | None:
        chosen = self.choice.models
        if model.error:
            return model.error
        if model.scored == 0:
            return model.not_counted_because or "it gave no score"
        if chosen is not None and model.id not in chosen:
            return "switched off"
        if model.label_order == "unverified":  # not even when it is named: it may be upside down
            return "label order unverified"
        if chosen is None and not self.own and not (_calibrated(model) or _point(model)):
            return "uncalibrated"
        if self.choice.factor(model.id) <= 0:
            return "its weight is 0"
        return None if model.id in self.voters else ADDS_NOTHING

    # --- how much each counts

    @cached_property
    def as_fitted(self) -> bool:
        """Whether the calibrated models are those that the manifest put together: all of them, but
        for what failed or could not look."""
        fitted = set(self.ensemble.models)
        calibrated = {id for id, m in self.counted.items() if _calibrated(m)}
        silent = {id for id, m in self.models.items() if m.error or not m.scored}
        return bool(calibrated) and calibrated <= fitted and fitted - silent == calibrated

    @cached_property
    def weights(self) -> dict[str, float]:
        """How many times each counted model's calibrated log odds are added."""
        fit = self.ensemble.calibration
        scale = fit.scale if fit else 1.0  # results before schema 1.2 scaled a mean
        rest = [id for id in self.counted if id not in self.published]
        out = {}
        for ids, fitted in ((rest, self.as_fitted), (self.published, False)):
            share = 1.0 / (1.0 + CORRELATION * (len(ids) - 1)) if ids else 0.0
            for id in ids:
                usual = self.counted[id].weight * scale if fitted else share
                out[id] = usual * self.choice.factor(id)
        return {id: out[id] for id in self.counted}

    @cached_property
    def start(self) -> float:
        """Log odds before any model has said anything."""
        fitted = self.ensemble.calibration if self.as_fitted else None
        beside = self.published and len(self.published) < len(self.counted)
        return (fitted.offset if fitted else 0.0) + (PUBLISHED_START if beside else 0.0)

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
        if self.as_fitted and self.choice.usual(self.counted):
            return Basis.MEASURED
        if any(_calibrated(m) for m in self.counted.values()):
            return Basis.SUBSET
        return Basis.NONE

    @cached_property
    def thresholds(self) -> Thresholds:
        """Of this very set of models."""
        ours = self.ensemble.thresholds
        low, high = 0.5 - PUBLISHED_MARGIN, 0.5 + PUBLISHED_MARGIN
        if self.choice.thresholds is not None:
            return self.choice.thresholds
        if self.own is not None:
            return self._own_thresholds(self.own, ours)
        if self.basis is Basis.PUBLISHED:
            return Thresholds(low=low, high=high, data=PUBLISHED_DATA)
        if self.basis is Basis.SUBSET:
            least = min(ours.low, low) if ours.no_sign else 0.0
            return Thresholds(low=least, high=max(ours.high, high), no_sign=ours.no_sign)
        measured = self.basis is Basis.MEASURED or not self.counted
        return ours if measured else Thresholds(low=0, high=1)

    def _own_thresholds(self, own: OwnThreshold, ours: Thresholds) -> Thresholds:
        """Return the person's own `high`. What lies below `low` was learned on fakes, which
        untouched clips are not: it stays what it is without them, and without a calibrated or
        published model there is none."""
        high = sigmoid(own.high)
        low = 0.5 - PUBLISHED_MARGIN if self.published else ours.low
        known = self.published or all(_calibrated(m) for m in self.counted.values())
        gives = bool(known) and (bool(self.published) or ours.no_sign)
        return Thresholds(
            low=min(low, high) if gives else 0.0,
            high=high,
            false_positive_rate=own.rate,
            data=f"your own {conformal.material(own)}, {own.created:%Y-%m-%d}",
            own=True,
            no_sign=gives,
        )

    @cached_property
    def min_models(self) -> int:
        """How many models a verdict needs.

        Who names fewer models than the ensemble needs is judged by those; a model that fails does
        not lower that. A published model decides alone, and an own threshold holds for its very
        set, all of which gave a score.
        """
        if self.choice.min_models is not None:
            return self.choice.min_models
        if self.own is not None or self.published:
            return 1
        if self.choice.models is None and not self.asked_by_name:
            return self.ensemble.min_models
        chosen = self.choice.models
        promised = self.ensemble.own.models if self.ensemble.own else {}
        able = sum(
            m.label_order != "unverified"
            and (_calibrated(m) or id in promised if chosen is None else id in chosen)
            for id, m in self.models.items()
        )
        return max(1, min(self.ensemble.min_models, able))

    @property
    def strength(self) -> tuple[bool, float]:
        """To order questions by: with a published model first, then by the AUC on sources left
        out."""
        measured = self.ensemble.auc
        return bool(self.published), measured.value if measured else 0.0


def voters(models: Collection[ModelResult]) -> set[str]:
    """Return the ids of those that vote beside each other: whose fitted weight is not 0, or who is
    the only one."""
    return {m.id for m in models if m.weight > 0 or len(models) == 1}


def _calibrated(model: ModelResult) -> bool:
    """Whether a map was fitted on clips. Of no clips (results before schema 1.2) is none."""
    return model.calibration is not None and model.calibration.clips > 0


def _point(model: ModelResult) -> float | None:
    """Its authors' operating point, as a probability strictly between 0 and 1."""
    point = model.operating_point
    if point is None and model.calibration is not None and model.calibration.clips == 0:
        point = sigmoid(-model.calibration.offset)
    return point if point is not None and 0 < point < 1 else None
