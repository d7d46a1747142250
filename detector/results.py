"""The result every front end speaks: one versioned pydantic tree, `Analysis`.

Pure data. This room knows nothing of decoding, networks, pages or storage; nothing here computes a
score. `detector.verdict.decide` fills every probability and label from the logits kept here, so
that thresholds, models and weights can change without running a network again.

Units: times in seconds from the first frame, boxes and landmarks in pixels of the upright
(rotation applied) frame, logits are of P(fake) in natural-log odds, probabilities in 0..1.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1.0"

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the upright frame; may reach past its edges."""
Point = tuple[float, float]


class Record(BaseModel):
    """Base of every node: unknown keys are refused, so that a typo never passes silently."""

    model_config = ConfigDict(extra="forbid")


class Label(StrEnum):
    """What is said of a file, a person or a model's score."""

    FAKE = "FAKE"
    REAL = "REAL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class ReasonCode(StrEnum):
    """Why a verdict is what it is. Stable: programs may branch on it."""

    # evidence for a verdict
    ABOVE_THRESHOLD = "above_threshold"
    BELOW_THRESHOLD = "below_threshold"
    BETWEEN_THRESHOLDS = "between_thresholds"
    # why it is inconclusive
    MODELS_DISAGREE = "models_disagree"
    TOO_FEW_MODELS = "too_few_models"
    TOO_FEW_FRAMES = "too_few_frames"
    LOW_QUALITY = "low_quality"
    # why it could not be judged
    NO_FACE = "no_face"
    FACE_TOO_SMALL = "face_too_small"
    TOO_BLURRED = "too_blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    TURNED_AWAY = "turned_away"
    CLIP_TOO_SHORT = "clip_too_short"
    NO_MODEL = "no_model"
    CANCELED = "canceled"
    UNDECODABLE = "undecodable"


class Audio(Record):
    codec: str
    channels: int
    sample_rate: int
    duration: float | None = None


class Media(Record):
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
    rotation: int = Field(
        default=0, description="degrees clockwise that were applied to stand upright"
    )
    audio: Audio | None = None
    notes: list[str] = Field(
        default_factory=list,
        description="sentences for a person, such as where a truncated file stops",
    )


class Settings(Record):
    """What was asked for; part of the identity of a result."""

    models: list[str] | None = Field(
        default=None, description="model ids; None: the default ensemble"
    )
    sampling: Literal["uniform", "keyframes", "fps"] = "uniform"
    frames: int = Field(default=32, ge=1, le=2000, description="moments to look at (at most)")
    fps: float = Field(default=5.0, ge=0.1, le=60.0, description="for sampling='fps'")
    min_face: int = Field(
        default=40, ge=12, le=1000, description="narrowest face that is judged, px"
    )
    start: float = Field(default=0.0, ge=0.0)
    end: float | None = None


class Quality(Record):
    """How good one face is for judging, and if it isn't, why."""

    width: float = Field(description="width of the face box in px of the upright frame")
    sharpness: float = Field(description="variance of the Laplacian of the face at 128 px")
    brightness: float = Field(description="mean luma of the face, 0..255")
    yaw: float = Field(description="-1 (turned to the picture's left) .. 1; 0 frontal")
    confidence: Probability = Field(description="of the face detector")
    problem: ReasonCode | None = Field(
        default=None, description="why this face is not scored, if so"
    )


class FaceFrame(Record):
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
    score: Probability | None = Field(default=None, description="all counted models together")


class ClipWindow(Record):
    """A clip model's score of one run of consecutive frames of a person."""

    model: str
    start: float
    end: float
    logit: float
    score: Probability | None = None


class ModelScore(Record):
    """One model's word on one person over the whole clip."""

    logit: float = Field(description="raw, mean over its frames or windows")
    probability: Probability
    label: Label


class Track(Record):
    """One person through the clip. The most suspicious track comes first in Analysis.tracks."""

    id: str = Field(description="A, B, … in order of first appearance")
    side: Literal["left", "center", "right"] | None = Field(
        default=None, description="where the person is; None when alone"
    )
    start: float
    end: float
    thumbnail_time: float
    faces: list[FaceFrame] = Field(default_factory=list)
    windows: list[ClipWindow] = Field(default_factory=list)
    models: dict[str, ModelScore] = Field(default_factory=dict)
    probability: Probability | None = None
    label: Label = Label.NOT_APPLICABLE
    reason: ReasonCode | None = Field(
        default=None, description="why there is no score, if there is none"
    )


class Calibration(Record):
    """calibrated logit = scale * raw logit + offset (Platt 1999), fitted on labelled clips."""

    scale: float = Field(gt=0)
    offset: float
    data: str = Field(description="what it was fitted on, in words")
    clips: int


class ModelResult(Record):
    """One model in this analysis: what it is, what it said, what it cost."""

    id: str
    title: str
    kind: Literal["frame", "clip", "image", "audio"]
    task: Literal["face manipulation", "whole-image synthesis", "voice"]
    weights_sha256: str | None = None
    calibration: Calibration | None = None
    weight: float = Field(default=1.0, ge=0, description="in the ensemble")
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


class Thresholds(Record):
    """Below `low`: no sign found. Above `high`: likely manipulated. Between: inconclusive."""

    low: Probability
    high: Probability
    false_positive_rate: float | None = Field(
        default=None, description="share of untouched calibration clips above `high`"
    )
    false_negative_rate: float | None = Field(
        default=None, description="share of manipulated calibration clips below `low`"
    )
    data: str = Field(default="", description="what they were chosen on, in words")
    custom: bool = Field(default=False, description="set by the person, not by us")


class Ensemble(Record):
    """How calibrated models are put together, as the manifest states it.

    fused logit = weighted mean of the counted models' calibrated logits, then `calibration`, which
    holds only for the models it was fitted with.
    """

    models: list[str] = Field(description="the default ensemble; `calibration` was fitted on these")
    calibration: Calibration | None = None
    thresholds: Thresholds
    min_models: int = Field(default=1, ge=1, description="with fewer counted models: inconclusive")


class Reason(Record):
    """One line under the verdict, with the moment to look at."""

    code: ReasonCode
    text: str
    detail: str = ""
    time: float | None = None
    track: str | None = None
    model: str | None = None


class Evidence(Record):
    """How good the material is: face size, sharpness, compression, frames."""

    name: str
    value: str
    rating: Literal["good", "fair", "poor"]


class Verdict(Record):
    label: Label
    probability: Probability | None = None
    thresholds: Thresholds
    track: str | None = Field(default=None, description="the most suspicious person")
    reasons: list[Reason] = Field(default_factory=list)
    limits: list[str] = Field(default_factory=list, description="what this can't tell")
    agree: int = Field(default=0, description="counted models on the verdict's side")
    counted: int = Field(default=0, description="models that were counted")


class Signal(Record):
    """Evidence that is not a learnt detector. It informs and does not vote."""

    id: str
    title: str
    value: str
    reading: Literal["unusual", "unclear", "usual", "absent"]
    how_to_read: str


class Software(Record):
    version: str
    commit: str | None = None
    python: str
    torch: str
    device: str
    backend: str


class Analysis(Record):
    """Everything known of one file."""

    schema_version: Literal["1.0"] = "1.0"
    id: str = Field(description="hash of media, settings and weights: same input, same id")
    created: datetime
    media: Media
    settings: Settings
    verdict: Verdict
    ensemble: Ensemble
    models: list[ModelResult]
    tracks: list[Track]
    moments: list[float] = Field(description="times that were looked at for faces, ascending")
    evidence: list[Evidence] = Field(default_factory=list)
    signals: list[Signal] = Field(default_factory=list)
    provenance: dict[str, str] | None = None
    timings: dict[str, float] = Field(default_factory=dict, description="seconds by stage")
    software: Software
    partial: bool = Field(default=False, description="stopped early; a partial run gets no verdict")


class Problem(Record):
    """Why a file has no analysis."""

    code: str
    message: str
    hint: str = ""


class Failure(Record):
    """Stands in the place of an `Analysis` in a list when a file could not be analyzed."""

    schema_version: Literal["1.0"] = "1.0"
    name: str
    error: Problem
