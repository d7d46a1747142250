"""Fit the ensemble of one question: Platt maps of its models, their weights, its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector.decision import material
from detector.decision import material as material_of
from detector.decision.material import Material
from detector.decision.numbers import CAUSES
from detector.decision.people import background, with_background
from detector.evaluation import labels
from detector.evaluation.scores import Scored
from detector.schema.analysis import Analysis, Modality, Question, Subject
from lab.evaluation import fitting
from lab.evaluation.fitting import Final

SHORT = (6, 2)
"""Numbers of frames of the shortened versions of each clip, for the uncertainty of few frames."""


@dataclass(frozen=True)
class ScoredPerson:
    """One person's raw logits over a clip, or over a few of its frames."""

    logits: dict[str, float]
    material: Material


@dataclass(frozen=True)
class Clip:
    """Scores and facts of a labelled clip for calibration."""

    label: int
    source: str  # Left out as a whole: a source, or a fold of many (`lab.evaluation.groups`)
    questions: tuple[Question, ...]  # Which its fake is about; none for an original
    people: tuple[ScoredPerson, ...]
    """In order of their frames, the most first; empty if no person is visible well enough."""
    worse: tuple[ScoredPerson, ...] = ()
    """The first of `people` in few frames, or under perturbations."""
    origin: str = ""
    """Where it was collected: the unit of the bootstrap; by default `source`."""

    def is_fake_of(self, question: Question) -> bool:
        """Return True if a question covers this fake; that of faces covers generated heads."""
        return any(one in (question, *question.spec.covers) for one in self.questions)


def clip_of(scored: Scored, worse: Sequence[Scored] = ()) -> Clip:
    """Return a scored file as a calibration clip; `worse` is the file under perturbations."""
    about = labels.questions(scored.method) if scored.label else ()
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
    people.sort(key=lambda pair: (pair[1].modality is Modality.PICTURE, -pair[0].material.frames))
    short: list[ScoredPerson | None] = []
    if people and video:
        main, track = people[0]
        few = (n for n in SHORT if n < main.material.frames)
        short = [person_of(analysis, track, frames=n) for n in few]
    versions = [person for person in short if person]
    for version in worse:
        versions += clip_of(version).people[:1]
    everybody = [person for person, _ in people]
    if len(people) > 1 and people[-1][1].modality is Modality.PICTURE:
        # The whole picture is scored beside its people: the first holds all logits of a file.
        picture = everybody.pop()
        everybody[0] = replace(everybody[0], logits=everybody[0].logits | picture.logits)
    return Clip(
        scored.label, scored.source, about, tuple(everybody), tuple(versions), scored.source
    )


def person_of(
    analysis: Analysis, track: Subject, *, frames: int | None = None
) -> ScoredPerson | None:
    """Return the raw mean logits of one person, over all or `frames` of the scored frames."""
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


Versions = tuple[list[ScoredPerson], np.ndarray, np.ndarray]
"""People, and the label and the weight of each."""


@dataclass(frozen=True)
class EnsembleFit:
    """Fit to the main person of each clip."""

    models: tuple[str, ...]
    clips: tuple[Clip, ...]
    maps: dict[str, tuple[float, float]]  # Platt map of each model: scale, offset
    weights: np.ndarray  # float [models]
    start: float  # logit without any evidence
    variances: tuple[float, ...] = (0.0,) * len(CAUSES)  # of uncertainty, for each unit of a cause

    @classmethod
    def of(cls, clips: Sequence[Clip], models: Sequence[str]) -> EnsembleFit:
        """Fit without uncertainty; a model without a score adds nothing."""
        labels = np.array([c.label for c in clips])
        raw = np.array([[c.people[0].logits.get(id, np.nan) for id in models] for c in clips])
        maps = {}
        for id, x in zip(models, raw.T, strict=True):
            seen = np.isfinite(x)
            # A model that these clips hold one label of gets no weight.
            both = len(set(labels[seen].tolist())) == 2
            maps[id] = fitting.platt(x[seen], labels[seen]) if both else (1e-6, 0.0)
        scales, offsets = (np.array(x) for x in zip(*maps.values(), strict=True))
        calibrated = np.nan_to_num(raw * scales + offsets)
        weights, start = fitting.fit_evidence(calibrated, labels)
        return cls(tuple(models), tuple(clips), maps, weights, start)

    def with_uncertainty(self) -> EnsembleFit:
        """Fit the uncertainty terms to the clips and their worse versions. Without any, the fit
        stays as it is: worse versions alone must not change the map."""
        people, labels, weights = self.versions(self.clips)
        fused, amounts = self._evidence(people)
        final = fitting.fit_final(fused, labels, amounts, weights)
        if not any(final.variances):
            return self
        scaled = self.weights * final.scale
        return replace(self, weights=scaled, start=final.offset, variances=final.variances)

    def moved(self, scale: float, offset: float) -> EnsembleFit:
        """Return the fit with its evidence scaled and its intercept moved."""
        return replace(self, weights=self.weights * scale, start=self.start * scale + offset)

    def versions(self, clips: Sequence[Clip]) -> Versions:
        """Return clips' main people (weight 1) and their worse versions (weight 1 together)."""
        rows: list[tuple[ScoredPerson, int, float]] = []
        for clip in clips:
            rows.append((clip.people[0], clip.label, 1.0))
            others = [p for p in clip.worse if any(id in p.logits for id in self.models)]
            rows += [(person, clip.label, 1.0 / len(others)) for person in others]
        people, labels, weights = zip(*rows, strict=True)
        return list(people), np.array(labels), np.array(weights)

    def logits(self, people: Sequence[ScoredPerson]) -> np.ndarray:
        """Return the calibrated logit of each person, as `decision` computes it."""
        return Final(1.0, self.start, self.variances).apply(*self._evidence(people))

    def clip_logit(self, clip: Clip) -> float:
        """Return the calibrated logit of a clip; NaN without a scored person."""
        judged = [p for p in clip.people if any(id in p.logits for id in self.models)]
        return float(self.logits(judged).max()) if judged else float("nan")

    def _evidence(self, people: Sequence[ScoredPerson]) -> tuple[np.ndarray, np.ndarray]:
        """Return people's summed evidence without the intercept, and each cause of uncertainty."""
        share = dict(zip(self.models, self.weights.tolist(), strict=True))
        fused, amounts = [], []
        for person in people:
            mapped = {
                id: self.maps[id][0] * person.logits[id] + self.maps[id][1]
                for id in self.models
                if id in person.logits
            }
            fused.append(sum(share[id] * x for id, x in mapped.items()))
            causes = material.shortfalls(person.material)
            causes["disagreement"] = material.disagreement(mapped, share)
            amounts.append([causes[cause] for cause in CAUSES])
        return np.array(fused), np.array(amounts).reshape(len(fused), len(CAUSES))
