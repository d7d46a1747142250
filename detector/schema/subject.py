"""What is judged and where it was looked at: subjects, their segments, what models say of them.

A *subject* is a person's face over time, the full frame, or a speaker's voice: its `modality` says
which, and decides which models are fed with it. It is looked at in *segments*: one frame, or a span
of time; with a box where it has a place in the picture. A model gives a segment a *score*, a raw
logit of P(fake) in natural-log odds. Pure data; everything else here is filled by
`detector.decision.decide`.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from detector.schema.base import Probability, StrictModel
from detector.schema.codes import Label, Modality, Question, ReasonCode

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the upright frame; may reach past its edges."""
Point = tuple[float, float]


class Quality(StrictModel):
    """How good a segment's picture is for judging, and if it isn't, why."""

    width: float = Field(description="of the box, px of the upright frame")
    sharpness: float = Field(description="variance of the Laplacian; of a face at 128 px")
    brightness: float = Field(description="mean luma inside the box, 0..255")
    lattice: float | None = Field(
        default=None,
        description="of a face: log contrast of edges on a square lattice to those between",
    )
    yaw: float | None = Field(
        default=None, description="of a face: -1 (turned to the picture's left) .. 1; 0 frontal"
    )
    confidence: Probability | None = Field(default=None, description="of the face detector")
    problem: ReasonCode | None = Field(default=None, description="why it is not scored, if so")


class Segment(StrictModel):
    """One look at a subject, and its scores. It spans `start` to `end`, s."""

    logits: dict[str, float] = Field(default_factory=dict, description="raw scores, by model id")
    scores: dict[str, Probability] = Field(default_factory=dict, description="calibrated, by id")
    answers: dict[Question, Probability] = Field(
        default_factory=dict, description="the counted models of each question together"
    )
    score: Probability | None = Field(
        default=None, description="likelihood of the subject at this moment"
    )
    unlike: float | None = Field(
        default=None,
        description="how far it lies from the material behind the limits, in standard deviations "
        "from where 98 of 100 of it lie: above 0 it is unlike all that was tested",
    )
    graphic: float | None = Field(
        default=None, description="of a whole picture: log odds that it is a drawing or graphic"
    )

    @property
    def usable(self) -> bool:
        """Return whether it is good enough to be scored."""
        return True


class FrameSegment(Segment):
    """A subject that is seen, in one sampled frame. Its `scores` are those of the models of single
    frames, and at this time those of spans and of the full frame."""

    index: int = Field(description="position in Analysis.timestamps")
    time: float = Field(description="s")
    box: Box
    landmarks: list[Point] = Field(
        default_factory=list,
        description="of a face: left eye, right eye, nose, left and right mouth corner, as seen",
    )
    quality: Quality

    @property
    def start(self) -> float:
        """Return when it begins, s."""
        return self.time

    @property
    def end(self) -> float:
        """Return when it ends, s: a frame has no length."""
        return self.time

    @property
    def usable(self) -> bool:
        """Return whether it is good enough to be scored."""
        return self.quality.problem is None


class SpanSegment(Segment):
    """A stretch that a model judges as a whole: consecutive frames, or a piece of sound."""

    start: float = Field(description="s")
    end: float = Field(description="s")

    @property
    def center(self) -> float:
        """Return its middle, s."""
        return (self.start + self.end) / 2


class ModelScore(StrictModel):
    """Score of one model for one subject over the whole clip."""

    logit: float = Field(description="raw, mean over its segments")
    probability: Probability
    label: Label


class SubjectAnswer(StrictModel):
    """One question's part in the likelihood of one subject."""

    probability: Probability | None = Field(default=None, description="of the question alone")
    reason: ReasonCode | None = Field(
        default=None, description="why there is no score, or no verdict in spite of one"
    )


class Subject(StrictModel):
    """What is judged, through the clip.

    `probability` and `label` are its likelihood as if it were alone in the file, and the segments'
    `score` that at each moment, on the scale of the file; `question` is the largest part of it. The
    full frame beside faces has none: what models say of it is evidence about every face in it.
    """

    id: str = Field(
        description="of a person A, B, … in order of first appearance; picture; full_frame; voice, "
        "or left and right where the sides of a recording hold a voice each"
    )
    modality: Modality = Modality.FACE
    side: Literal["left", "center", "right"] | None = Field(
        default=None, description="where the person is; None when alone"
    )
    start: float
    end: float
    thumbnail_time: float
    frames: list[FrameSegment] = Field(default_factory=list)
    spans: list[SpanSegment] = Field(default_factory=list)
    models: dict[str, ModelScore] = Field(default_factory=dict)
    answers: dict[Question, SubjectAnswer] = Field(
        default_factory=dict, description="of the questions that were asked"
    )
    unlike: float | None = Field(default=None, description="median of that of its segments")
    question: Question | None = None
    probability: Probability | None = None
    label: Label = Label.NOT_APPLICABLE
    reason: ReasonCode | None = Field(
        default=None, description="why there is no score, or no verdict in spite of one"
    )

    @property
    def questions(self) -> tuple[Question, ...]:
        """Return what is asked of it."""
        return tuple(q for q in Question if self.modality in q.spec.modalities)

    @property
    def segments(self) -> list[FrameSegment | SpanSegment]:
        """Return its frames, then its spans."""
        return [*self.frames, *self.spans]

    @property
    def looks(self) -> Sequence[FrameSegment | SpanSegment]:
        """Return where it is answered over time: at its frames; at its spans where it is not
        seen."""
        return self.frames or self.spans


def letter(number: int) -> str:
    """Return a letter by number: 0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
