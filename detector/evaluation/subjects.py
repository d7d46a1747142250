"""Scored files as calibration sees them: each clip's people, their logits and their material."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector.decision import material as material_of
from detector.decision.material import Material
from detector.decision.people import background, with_background
from detector.evaluation import methods
from detector.evaluation.scores import Scored
from detector.schema.analysis import Analysis, Question, Subject

SHORT = (6, 2)
"""Every clip is also read from so few of its frames, to learn what few frames are worth."""


@dataclass(frozen=True)
class ScoredPerson:
    """One person's raw logits over a clip, or over a few of its frames."""

    logits: dict[str, float]
    material: Material


@dataclass(frozen=True)
class Clip:
    """What calibration needs of one labelled clip."""

    label: int
    source: str  # Left out as a whole: a source, or a fold of many (`training.groups`)
    question: Question | None  # Which question its fake is about; None for an original
    people: tuple[ScoredPerson, ...]
    """The first was seen most; empty when nobody was seen well enough."""
    worse: tuple[ScoredPerson, ...] = ()
    """The first of `people` in few frames, or under worse conditions."""
    origin: str = ""
    """Where it was collected: what is resampled as a whole; unless stated, `source`."""

    def is_fake_of(self, question: Question) -> bool:
        """Return whether a question asks for this fake; that of faces covers generated heads."""
        return self.question is question or self.question in question.spec.covers


def clip_of(scored: Scored, worse: Sequence[Scored] = ()) -> Clip:
    """Return a scored file as calibration sees it; `worse` is the same file under worse
    conditions."""
    about = methods.question(scored.method) if scored.label else None
    analysis = scored.analysis
    if analysis is None:
        return Clip(scored.label, scored.source, about, (), origin=scored.source)
    video = analysis.media.kind == "video"
    people = [
        (person, track)
        for track in analysis.judged
        if (person := person_of(analysis, track))
        and (person.material.width or 0.0) >= material_of.POOR_WIDTH
        and (not video or person.material.frames >= material_of.MIN_FRAMES)
    ]
    people.sort(key=lambda pair: -pair[0].material.frames)
    short: list[ScoredPerson | None] = []
    if people and video:
        main, track = people[0]
        few = (n for n in SHORT if n < main.material.frames)
        short = [person_of(analysis, track, frames=n) for n in few]
    versions = [person for person in short if person]
    for version in worse:
        versions += clip_of(version).people[:1]
    everybody = tuple(person for person, _ in people)
    return Clip(scored.label, scored.source, about, everybody, tuple(versions), scored.source)


def person_of(
    analysis: Analysis, track: Subject, *, frames: int | None = None
) -> ScoredPerson | None:
    """Return the raw mean logits of one person, over all scored frames or so many of them."""
    raw: dict[str, list[float]] = {}
    known = with_background(track, background(analysis))
    faces = [face for face in known.frames if face.logits]
    spans = known.spans
    if frames is not None:
        chosen = np.linspace(0, len(faces) - 1, frames).astype(int) if faces else ()
        faces = [faces[i] for i in chosen]
        spans = spans[:1]
    for segment in (*faces, *spans):
        for id, value in segment.logits.items():
            raw.setdefault(id, []).append(value)
    if not raw:
        return None
    material = material_of.material(analysis, known)
    if frames is not None:
        material = replace(material, frames=frames)
    return ScoredPerson({id: float(np.mean(values)) for id, values in raw.items()}, material)
