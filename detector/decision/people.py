"""What the counted models say of one person, over the clip and moment by moment. Numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from detector.decision.context import Context
from detector.decision.material import MIN_FRAMES, POOR_WIDTH, material, variance_terms
from detector.decision.numbers import probit_shrink, sigmoid
from detector.decision.over_time import moves, over_time, stands_for
from detector.decision.thresholds import label_of
from detector.schema.analysis import (
    Analysis,
    Contribution,
    Label,
    ModelScore,
    Question,
    ReasonCode,
    Track,
)


@dataclass(frozen=True)
class Opinion:
    """One question about one person, as if alone.

    Attributes
    ----------
    logit : float
        Combined log odds; the sum of `contributions`.
    abstains : ReasonCode or None
        Too poorly seen for a verdict, whatever the score.
    uncertain : bool
        Doubt about the material alone keeps it from a verdict.
    """

    logit: float
    label: Label
    contributions: tuple[Contribution, ...]
    doubt: dict[str, float]
    abstains: ReasonCode | None = None
    uncertain: bool = False


@dataclass(frozen=True)
class Judged:
    """A person with scores: the track with its frames filled, and an opinion for each question."""

    track: Track
    opinions: dict[Question, Opinion]


def judge(
    track: Track, analysis: Analysis, contexts: Mapping[Question, Context], aggregation: str
) -> Judged:
    """Score one person for every question."""
    of = {id: context for context in contexts.values() for id in context.models}
    raw: dict[str, list[float]] = {}
    lasts, stands = stands_for(analysis), dict[str, list[float]]()
    for face in track.faces:
        for id, x in face.logits.items():
            raw.setdefault(id, []).append(x)
            if lasts:
                stands.setdefault(id, []).append(lasts[face.index])
    windows = []
    for window in track.windows:
        raw.setdefault(window.model, []).append(window.logit)
        at = of.get(window.model)
        score = sigmoid(at.calibrate(window.model, window.logit)) if at else window.score
        windows.append(window.model_copy(update={"score": score}))
    moved = moves(track) if aggregation == "motion" else {}
    means = {
        id: over_time(values, moved.get(id, ()), aggregation, stands.get(id, ()))
        for id, values in raw.items()
        if id in of
    }
    models = {}
    for id, mean in means.items():
        p = sigmoid(of[id].calibrate(id, mean))
        models[id] = ModelScore(logit=mean, probability=p, label=label_of(p, of[id].thresholds))
    scores: list[dict[str, float]] = [
        {
            id: sigmoid(of[id].calibrate(id, x))
            for id, x in face.logits.items()
            if id in of and face.quality.problem is None
        }
        for face in track.faces
    ]
    answers: list[dict[Question, float]] = [{} for _ in track.faces]
    opinions = {}
    seen = material(analysis, track)
    for question, context in contexts.items():
        if not context.counted:
            continue
        evidence = {
            id: context.calibrate(id, mean) for id, mean in means.items() if id in context.counted
        }
        doubt = variance_terms(context.ensemble.doubt, seen, evidence, context.weights)
        _frame_answers(track, context, sum(doubt.values()), scores, answers)
        if evidence:
            scored = sum(question in answer for answer in answers)
            opinions[question] = _opinion(track, analysis, context, evidence, doubt, scored, scores)
    faces = [
        face.model_copy(update={"scores": s, "answers": a, "score": None})
        for face, s, a in zip(track.faces, scores, answers, strict=True)
    ]
    filled = track.model_copy(
        update={"faces": faces, "windows": windows, "models": models, "answers": {}}
    )
    return Judged(filled, opinions)


def _opinion(
    track: Track,
    analysis: Analysis,
    context: Context,
    evidence: Mapping[str, float],
    doubt: dict[str, float],
    scored: int,
    scores: Sequence[Mapping[str, float]],
) -> Opinion:
    parts = [
        Contribution(
            kind="model",
            id=id,
            logit=context.weights[id] * evidence[id],
            time=_peak(track, scores, id),
        )
        for id in context.counted
        if id in evidence
    ]
    if context.start:
        parts.append(Contribution(kind="start", logit=context.start))
    total = sum(part.logit for part in parts)
    variance = sum(doubt.values())
    held = probit_shrink(total, variance) if variance else total
    parts += [
        Contribution(kind="held_back", id=cause, logit=(held - total) * part / variance)
        for cause, part in doubt.items()
    ]
    label = label_of(sigmoid(held), context.thresholds)
    abstains = None
    if analysis.media.kind == "video" and scored < MIN_FRAMES:
        abstains = ReasonCode.TOO_FEW_FRAMES
    elif median(face.quality.width for face in track.faces) < POOR_WIDTH:
        abstains = ReasonCode.LOW_QUALITY
    return Opinion(
        logit=held,
        label=label,
        contributions=tuple(parts),
        doubt=doubt,
        abstains=abstains,
        uncertain=label is not label_of(sigmoid(total), context.thresholds),
    )


def _frame_answers(
    track: Track,
    context: Context,
    variance: float,
    scores: list[dict[str, float]],
    answers: list[dict[Question, float]],
) -> None:
    """Fill each scored face's answer, and the lines of the clip models over time."""
    lines = _lines(track, context)
    frame_models = any(m.kind != "clip" for m in context.counted.values())
    for n, face in enumerate(track.faces):
        if face.quality.problem is not None:
            continue
        at_once = {id: context.calibrate(id, x) for id, x in face.logits.items()
                   if id in context.models}  # fmt: skip
        for id, line in lines.items():
            scores[n][id] = sigmoid(line[n])
        counted = [id for id in context.counted if id in at_once]
        if not counted and frame_models:
            continue
        everything = at_once | {id: line[n] for id, line in lines.items()}
        found = [id for id in context.counted if id in everything]
        if not found:
            continue
        total = context.start + sum(context.weights[id] * everything[id] for id in found)
        answers[n][context.question] = sigmoid(
            probit_shrink(total, variance) if variance else total
        )


def _lines(track: Track, context: Context) -> dict[str, list[float]]:
    """Calibrated logit of each clip model at each looked-at moment: linear between the centres of
    its windows, level before the first and after the last."""
    by_model: dict[str, list[tuple[float, float]]] = {}
    for w in track.windows:
        if w.model in context.models:
            by_model.setdefault(w.model, []).append(((w.start + w.end) / 2, w.logit))
    times = [face.time for face in track.faces]
    lines = {}
    for id, points in by_model.items():
        points.sort()
        centers, logits = zip(*points, strict=True)
        known = [context.calibrate(id, x) for x in logits]
        lines[id] = [float(x) for x in np.interp(times, centers, known)]
    return lines


def _peak(track: Track, scores: Sequence[Mapping[str, float]], id: str) -> float | None:
    """The moment at which a model's score is highest, s."""
    there = [(s[id], -face.time) for face, s in zip(track.faces, scores, strict=True) if id in s]
    return -max(there)[1] if there else None
