"""Fit the ensemble of one question: Platt maps of its models and their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from detector.decision.material import MIN_FRAMES, POOR_WIDTH
from detector.decision.people import background, with_background
from detector.evaluation import labels
from detector.evaluation.scores import Scored
from detector.schema.analysis import Modality, Question, Subject
from lab.evaluation import fitting

Logits = Mapping[str, float]
"""A person's raw logit of each model, a mean over a clip."""


@dataclass(frozen=True)
class Clip:
    """Scores of a labelled clip for calibration."""

    label: int
    source: str  # Left out as a whole: a source, or a fold of many (`lab.evaluation.groups`)
    questions: tuple[Question, ...]  # Which its fake is about; none for an original
    people: tuple[Logits, ...]
    """In order of their frames, the most first; empty if no person is visible well enough."""
    origin: str = ""
    """Where it was collected: the unit of the bootstrap; by default `source`."""

    def is_fake_of(self, question: Question) -> bool:
        """Return True if a question covers this fake; that of faces covers generated heads."""
        return any(one in (question, *question.spec.covers) for one in self.questions)


def clip_of(scored: Scored) -> Clip:
    """Return a scored file as a calibration clip."""
    about = labels.questions(scored.method) if scored.label else ()
    analysis = scored.analysis
    if analysis is None:
        return Clip(scored.label, scored.source, about, (), origin=scored.source)
    people: list[tuple[bool, int, Logits]] = []
    full_frame = background(analysis)
    for track in analysis.judged:
        seen = with_background(track, full_frame)
        frames, logits = scored_frames(seen), raw_means(seen)
        short = analysis.media.kind == "video" and frames < MIN_FRAMES
        if logits and not short and face_width(seen) >= POOR_WIDTH:
            people.append((track.modality is Modality.PICTURE, -frames, logits))
    people.sort(key=lambda person: person[:2])
    everybody = [logits for _picture, _frames, logits in people]
    if len(people) > 1 and people[-1][0]:
        # The whole picture is scored beside its people: the first holds all logits of a file.
        picture = everybody.pop()
        everybody[0] = {**everybody[0], **picture}
    return Clip(scored.label, scored.source, about, tuple(everybody), scored.source)


def raw_means(subject: Subject) -> dict[str, float]:
    """Return the mean raw logit of each model over a subject's frames and spans."""
    raw: dict[str, list[float]] = {}
    for segment in subject.segments:
        for id, value in segment.logits.items():
            raw.setdefault(id, []).append(value)
    return {id: float(np.mean(values)) for id, values in raw.items()}


def scored_frames(subject: Subject) -> int:
    """Return the number of a subject's scored frames; of its usable ones where only spans are
    scored."""
    scored = sum(bool(frame.logits) for frame in subject.frames)
    return scored or (sum(frame.usable for frame in subject.frames) if subject.spans else 0)


def face_width(subject: Subject) -> float:
    """Return the median width of a subject's usable faces, px; 0 for a voice."""
    good = [frame for frame in subject.frames if frame.usable] or subject.frames
    return median(frame.quality.width for frame in good) if good else 0.0


@dataclass(frozen=True)
class EnsembleFit:
    """Fit to the main person of each clip."""

    models: tuple[str, ...]
    maps: dict[str, tuple[float, float]]  # Platt map of each model: scale, offset
    weights: np.ndarray  # float [models]
    start: float  # logit without any evidence

    @classmethod
    def of(cls, clips: Sequence[Clip], models: Sequence[str]) -> EnsembleFit:
        """Fit to clips; a model without a score adds nothing."""
        labels = np.array([c.label for c in clips])
        raw = np.array([[c.people[0].get(id, np.nan) for id in models] for c in clips])
        maps = {}
        for id, x in zip(models, raw.T, strict=True):
            seen = np.isfinite(x)
            # A model that these clips hold one label of gets no weight.
            both = len(set(labels[seen].tolist())) == 2
            maps[id] = fitting.platt(x[seen], labels[seen]) if both else (1e-6, 0.0)
        scales, offsets = (np.array(x) for x in zip(*maps.values(), strict=True))
        calibrated = np.nan_to_num(raw * scales + offsets)
        weights, start = fitting.fit_evidence(calibrated, labels)
        return cls(tuple(models), maps, weights, start)

    def moved(self, scale: float, offset: float) -> EnsembleFit:
        """Return the fit with its evidence scaled and its intercept moved."""
        return replace(self, weights=self.weights * scale, start=self.start * scale + offset)

    def clip_logit(self, clip: Clip) -> float:
        """Return the calibrated logit of a clip, as `decision` computes it: that of its most
        suspicious person; NaN without a scored person."""
        judged = [self._logit(p) for p in clip.people if any(id in p for id in self.models)]
        return max(judged, default=float("nan"))

    def _logit(self, person: Logits) -> float:
        parts = zip(self.models, self.weights.tolist(), strict=True)
        return self.start + sum(
            weight * (self.maps[id][0] * person[id] + self.maps[id][1])
            for id, weight in parts
            if id in person
        )
