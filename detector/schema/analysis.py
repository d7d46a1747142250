"""The result every front end speaks: one versioned pydantic tree, `Analysis`.

Pure data. This room knows nothing of decoding, networks, pages or storage; nothing here computes a
score. `detector.decision.decide` fills every probability and label from the logits kept here, so
that thresholds, models and weights can change without running a network again.

Units: times in seconds from the first frame, boxes and landmarks in pixels of the upright
(rotation applied) frame, logits are of P(fake) in natural-log odds, probabilities in 0..1.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import Field, computed_field

from detector.schema.base import EnglishSentence, Sentence, StrictModel, written_only
from detector.schema.base import Probability as Probability
from detector.schema.codes import OF_PICTURE as OF_PICTURE
from detector.schema.codes import OF_SOUND as OF_SOUND
from detector.schema.codes import QUESTION_OF as QUESTION_OF
from detector.schema.codes import Basis as Basis
from detector.schema.codes import CaveatCode as CaveatCode
from detector.schema.codes import FileKind as FileKind
from detector.schema.codes import Label as Label
from detector.schema.codes import Modality as Modality
from detector.schema.codes import ProofKind as ProofKind
from detector.schema.codes import Question as Question
from detector.schema.codes import ReasonCode as ReasonCode
from detector.schema.codes import Side as Side
from detector.schema.codes import Task as Task
from detector.schema.codes import headline_label as headline_label
from detector.schema.comparison import Comparison
from detector.schema.ensemble import Alone as Alone
from detector.schema.ensemble import Calibration as Calibration
from detector.schema.ensemble import CustomEnsemble as CustomEnsemble
from detector.schema.ensemble import Ensemble as Ensemble
from detector.schema.ensemble import LabelOrder as LabelOrder
from detector.schema.ensemble import Likelihood as Likelihood
from detector.schema.ensemble import ModelResult as ModelResult
from detector.schema.ensemble import OwnThreshold as OwnThreshold
from detector.schema.media import Audio as Audio
from detector.schema.media import Coverage as Coverage
from detector.schema.media import Media as Media
from detector.schema.media import SlowScoring as SlowScoring
from detector.schema.media import Software as Software
from detector.schema.media import SpeechMeasurement as SpeechMeasurement
from detector.schema.origin import FileSource, Provenance
from detector.schema.origin import Proof as Proof
from detector.schema.seal import ResultSeal as ResultSeal
from detector.schema.subject import Box as Box
from detector.schema.subject import FrameSegment as FrameSegment
from detector.schema.subject import ModelScore as ModelScore
from detector.schema.subject import Point as Point
from detector.schema.subject import Quality as Quality
from detector.schema.subject import Segment as Segment
from detector.schema.subject import SpanSegment as SpanSegment
from detector.schema.subject import Subject as Subject
from detector.schema.subject import SubjectAnswer as SubjectAnswer
from detector.schema.verdict import Answer as Answer
from detector.schema.verdict import BandRate as BandRate
from detector.schema.verdict import Caveat as Caveat
from detector.schema.verdict import ConfidenceInterval as ConfidenceInterval
from detector.schema.verdict import Contribution as Contribution
from detector.schema.verdict import EmpiricalOdds as EmpiricalOdds
from detector.schema.verdict import Evidence as Evidence
from detector.schema.verdict import OddsPoint as OddsPoint
from detector.schema.verdict import PerturbationResult as PerturbationResult
from detector.schema.verdict import Reason as Reason
from detector.schema.verdict import Robustness as Robustness
from detector.schema.verdict import Tally as Tally
from detector.schema.verdict import Thresholds as Thresholds
from detector.schema.verdict import Verdict as Verdict

SCHEMA_VERSION: Final = "8.0"
LONGEST = 1e9
"""s; a number of this size is no time in a file"""
LIVE_WINDOW: Final = 8.0
"""s that the verdict on a live session rests on: the last ones with a score"""


LIPS: Final = "lips"
"""id of the signal of lips beside a voice"""


class Settings(StrictModel):
    """What was asked for; part of the identity of a result."""

    models: list[str] | None = Field(default=None, description="ids; None: the default ensemble")
    sampling: Literal["uniform", "keyframes", "fps", "closer"] = "uniform"
    """"closer" looks evenly and at every shot first, then spends the rest of `frames` where a
    person's score moves or is high."""
    frames: int = Field(default=32, ge=1, le=2000, description="moments to look at (at most)")
    fps: float = Field(default=5.0, ge=0.1, le=60.0, description="for sampling='fps'")
    min_face: int = Field(default=40, ge=12, le=1000, description="narrowest face judged, px")
    faces: Literal["mtcnn", "blazeface", "yunet"] = Field(
        default="mtcnn",
        description="face detector; thresholds and calibrations were measured with mtcnn",
    )
    start: float = Field(default=0.0, ge=0.0, le=LONGEST)
    end: float | None = Field(default=None, le=LONGEST)
    rotate: int | None = Field(
        default=None,
        ge=0,
        le=270,
        multiple_of=90,
        description="degrees clockwise beyond what the file's tags say; None: turned where faces "
        "are only found so",
    )
    assume_speech: bool = Field(
        default=False,
        description="judge what is loud in a sound as speech where too little of it was recognized",
    )
    watch_face: bool = Field(
        default=False,
        description="measure blinks, lips beside the voice and identity of the person in front",
    )
    ensemble: CustomEnsemble | None = Field(default=None, description="an ensemble of one's own")


SignalRating = Literal["unusual", "unclear", "usual", "absent"]
"""What a signal's measurement is beside those of untouched files."""


class Signal(StrictModel):
    """Evidence that is not a learnt detector. It informs and does not vote."""

    id: str
    title: str
    value: Sentence
    reading: SignalRating
    how_to_read: Sentence
    subject: str | None = Field(default=None, description="whose face; None: the file's")
    number: float | None = Field(default=None, description="`value` in its unit, if measured")
    unit: str = ""
    usual: tuple[float, float] | None = Field(
        default=None, description="where the middle 90 % of untouched files lie"
    )
    times: list[float] = Field(default_factory=list, description="moments to look at, s")
    series: list[tuple[float, float]] = Field(
        default_factory=list, description="time, s, and what was measured then, in `unit`"
    )


JointCode = Literal[
    "both_fake",
    "picture_fake",
    "picture_fake_voice_open",
    "voice_fake",
    "voice_fake_picture_open",
    "neither",
    "voice_open",
    "picture_open",
    "open",
]


class JointAnswer(StrictModel):
    """What face, picture, voice and lips of a video with a voice say together."""

    face: Label | None = Field(description="the more suspicious of its questions; None: not judged")
    picture: Label | None
    voice: Label
    lips: SignalRating | None = Field(
        description="how they follow the voice, which informs; None: not compared"
    )
    says: JointCode = Field(description="of what is seen, face or picture, and of the voice")


class Analysis(StrictModel):
    """Everything known of one file."""

    schema_version: Literal["8.0"] = SCHEMA_VERSION
    id: str = Field(description="hash of media, settings and weights: same input, same id")
    created: datetime
    media: Media
    settings: Settings
    verdict: Verdict
    ensembles: dict[Question, Ensemble]
    likelihoods: dict[FileKind, Likelihood]
    own: OwnThreshold | None = Field(
        default=None, description="instead of the upper limit, where its models are counted"
    )
    models: list[ModelResult]
    subjects: list[Subject] = Field(description="the most suspicious first")
    timestamps: list[float] = Field(description="s, ascending; of the sampled frames")
    coverage: Coverage | None = Field(default=None, description="None for a live session")
    evidence: list[Evidence] = Field(default_factory=list)
    signals: list[Signal] = Field(default_factory=list)
    provenance: Provenance | None = None
    robustness: Robustness | None = Field(default=None, description="where it was asked for")
    comparison: Comparison | None = Field(
        default=None,
        description="held against its original, where there is one: a finding of its own beside "
        "the verdict, which counts nothing in it",
    )
    timings: dict[str, float] = Field(default_factory=dict, description="seconds by stage")
    software: Software
    partial: bool = Field(default=False, description="stopped early; a partial run gets no verdict")
    seal: ResultSeal | None = Field(
        default=None, description="of the server that made it; None for what no server keeps"
    )

    _drop_written = written_only("joint")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def joint(self) -> JointAnswer | None:
        """Return the answer of all that was judged; None but for a video with a judged voice."""
        face, picture, voice = (self.verdict.part(m) for m in _JOINED)
        if self.media.kind != "video" or voice is None or not (face or picture):
            return None
        seen = max((a.label for a in (face, picture) if a), key=lambda label: label.suspicion)
        followed = (s.reading for s in self.signals if s.id == LIPS and s.reading != "absent")
        return JointAnswer(
            face=face.label if face else None,
            picture=picture.label if picture else None,
            voice=voice.label,
            lips=next(followed, None),
            says=_SAYS[seen.side, voice.label.side],
        )

    @property
    def accusing_comparison(self) -> Comparison | None:
        """Return the comparison that heads the result: it found the file to be a manipulated
        copy."""
        found = self.comparison
        return found if found is not None and found.accuses else None

    @property
    def proof(self) -> Proof | None:
        """Return the finding that leads the headline; None where the detectors' verdict does."""
        if (found := self.accusing_comparison) is not None:
            return Proof(kind=ProofKind.COPY, name=found.original_media.name)
        return self.provenance.proof if self.provenance is not None else None

    @property
    def label(self) -> Label:
        """Return the label of the headline; `verdict.label` is that of the detectors alone."""
        return headline_label(self.verdict.label, self.proof)

    @property
    def seen(self) -> list[Subject]:
        """Return those of `judged` that are in the picture."""
        return [subject for subject in self.judged if not subject.modality.of_sound]

    @property
    def people(self) -> list[Subject]:
        """Return those of `judged` that are faces."""
        return [subject for subject in self.judged if subject.modality is Modality.FACE]

    @property
    def unjudged_faces(self) -> bool:
        """Return whether there are faces and the whole picture alone was judged."""
        faces = any(subject.modality is Modality.FACE for subject in self.subjects)
        return self.verdict.kind is FileKind.PICTURE and faces

    @property
    def judged(self) -> list[Subject]:
        """Subjects with answers of their own, the most suspicious first. The full frame is one only
        where there is no face: beside faces it is evidence about each of them. The whole picture is
        none where it adds nothing: of a clip with a face."""
        faces = any(subject.modality is Modality.FACE for subject in self.subjects)
        silent = {Modality.FULL_FRAME} if faces else set()
        silent |= {Modality.PICTURE} if self.verdict.kind is FileKind.CLIP else set()
        return [s for s in self.subjects if s.modality not in silent]

    def counted_looks(self, subject: Subject) -> list[FrameSegment | SpanSegment]:
        """Return the looks of a subject that the verdict rests on; of a live session those of its
        last `LIVE_WINDOW` s, if it is in them."""
        looks = list(subject.looks)
        if not self.media.live:
            return looks
        end = max((f.time for s in self.judged for f in s.frames if f.logits), default=0.0)
        return [look for look in looks if end - LIVE_WINDOW < look.end <= end] or looks

    def taken_from(self, source: FileSource | None) -> Analysis:
        """Return it with where its file was taken from, where that is known."""
        if source is None:
            return self
        known = {"posted": source.posted, "document": source.document}
        origin = (self.provenance or Provenance()).model_copy(update=known)
        return self.model_copy(update={"provenance": origin})

    def without_place(self) -> Analysis:
        """Return it without the place where the file says it was recorded."""
        if self.provenance is None or self.provenance.place is None:
            return self
        # A signature over the place lets whoever guesses it know.
        seal = self.seal.model_copy(update={"place": None}) if self.seal else None
        return self.model_copy(update={"provenance": self.provenance.without_place(), "seal": seal})


_JOINED = Modality.FACE, Modality.PICTURE, Modality.VOICE
_SAYS: dict[tuple[Side | None, Side | None], JointCode] = {
    (Side.FAKE, Side.FAKE): "both_fake",
    (Side.FAKE, Side.REAL): "picture_fake",
    (Side.FAKE, None): "picture_fake_voice_open",
    (Side.REAL, Side.FAKE): "voice_fake",
    (None, Side.FAKE): "voice_fake_picture_open",
    (Side.REAL, Side.REAL): "neither",
    (Side.REAL, None): "voice_open",
    (None, Side.REAL): "picture_open",
    (None, None): "open",
}


class ErrorDetail(StrictModel):
    """Why a file has no analysis."""

    code: str
    message: EnglishSentence
    hint: EnglishSentence = ""


class Failure(StrictModel):
    """Replaces an `Analysis` in a list when a file could not be analyzed."""

    schema_version: Literal["8.0"] = SCHEMA_VERSION
    name: str
    error: ErrorDetail
