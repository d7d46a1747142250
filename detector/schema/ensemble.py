"""Models of a result, and the ensembles of a question. Pure data."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import Field, NonNegativeFloat

from detector.schema.base import Probability, Sentence, StrictModel
from detector.schema.codes import QUESTION_OF, Label, Modality, Question, Task
from detector.schema.verdict import ConfidenceInterval, OddsPoint, Thresholds


class Calibration(StrictModel):
    """calibrated logit = scale * raw logit + offset (Platt 1999), fitted on labelled clips."""

    scale: float = Field(gt=0)
    offset: float
    data: Sentence = Field(description="what it was fitted on, in words")
    clips: int


class NotCounted(StrEnum):
    """Why a model takes no part in the verdict, where no sentence of its own says it. Stable."""

    NO_SCORE = "it gave no score"
    NO_SOUND = "there is no sound"
    NO_PICTURE = "there is no picture"
    STILL = "it judges motion, and the video shows one unmoving picture"
    SWITCHED_OFF = "switched off"
    UNVERIFIED = "label order unverified"
    UNCALIBRATED = "uncalibrated"
    NO_WEIGHT = "its weight is 0"
    ADDS_NOTHING = "it adds nothing beside the other models"
    UNMEASURED = "not measured here"
    """No calibration, beside models that have one."""
    NO_SKILL = "it showed no skill on bundled faces"
    """No calibration, and it accuses bundled faces by chance (`SkillCheck`)."""


LabelOrder = Literal["proven", "documented", "unverified"]
"""How sure it is which output of a model means fake: measured on known faces, said by its authors,
or neither. A model whose order is unverified says so beside its score and never votes."""


class SkillCheck(StrictModel):
    """What an unmeasured model accused of bundled pictures (`pipeline.skill`)."""

    untouched: int = Field(ge=0, description="accused of the untouched pictures")
    altered: int = Field(ge=0, description="accused of their twins with an altered face")
    pictures: int = Field(gt=0, description="of each kind")

    @property
    def passed(self) -> bool:
        """Whether more twins are accused than chance explains: Fisher's exact test at 5 %."""
        accused, n = self.untouched + self.altered, self.pictures
        above = range(self.altered, min(accused, n) + 1)
        ways = sum(math.comb(n, k) * math.comb(n, accused - k) for k in above if accused - k <= n)
        return ways / math.comb(2 * n, accused) < 0.05


class Named(Protocol):
    """A model, or one of an analysis."""

    @property
    def title(self) -> str: ...

    @property
    def plain(self) -> str: ...


def shown_name(model: Named) -> str:
    """Return the name of a model for a person: its plain one, or its title; not yet in the
    reader's language."""
    return model.plain or model.title


class ModelResult(StrictModel):
    """One model of an analysis: identity, scores, cost."""

    id: str
    title: str
    plain: str = Field(default="", description="what it looks for, as a short name for a person")
    kind: Literal["frame", "video", "image", "audio"]
    modality: Modality = Field(default=Modality.FACE, description="what it is fed with")
    task: Task
    weights_sha256: str | None = None
    calibration: Calibration | None = None
    alone: Alone | None = Field(
        default=None, description="by what it answers where it alone is counted (`ModelSpec`)"
    )
    label_order: LabelOrder = "proven"
    operating_point: Probability | None = Field(
        default=None, description="of its own P(fake), where its authors say fake (`ModelSpec`)"
    )
    operating_point_source: str = Field(default="", description="where they say so, a sentence")
    skill: SkillCheck | None = Field(
        default=None, description="of a model that answers by its operating point alone"
    )
    weight: float = Field(default=1.0, ge=0, description="how often its calibrated log odds count")
    finding: str = Field(default="", description="what a high score points to, in a few words")
    confused_by: str = Field(default="", description="what else can raise the score")
    auc: Probability | None = Field(
        default=None, description="on sources left out of training, as its catalog entry states it"
    )
    counted: bool = Field(default=True, description="whether it takes part in the verdict")
    not_counted_because: Sentence | None = None
    logit: float | None = Field(default=None, description="on the most suspicious person")
    probability: Probability | None = None
    label: Label | None = None
    scored: int = Field(default=0, description="frames or windows it scored")
    moments: int = Field(
        default=0,
        ge=0,
        description="sampled frames that it is meant to score, unless a first score is near a "
        "threshold; 0: all",
    )
    seconds: float | None = None
    error: Sentence | None = None

    @property
    def heard(self) -> bool:
        """Return whether its score can move the answer: counted, or shown beside those that are."""
        return self.counted or self.not_counted_because == NotCounted.UNMEASURED

    @property
    def question(self) -> Question | None:
        """Return which question this model answers."""
        return QUESTION_OF.get(self.task)

    @property
    def identity(self) -> str:
        """Return what decides a model's answer, its weights and map: thresholds depend on it."""
        map = self.calibration
        parts = [self.weights_sha256, *([map.scale, map.offset] if map else [])]
        if map is None and self.operating_point is not None:
            parts.append(f"point {self.operating_point:g}")
        parts.append("added")  # how evidence is put together
        return " ".join(str(part) for part in parts)


class CustomEnsemble(StrictModel):
    """An ensemble that a person put together, in place of the manifest's. Other models, or other
    weights, have no thresholds of their own (`Basis.SUBSET`)."""

    name: str = Field(default="", max_length=60)
    models: list[str] = Field(min_length=1, description="ids; these are counted")
    weights: dict[str, NonNegativeFloat] = Field(
        default_factory=dict,
        description="by id: how many times its usual evidence a model counts; 1 where nothing is "
        "said, so that a mix of the default models that changes nothing is the default verdict",
    )
    min_models: int = Field(default=1, ge=1, description="with fewer counted models: inconclusive")
    aggregation: Literal["mean", "top", "motion"] = "mean"
    """A model's logits over time: their mean; the mean of the highest quarter; the mean weighted by
    how much the face moves."""


class OwnThreshold(StrictModel):
    """An upper threshold from a person's own untouched clips, by conformal prediction."""

    high: float = Field(description="the file's logit that is exceeded at `rate`")
    rate: float = Field(gt=0, lt=1, description="of untouched clips like these, at most")
    clips: int
    sources: int = Field(description="different recordings that the clips are of")
    domain: str = Field(default="", description="what the clips are, in the person's words")
    created: datetime
    models: dict[str, str | None] = Field(description="id -> identity; it holds for just these")


class Ensemble(StrictModel):
    """Combination of the calibrated models of one question, from the manifest.

    Evidence is added: logit = starting point + sum of weight * calibrated logit over the counted
    models (`ModelResult.weight`, `calibration.offset`; logistic regression on sources left out).
    A model that could not look adds nothing.
    """

    models: list[str] = Field(
        default_factory=list, description="the default ones; `calibration` was fitted on these"
    )
    calibration: Calibration | None = None
    min_models: int = Field(
        default=1,
        ge=1,
        description="with fewer counted models: inconclusive, unless fewer were asked for",
    )
    auc: ConfidenceInterval | None = Field(
        default=None, description="per clip, each group of sources left out: how strong it is"
    )


class Likelihood(StrictModel):
    """How the parts of one kind of file become its likelihood (`detector.decision.likelihood`),
    from the manifest, and the limits of its answers."""

    weights: dict[Question, float] = Field(
        default_factory=dict,
        description="of each question's log odds; 1 unless stated; 0: no part of such a file",
    )
    scale: float = Field(default=1.0, gt=0, description="of the log of the summed odds")
    offset: float = 0.0
    people: float = Field(
        default=0.0,
        ge=0,
        description="times log(people and voices), taken off: in the tail of genuine files' scores "
        "this makes a high one as rare among several people",
    )
    thresholds: Thresholds = Field(
        default_factory=lambda: Thresholds(low=0.0, high=1.0),
        description="unless stated, none: every likelihood is inconclusive",
    )
    odds: list[OddsPoint] = Field(
        default_factory=list, description="ascending in logit; what one meant in our tests"
    )
    auc: ConfidenceInterval | None = Field(
        default=None, description="per file, each source left out"
    )

    @property
    def fitted(self) -> set[Question]:
        """Return the questions that it was fitted with; a voice may be missing."""
        return {q for q, weight in self.weights.items() if weight > 0 and not q.of_sound}


class Alone(Ensemble):
    """By what a model answers where it alone is counted: a fit and limits for clips."""

    people: float = Field(default=0.0, ge=0, description="as of `Likelihood`")
    thresholds: Thresholds = Field(default_factory=lambda: Thresholds(low=0.0, high=1.0))
