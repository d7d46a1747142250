"""Results of comparing a suspected copy with its original. Pure data.

A *finding* beside the detectors: it answers its own question ("does it differ from its original?")
and never votes. Times are seconds from the first frame of the file they are of; boxes are pixels of
the upright copy; differences are mean absolute gray levels (0..255) after both were aligned and
the original was brought to the copy's brightness, color and sharpness.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from detector.schema.base import Param, Probability, Sentence, StrictModel
from detector.schema.media import Media
from detector.schema.subject import Box

COMPARISON_VERSION: Final = "4.0"
RoleSource = Literal["unknown", "stated", "registered"]
"""Who says which of two files is the original."""
SUSPECT_FROM, SUSPECT_MARGIN = 0.5, 0.2
"""Likelihood from which the detectors suspect a file, and by how much the other's is lower."""


class ComparisonFinding(StrEnum):
    """The finding of a comparison, the strongest first."""

    FACE_DIFFERS = "face_differs"
    MOUTH_DIFFERS = "mouth_differs"
    OTHER_EDITS = "other_edits"
    TRANSFORMED = "transformed"
    NOTHING_DIFFERS = "nothing_differs"
    SAME_MOVEMENT = "same_movement"
    NOT_SAME_FOOTAGE = "not_same_footage"
    NOT_COMPARABLE = "not_comparable"

    @property
    def manipulated(self) -> bool:
        """Return whether it says that a face, and nothing else, was changed against the
        original."""
        return self in (ComparisonFinding.FACE_DIFFERS, ComparisonFinding.MOUTH_DIFFERS)

    @property
    def same_footage(self) -> bool:
        """Return whether both are the same recording."""
        return self not in (
            ComparisonFinding.SAME_MOVEMENT,
            ComparisonFinding.NOT_SAME_FOOTAGE,
            ComparisonFinding.NOT_COMPARABLE,
        )

    @property
    def related(self) -> bool:
        """Return whether it says what one has to do with the other: the same footage, or its
        movement."""
        return self.same_footage or self is ComparisonFinding.SAME_MOVEMENT

    @property
    def undecided(self) -> bool:
        """Return whether it leaves open what was changed."""
        return self in (
            ComparisonFinding.OTHER_EDITS,
            ComparisonFinding.SAME_MOVEMENT,
            ComparisonFinding.NOT_COMPARABLE,
        )


class Span(StrictModel):
    """A stretch of the copy."""

    start: float
    end: float


class SharedStretch(StrictModel):
    """A stretch of the copy and its place in the original: one shot."""

    copy_start: float
    copy_end: float
    original_start: float
    original_end: float

    @property
    def rate(self) -> float:
        """Return seconds of the original that pass in a second of the copy."""
        length = self.copy_end - self.copy_start
        return (self.original_end - self.original_start) / length if length > 0 else 1.0


RETIMED = 0.08
"""From film to television it is 0.04."""


class TimeAlignment(StrictModel):
    """When the copy shows what the original shows."""

    compared: int = Field(description="moments of the copy that were held against the original")
    matched: int = Field(description="those of them that have a moment of their own in it")
    offset: float = Field(default=0.0, description="s; original minus copy, at the first match")
    rate: float = Field(default=1.0, description="s of the original for a second of the copy")
    motion: float | None = Field(
        default=None,
        description="-1..1: how alike what moves outside faces moves in both; None: nothing moves",
    )
    even: bool = Field(
        default=False,
        description="nearly all of them lie on `rate`, and enough moves to be sure of it",
    )
    stretches: list[SharedStretch] = Field(default_factory=list, description="ascending")

    @property
    def backwards(self) -> bool:
        """Return whether the copy is played from its end to its beginning."""
        return self.even and self.rate < 0

    @property
    def retimed(self) -> bool:
        """Return whether the copy is slower or faster than the original, by more than television
        does."""
        return self.even and abs(abs(self.rate) - 1) > RETIMED


class SpaceAlignment(StrictModel):
    """What was done to the picture's geometry; the median over the matched moments."""

    mirrored: bool = False
    rotation: float = Field(default=0.0, description="degrees clockwise, of the copy")
    scale: float = Field(default=1.0, description="px of the copy for a px of the original")
    kept: Probability = Field(default=1.0, description="share of the original's picture it shows")
    frame: Box | None = Field(
        default=None,
        description="where the original's picture lies in the copy, where it doesn't fill it",
    )
    perspective: float = Field(
        default=0.0, description="furthest a corner lies from any turn, scale and shift; of width"
    )

    @property
    def cropped(self) -> bool:
        """Return whether a part of the original's picture is missing."""
        return self.kept < 0.97

    @property
    def turned(self) -> bool:
        """Return whether it was turned by more than a degree."""
        return abs(self.rotation) > 1.0

    @property
    def tilted(self) -> bool:
        """Return whether it is seen at an angle."""
        return self.perspective > 0.02


class Grading(StrictModel):
    """What was done to brightness and color: copy = gain * original + offset, for R, G, B."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    graded: bool = Field(default=False, description="more than encoders do")


class FaceDifference(StrictModel):
    """One person's face at one moment."""

    person: str = Field(description="A, B, …, as in `ComparedPerson.id`")
    box: Box
    difference: float = Field(description="gray levels inside the face")
    mouth: float = Field(description="gray levels in its lower third")
    rim: float = Field(description="gray levels on a band around its edge")
    noise_threshold: float = Field(
        description="what re-encoding alone leaves there, upper end; gray levels"
    )
    changed_region: Literal["none", "mouth", "face"] = "none"


class ComparedMoment(StrictModel):
    """One moment at which both were compared."""

    time: float = Field(description="s, of the copy")
    original_time: float = Field(description="s, of the original")
    background_difference: float = Field(description="gray levels outside faces")
    noise_threshold: float = Field(
        description="what re-encoding alone leaves, upper end; gray levels"
    )
    faces: list[FaceDifference] = Field(default_factory=list)
    transform: tuple[float, float, float, float, float, float, float, float, float] = Field(
        description="homography, row by row: px of the original to px of the copy"
    )

    @property
    def face_difference(self) -> float | None:
        """Gray levels inside the face that differs most, None where there is no face."""
        return max((face.difference for face in self.faces), default=None)

    @property
    def excess(self) -> float:
        """Return the largest face difference (or the rest's) as a multiple of re-encoding's."""
        rest = self.background_difference / max(self.noise_threshold, 1e-3)
        return max((f.difference / max(f.noise_threshold, 1e-3) for f in self.faces), default=rest)


class ComparedPerson(StrictModel):
    """One person's face over the shared footage."""

    id: str = Field(description="A, B, … in order of first appearance in the copy")
    changed_region: Literal["none", "mouth", "face"] = "none"
    spans: list[Span] = Field(default_factory=list, description="when it differs, in the copy")
    difference: float = Field(description="gray levels, where it differs; else over all moments")
    rim: float = 0.0
    noise_threshold: float = Field(description="what re-encoding alone leaves there, upper end")
    moments: int = Field(description="at which it was seen in both")


class Edit(StrictModel):
    """A place outside faces that differs by more than re-encoding does."""

    box: Box
    spans: list[Span] = Field(default_factory=list)
    difference: float = Field(description="gray levels")
    kind: Literal["overlay", "area"] = Field(
        default="area", description="overlay: it lies still while the picture under it moves"
    )


class MovementTrace(StrictModel):
    """Movement of heads, or of the features in them, along the main axis of movement, in standard
    deviations; one value a step."""

    what: Literal["head", "features"]
    correlation: float = Field(description="-1..1, of all ways together")
    of_copy: list[float]
    of_original: list[float]


class SharedMovement(StrictModel):
    """How a face moves as the original's does in pictures that are not the same footage."""

    score: float = Field(description="how far it is from chance, of unrelated faces about 4.6")
    needed: float = Field(description="score from which it is told")
    seconds: float = Field(description="in which both show a face")
    start: float = Field(description="s of the copy")
    offset: float = Field(description="s; original minus copy")
    step: float = Field(description="s from one value of the traces to the next")
    mirrored: bool = False
    traces: list[MovementTrace] = Field(description="head, features")


class GenerationHint(StrictModel):
    """One trace that speaks for `younger`: the code and parameters of a sentence."""

    code: str
    younger: Literal["copy", "original"]
    params: Mapping[str, Param] = Field(default_factory=dict)


class Generation(StrictModel):
    """Which of the two looks like the younger file. A hint: traces can be copied or removed."""

    younger: Literal["copy", "original"] | None = Field(
        default=None, description="None: nothing tells"
    )
    proven: bool = Field(
        default=False,
        description="the other one is a camera's own recording, by a signature of the trust list",
    )
    hints: list[GenerationHint] = Field(default_factory=list, description="the strongest first")


class Comparison(StrictModel):
    """The comparison of a suspected copy with its original."""

    comparison_version: Literal["4.0"] = COMPARISON_VERSION
    copy_media: Media = Field(description="the first file; the copy where `role_source` says so")
    original_media: Media = Field(description="the second file, or the original")
    finding: ComparisonFinding
    reason: str = Field(
        default="", description="code of why not comparable or not the same footage"
    )
    identical: bool = Field(default=False, description="the same bytes")
    role_source: RoleSource = Field(
        default="unknown",
        description="who says which is the original: nobody (the order of the two means nothing), "
        "a person of this pair, or the library, to which a person added it as an original",
    )
    copy_score: Probability | None = Field(
        default=None, description="likelihood that the detectors give the copy alone"
    )
    original_score: Probability | None = Field(
        default=None, description="likelihood that the detectors give the original alone"
    )
    time: TimeAlignment
    excerpt: Span | None = Field(
        default=None,
        description="stretch of the copy that shows the original, where it shows other footage "
        "too, of which nothing is said",
    )
    space: SpaceAlignment = Field(default_factory=SpaceAlignment)
    grading: Grading = Field(default_factory=Grading)
    face_difference: float | None = Field(
        default=None, description="gray levels in the faces that differ"
    )
    background_difference: float | None = Field(
        default=None, description="gray levels outside faces"
    )
    noise_threshold: float | None = Field(
        default=None, description="what re-encoding alone leaves, upper end; gray levels"
    )
    people: list[ComparedPerson] = Field(default_factory=list)
    edits: list[Edit] = Field(default_factory=list, description="the largest first")
    moments: list[ComparedMoment] = Field(default_factory=list, description="ascending")
    movement: SharedMovement | None = Field(
        default=None, description="where the finding is `same_movement`"
    )
    generation: Generation = Field(default_factory=Generation)
    notes: list[Sentence] = Field(default_factory=list, description="sentences about damaged files")
    seconds: float = 0.0

    @property
    def suspected(self) -> Literal["copy", "original"] | None:
        """Return the file that the detectors alone find clearly more suspicious than the other."""
        if self.copy_score is None or self.original_score is None:
            return None
        if max(self.copy_score, self.original_score) < SUSPECT_FROM:
            return None
        if abs(self.copy_score - self.original_score) < SUSPECT_MARGIN:
            return None
        return "copy" if self.copy_score > self.original_score else "original"

    @property
    def both_suspected(self) -> bool:
        """Return whether the detectors alone find both files suspicious."""
        ours, theirs = self.copy_score, self.original_score
        return ours is not None and theirs is not None and min(ours, theirs) >= SUSPECT_FROM

    @property
    def contradicted(self) -> bool:
        """Return whether the detectors suspect the file that a person named the original."""
        return self.role_source == "stated" and self.suspected == "original"

    @property
    def roles_doubtful(self) -> bool:
        """Return whether a face differs and nothing settles which of the two was changed."""
        reversed_ = self.generation.younger == "original"
        return self.finding.manipulated and (reversed_ or not self.roles_known)

    @property
    def roles_known(self) -> bool:
        """Return whether it is known which one is the original: a signature proves it, the library
        has it as one, or a person stated it and the detectors don't contradict."""
        if self.generation.proven:
            return self.generation.younger == "copy"
        return self.role_source != "unknown" and not self.contradicted

    @property
    def states_roles(self) -> bool:
        """Return whether a person, or their library, says which one is the original."""
        return self.role_source != "unknown" and self.finding.same_footage

    @property
    def accuses(self) -> bool:
        """Return whether it says that the copy was manipulated."""
        return self.finding.manipulated and not self.roles_doubtful

    @property
    def laid_over(self) -> bool:
        """Return whether nothing but what is laid over the picture differs."""
        marked = bool(self.edits) and all(edit.kind == "overlay" for edit in self.edits)
        return marked and all(person.changed_region == "none" for person in self.people)

    @property
    def spans(self) -> list[Span]:
        """Return when a face differs, over all people, ascending and joined."""
        joined: list[Span] = []
        for span in sorted((s for p in self.people for s in p.spans), key=lambda s: s.start):
            if joined and span.start <= joined[-1].end:
                joined[-1] = Span(start=joined[-1].start, end=max(joined[-1].end, span.end))
            else:
                joined.append(span)
        return joined
