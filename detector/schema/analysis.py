"""The result every front end speaks: one versioned pydantic tree, `Analysis`.

Pure data. This room knows nothing of decoding, networks, pages or storage; nothing here computes a
score. `detector.decision.decide` fills every probability and label from the logits kept here, so
that thresholds, models and weights can change without running a network again.

Units: times in seconds from the first frame, boxes and landmarks in pixels of the upright
(rotation applied) frame, logits are of P(fake) in natural-log odds, probabilities in 0..1.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from detector.schema.base import Probability as Probability
from detector.schema.base import StrictModel
from detector.schema.codes import QUESTION_OF as QUESTION_OF
from detector.schema.codes import Basis as Basis
from detector.schema.codes import CaveatCode as CaveatCode
from detector.schema.codes import Label as Label
from detector.schema.codes import Lean as Lean
from detector.schema.codes import Question as Question
from detector.schema.codes import ReasonCode as ReasonCode
from detector.schema.codes import Task as Task
from detector.schema.extent import Audio as Audio
from detector.schema.extent import Coverage as Coverage
from detector.schema.extent import Software as Software
from detector.schema.origin import Provenance
from detector.schema.verdict import Answer as Answer
from detector.schema.verdict import Caveat as Caveat
from detector.schema.verdict import ConfidenceInterval as ConfidenceInterval
from detector.schema.verdict import Contribution as Contribution
from detector.schema.verdict import EmpiricalOdds as EmpiricalOdds
from detector.schema.verdict import Evidence as Evidence
from detector.schema.verdict import OddsPoint as OddsPoint
from detector.schema.verdict import Reason as Reason
from detector.schema.verdict import Tally as Tally
from detector.schema.verdict import Thresholds as Thresholds
from detector.schema.verdict import Verdict as Verdict

SCHEMA_VERSION = "1.2"

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the upright frame; may reach past its edges."""
Point = tuple[float, float]


class Media(StrictModel):
    """What the file is. Width and height are upright, after rotation."""

    name: str
    sha256: str
    kind: Literal["video", "image", "animation"]
    size: int = Field(description="bytes")
    width: int
    height: int
    duration: float | None = Field(default=None, description="seconds; None for a still picture")
    fps: float | None = Field(default=None, description="average frames per second")
    frame_count: int | None = Field(
        default=None, description="as the container states it; an estimate"
    )
    variable_frame_rate: bool | None = None
    container: str
    codec: str
    pixel_format: str | None = None
    bit_rate: float | None = Field(
        default=None, description="bits per second of the picture stream"
    )
    rotation: int = Field(default=0, description="degrees clockwise, applied to stand upright")
    turned: Literal[0, 90, 180, 270] = Field(
        default=0,
        description="degrees clockwise beyond `rotation`: faces were only found so. Sizes, boxes "
        "and points are those of the turned picture",
    )
    audio: Audio | None = None
    live: bool = Field(
        default=False,
        description="a session at a camera or stream: no file was kept, so `size` is 0 and "
        "`sha256` is empty",
    )
    notes: list[str] = Field(
        default_factory=list,
        description="sentences for a person, such as where a truncated file stops",
    )


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


class Settings(StrictModel):
    """What was asked for; part of the identity of a result."""

    models: list[str] | None = Field(
        default=None, description="model ids; None: the default ensemble"
    )
    sampling: Literal["uniform", "keyframes", "fps", "closer"] = "uniform"
    """"closer" looks evenly and at every shot first, then spends the rest of `frames` where a
    person's score moves or is high."""
    frames: int = Field(default=32, ge=1, le=2000, description="moments to look at (at most)")
    fps: float = Field(default=5.0, ge=0.1, le=60.0, description="for sampling='fps'")
    min_face: int = Field(default=40, ge=12, le=1000, description="narrowest face judged, px")
    start: float = Field(default=0.0, ge=0.0)
    end: float | None = None
    mix: CustomEnsemble | None = Field(default=None, description="an ensemble of one's own")


class Quality(StrictModel):
    """How good one face is for judging, and if it isn't, why."""

    width: float = Field(description="width of the face box in px of the upright frame")
    sharpness: float = Field(description="variance of the Laplacian of the face at 128 px")
    brightness: float = Field(description="mean luma of the face, 0..255")
    yaw: float = Field(description="-1 (turned to the picture's left) .. 1; 0 frontal")
    confidence: Probability = Field(description="of the face detector")
    problem: ReasonCode | None = Field(default=None, description="why it is not scored, if so")


class FaceFrame(StrictModel):
    """One person in one looked-at moment."""

    index: int = Field(description="position in Analysis.moments")
    time: float
    box: Box
    landmarks: list[Point] = Field(
        default_factory=list,
        description="left eye, right eye, nose, left and right mouth corner, as seen",
    )
    quality: Quality
    logits: dict[str, float] = Field(default_factory=dict, description="raw, per frame model id")
    scores: dict[str, Probability] = Field(
        default_factory=dict,
        description="calibrated per model (frame models, and clip models by time)",
    )
    answers: dict[Question, Probability] = Field(
        default_factory=dict, description="the counted models of each question together"
    )
    score: Probability | None = Field(
        default=None, description="that of the person's leading question (`Track.question`)"
    )


class ClipWindow(StrictModel):
    """A clip model's score of one run of consecutive frames of a person."""

    model: str
    start: float
    end: float
    logit: float
    score: Probability | None = None


class ModelScore(StrictModel):
    """One model's word on one person over the whole clip."""

    logit: float = Field(description="raw, mean over its frames or windows")
    probability: Probability
    label: Label


class PersonAnswer(StrictModel):
    """One question answered for one person, as if that person were alone."""

    probability: Probability | None = None
    label: Label = Label.NOT_APPLICABLE
    reason: ReasonCode | None = Field(
        default=None, description="why there is no score, or no verdict in spite of one"
    )
    doubt: dict[str, float] = Field(
        default_factory=dict,
        description="variance of the logit by cause: size, sharpness, compression, frames, "
        "disagreement",
    )


class Track(StrictModel):
    """One person through the clip. The most suspicious track comes first in Analysis.tracks.

    `probability`, `label`, `reason` and the faces' `score` are those of `question`, the one whose
    answer is the most suspicious for this person.
    """

    id: str = Field(description="A, B, … in order of first appearance")
    whole: bool = Field(
        default=False, description="no person: the whole picture, in a file without a face"
    )
    side: Literal["left", "center", "right"] | None = Field(
        default=None, description="where the person is; None when alone"
    )
    start: float
    end: float
    thumbnail_time: float
    faces: list[FaceFrame] = Field(default_factory=list)
    windows: list[ClipWindow] = Field(default_factory=list)
    models: dict[str, ModelScore] = Field(default_factory=dict)
    answers: dict[Question, PersonAnswer] = Field(
        default_factory=dict, description="of the questions that were asked"
    )
    question: Question | None = None
    probability: Probability | None = None
    label: Label = Label.NOT_APPLICABLE
    reason: ReasonCode | None = Field(
        default=None, description="why there is no score, or no verdict in spite of one"
    )

    @property
    def who(self) -> str:
        """Whom it is of, as a name: "Person A", or the whole picture where there is nobody."""
        return "The whole picture" if self.whole else f"Person {self.id}"


class Calibration(StrictModel):
    """calibrated logit = scale * raw logit + offset (Platt 1999), fitted on labelled clips."""

    scale: float = Field(gt=0)
    offset: float
    data: str = Field(description="what it was fitted on, in words")
    clips: int


LabelOrder = Literal["proven", "documented", "unverified"]
"""How sure it is which output of a model means fake: measured on known faces, said by its authors,
or neither. A model whose order is unverified says so beside its score and never votes."""


class ModelResult(StrictModel):
    """One model in this analysis: what it is, what it said, what it cost."""

    id: str
    title: str
    plain: str = Field(default="", description="what it looks for, as a short name for a person")
    kind: Literal["frame", "clip", "image", "audio"]
    task: Task
    weights_sha256: str | None = None
    calibration: Calibration | None = None
    label_order: LabelOrder = "proven"
    operating_point: Probability | None = Field(
        default=None, description="of its own P(fake), where its authors say fake (`ModelSpec`)"
    )
    operating_point_source: str = Field(default="", description="where they say so, a sentence")
    weight: float = Field(
        default=1.0, ge=0, description="its calibrated log odds are counted so many times"
    )
    finding: str = Field(default="", description="what a high score points to, in a few words")
    confused_by: str = Field(default="", description="what else can raise the score")
    counted: bool = Field(default=True, description="whether it takes part in the verdict")
    not_counted_because: str | None = None
    logit: float | None = Field(default=None, description="on the most suspicious person")
    probability: Probability | None = None
    label: Label | None = None
    scored: int = Field(default=0, description="frames or windows it scored")
    seconds: float | None = None
    error: str | None = None

    @property
    def question(self) -> Question | None:
        """Which question this model answers."""
        return QUESTION_OF.get(self.task)

    @property
    def identity(self) -> str:
        """What decides what it says of a face: its weights and its map. Thresholds that were found
        with others do not hold for it."""
        map = self.calibration
        parts = [self.weights_sha256, *([map.scale, map.offset] if map else [])]
        if map is None and self.operating_point is not None:
            parts.append(f"point {self.operating_point:g}")
        parts.append("added")  # how evidence is put together since schema 1.2
        return " ".join(str(part) for part in parts)


class UncertaintyRates(StrictModel):
    """How uncertain a logit is when the material is poor or the models disagree.

    Each figure is variance of the logit (squared natural-log odds): per halving below what is good
    (`detector.fusion` says what that is), and per unit of the models' own variance.
    """

    size: float = Field(default=0.0, ge=0)
    sharpness: float = Field(default=0.0, ge=0)
    compression: float = Field(default=0.0, ge=0)
    frames: float = Field(default=0.0, ge=0)
    disagreement: float = Field(default=0.0, ge=0)
    data: str = Field(default="", description="what it was fitted on, in words")


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
    """How the calibrated models of one question are put together, as the manifest states it.

    Evidence is added: logit = starting point + sum of weight * calibrated logit over the counted
    models (`ModelResult.weight`, `calibration.offset`; logistic regression on sources left out),
    then less certain by `doubt`. A model that could not look adds nothing. (`calibration.scale` is
    1; results before schema 1.2 scaled a weighted mean.)
    """

    models: list[str] = Field(
        default_factory=list, description="the default ones; `calibration` was fitted on these"
    )
    calibration: Calibration | None = None
    doubt: UncertaintyRates = UncertaintyRates()
    caution: float = Field(
        default=0.0, ge=0, description="times log(people), off the logit of a file with several"
    )
    thresholds: Thresholds = Field(
        default_factory=lambda: Thresholds(low=0.0, high=1.0),
        description="unless stated, none: every score is inconclusive",
    )
    min_models: int = Field(
        default=1,
        ge=1,
        description="with fewer counted models: inconclusive, unless fewer were asked for",
    )
    auc: ConfidenceInterval | None = Field(
        default=None, description="per clip, each group of sources left out: how strong it is"
    )
    odds: list[OddsPoint] = Field(
        default_factory=list, description="ascending in logit; what a score meant in our tests"
    )
    own: OwnThreshold | None = Field(
        default=None, description="instead of `thresholds.high`, where its models are counted"
    )


SignalRating = Literal["unusual", "unclear", "usual", "absent"]
"""What a signal's measurement is beside those of untouched files."""


class Signal(StrictModel):
    """Evidence that is not a learnt detector. It informs and does not vote."""

    id: str
    title: str
    value: str
    reading: SignalRating
    how_to_read: str
    track: str | None = Field(default=None, description="whose face; None: the file's")
    number: float | None = Field(default=None, description="`value` in its unit, if measured")
    unit: str = ""
    usual: tuple[float, float] | None = Field(
        default=None, description="where the middle 90 % of untouched files lie"
    )
    times: list[float] = Field(default_factory=list, description="moments to look at, s")


class PerturbationResult(StrictModel):
    """The same part of the file once more, changed in one way
    (`detector.perturbation.corruptions`)."""

    condition: str = Field(description="its name, such as crf-32; none: unchanged")
    title: str
    probability: Probability | None = None
    label: Label
    models: dict[str, Probability] = Field(
        default_factory=dict, description="each counted model on the most suspicious person"
    )
    error: str | None = Field(default=None, description="why there is no score, if there is none")


class Robustness(StrictModel):
    """How the verdict moves when the file is compressed, scaled, blurred … once more.

    Every trial, the unchanged one too, looks at the same few moments of the same part, so that
    what moves a score is the condition alone.
    """

    question: Question = Field(description="the one that led when it was tried")
    start: float = Field(default=0.0, description="s; of the part that was tried")
    end: float | None = Field(default=None, description="s; None for a picture")
    moments: int
    unchanged: PerturbationResult
    trials: list[PerturbationResult]
    seconds: float

    @property
    def flipped(self) -> list[PerturbationResult]:
        """Trials with another verdict than the unchanged part."""
        return [t for t in self.trials if t.error is None and t.label != self.unchanged.label]

    @property
    def fragile(self) -> bool:
        """Whether any trial has another verdict."""
        return bool(self.flipped)


class Analysis(StrictModel):
    """Everything known of one file."""

    schema_version: Literal["1.2"] = "1.2"
    id: str = Field(description="hash of media, settings and weights: same input, same id")
    created: datetime
    media: Media
    settings: Settings
    verdict: Verdict
    ensembles: dict[Question, Ensemble]
    models: list[ModelResult]
    tracks: list[Track]
    moments: list[float] = Field(description="times that were looked at for faces, ascending")
    coverage: Coverage | None = Field(
        default=None, description="None for a live session, and in results of older versions"
    )
    evidence: list[Evidence] = Field(default_factory=list)
    signals: list[Signal] = Field(default_factory=list)
    provenance: Provenance | None = None
    robustness: Robustness | None = Field(default=None, description="where it was asked for")
    timings: dict[str, float] = Field(default_factory=dict, description="seconds by stage")
    software: Software
    partial: bool = Field(default=False, description="stopped early; a partial run gets no verdict")

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, data: Any) -> Any:
        """Scores, labels and sentences of older schemas are kept as they were written: 1.0 knew
        one question, 1.1 a number of all questions together beside that of each."""
        if isinstance(data, dict) and data.get("schema_version") == "1.0":
            data = _from_1_0(data)
        if isinstance(data, dict) and data.get("schema_version") == "1.1":
            data = _from_1_1(data)
        return data


_ANSWER_OF_1_0 = ("label", "probability", "thresholds", "track", "agree", "counted", "reasons")


def _from_1_0(old: dict[str, Any]) -> dict[str, Any]:
    new = {key: value for key, value in old.items() if key != "ensemble"}
    question = Question.MANIPULATION
    new["schema_version"] = "1.1"
    new["ensembles"] = {question: old["ensemble"]}
    verdict = dict(old["verdict"])
    answer = {key: verdict[key] for key in _ANSWER_OF_1_0 if key in verdict}
    new["verdict"] = verdict | {"question": question, "answers": {question: answer}}
    new["tracks"] = [
        track
        | {
            "question": question,
            "answers": {question: {k: track.get(k) for k in ("probability", "label", "reason")}},
            "faces": [
                face | ({"answers": {question: score}} if (score := face.get("score")) else {})
                for face in track["faces"]
            ],
        }
        for track in old["tracks"]
    ]
    return new


def _from_1_1(old: dict[str, Any]) -> dict[str, Any]:
    new = {key: value for key, value in old.items() if key != "combined"}
    new["schema_version"] = SCHEMA_VERSION
    verdict = dict(old["verdict"])
    answer = (verdict.get("answers") or {}).get(verdict.get("question"))
    if isinstance(answer, dict):
        verdict["probability"] = answer.get("probability")
    new["verdict"] = verdict
    return new


class ErrorDetail(StrictModel):
    """Why a file has no analysis."""

    code: str
    message: str
    hint: str = ""


class Failure(StrictModel):
    """Stands in the place of an `Analysis` in a list when a file could not be analyzed."""

    schema_version: Literal["1.0", "1.1", "1.2"] = "1.2"
    name: str
    error: ErrorDetail
