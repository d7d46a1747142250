"""Fit the ensemble of one question: Platt maps of its models and their weights.

A table of people has a row for each, those of a file together under one index, the main person
first: `label`, `source`, `fold` (left out as a whole), `about` (the questions that a fake
concerns), and the raw logit of each model in a column, NaN without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import pandas as pd

from detector.decision.material import MIN_FRAMES, POOR_WIDTH
from detector.decision.people import background, with_background
from detector.evaluation import labels
from detector.evaluation.scores import Scored
from detector.schema.analysis import Modality, Question, Subject
from lab.evaluation import fitting

Logits = Mapping[str, float]
"""A person's raw logit of each model, a mean over a clip."""


def table_of(scored: Sequence[Scored], folds: Iterable[str]) -> pd.DataFrame:
    """Return the table of the people of scored files; a file without one has a row as well."""
    rows, index = list[dict[str, object]](), list[int]()
    for number, (one, fold) in enumerate(zip(scored, folds, strict=True)):
        about = labels.questions(one.method) if one.label else ()
        facts = {"label": one.label, "source": one.source, "fold": fold, "about": about}
        people = people_of(one) or [{}]
        rows += [{**facts, **logits} for logits in people]
        index += [number] * len(people)
    return pd.DataFrame(rows, index=index)


def files_of(people: pd.DataFrame) -> pd.DataFrame:
    """Return the main person of each file."""
    return people[~people.index.duplicated()]


def covered(table: pd.DataFrame, question: Question) -> np.ndarray:
    """Return a mask of genuine files and of the fakes that a question covers, bool [rows]; that of
    faces covers generated heads."""
    asked = {question, *question.spec.covers}
    return table["about"].map(lambda of: not of or not asked.isdisjoint(of)).to_numpy(bool)


def people_of(scored: Scored) -> list[Logits]:
    """Return the logits of the people of a file, the one with the most frames first; none if no
    person is visible well enough."""
    analysis = scored.analysis
    if analysis is None:
        return []
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
    return everybody


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
    """Fit to the main person of each file."""

    models: tuple[str, ...]
    maps: dict[str, tuple[float, float]]  # Platt map of each model: scale, offset
    weights: np.ndarray  # float [models]
    start: float  # logit without any evidence

    @classmethod
    def of(cls, files: pd.DataFrame, models: Sequence[str]) -> EnsembleFit:
        """Fit to files; a model without a score adds nothing."""
        labels, maps = files["label"].to_numpy(int), {}
        raw = files[list(models)].to_numpy()
        for id, x in zip(models, raw.T, strict=True):
            seen = np.isfinite(x)
            # A model that these files hold one label of gets no weight.
            both = len(set(labels[seen].tolist())) == 2
            maps[id] = fitting.platt(x[seen], labels[seen]) if both else (1e-6, 0.0)
        scales, offsets = np.array(list(maps.values())).T
        weights, start = fitting.fit_evidence(np.nan_to_num(raw * scales + offsets), labels)
        return cls(tuple(models), maps, weights, start)

    def moved(self, scale: float, offset: float) -> EnsembleFit:
        """Return the fit with its evidence scaled and its intercept moved."""
        return replace(self, weights=self.weights * scale, start=self.start * scale + offset)

    def logits(self, people: pd.DataFrame) -> pd.Series[float]:
        """Return the calibrated logit of each file, as `decision` computes it: that of its most
        suspicious person; NaN without a scored person."""
        scales, offsets = np.array([self.maps[id] for id in self.models]).T
        raw = people[list(self.models)]
        evidence = (self.weights * (raw * scales + offsets)).sum(axis=1)
        return (self.start + evidence).where(raw.notna().any(axis=1)).groupby(level=0).max()
