"""Facts of a result for lists, which never read a whole one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import Field

from detector.schema.analysis import Analysis, Label, Probability, Proof, Question, headline_label
from detector.schema.base import FrozenModel
from detector.schema.seal import ResultSeal

MAX_NAME_LENGTH = 300  # characters of a name that is kept
ANALYSES = "analysis"
"""Where footage is from that was merely analyzed."""


class ResultSummary(FrozenModel):
    """Facts of a result for lists, filters and counts."""

    analyzed: datetime
    verdict: Label
    question: Question | None = None
    probability: Probability | None = Field(
        default=None, description="likelihood: the one number of the file"
    )
    interval: tuple[Probability, Probability] | None = Field(
        default=None, description="its 95 % interval, where there are odds"
    )
    limits: tuple[Probability, ...] = Field(
        default=(), description="between the answers; near one the likelihood has a decimal"
    )
    subject_count: int = 0
    unjudged_faces: bool = Field(
        default=False, description="there are faces, and none could be judged"
    )
    kind: str = Field(description="video, image, animation or audio")
    duration: float | None = Field(default=None, description="s")
    models: tuple[str, ...] = Field(default=(), description="ids of those that gave a score")
    version: str = Field(default="", description="of Unmask, that scored it")
    proof: Proof | None = Field(default=None, description="what leads the headline, if anything")
    too_slow: bool = Field(
        default=False, description="a live session whose frames were scored too seldom to judge"
    )
    seal: ResultSeal | None = Field(default=None, description="of the server that made it")

    @classmethod
    def of(cls, analysis: Analysis) -> ResultSummary:
        verdict, proof = analysis.verdict, analysis.proof
        if proof is not None:
            proof = proof.model_copy(update={"name": proof.name[:MAX_NAME_LENGTH]})
        return cls(
            analyzed=analysis.created,
            verdict=verdict.label,
            question=verdict.question,
            probability=verdict.probability,
            interval=verdict.interval,
            limits=tuple(verdict.thresholds.edges),
            subject_count=len(analysis.people),
            unjudged_faces=analysis.unjudged_faces,
            kind=analysis.media.kind,
            duration=analysis.media.duration,
            models=tuple(model.id for model in analysis.models if model.scored),
            version=analysis.software.version,
            proof=proof,
            too_slow=analysis.media.too_slow is not None,
            seal=analysis.seal,
        )

    @property
    def label(self) -> Label:
        """Return the label of the headline; `verdict` is that of the detectors alone."""
        return headline_label(self.verdict, self.proof)


class FoundFootage(FrozenModel):
    """The known footage that a file shows best."""

    match_sha256: str = Field(description="sha256 of the known footage")
    name: str = Field(description="as its owner named it; hostile, escape it")
    source: str = Field(description="the folder it is from, or analysis, upload, import")
    start: float = Field(description="s, in the known footage: where the file begins in it")
    mirrored: bool
    matched: int
    asked: int = Field(description="frames of the file that are in it, of those looked for")
    by_faces: bool = Field(
        default=False,
        description="the faces in these frames match, not all of the picture: one of the two is "
        "cropped or framed anew",
    )
    added: datetime | None = Field(
        default=None, description="since when the footage is known; None where that is not known"
    )

    @property
    def seen(self) -> bool:
        """Return whether it was merely analyzed before: nothing names it an original."""
        return self.source == ANALYSES

    @property
    def in_folder(self) -> bool:
        """Return whether it is in a folder of the computer that it was added on."""
        return Path(self.source).is_absolute()
