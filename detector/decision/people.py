"""What the counted models say of one subject, over the clip and moment by moment. Numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from detector.decision.background import with_background
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
    Segment,
    Subject,
)


@dataclass(frozen=True)
class Opinion:
    """One question about one subject, as if alone.

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
    """A subject with its segments scored, and an opinion for each question."""

    subject: Subject
    opinions: dict[Question, Opinion]


def judge(
    subject: Subject,
    analysis: Analysis,
    contexts: Mapping[Question, Context],
    aggregation: str,
    full_frame: Subject | None = None,
) -> Judged:
    """Score one subject for every question.

    Parameters
    ----------
    subject : Subject
        With logits in its segments.
    analysis : Analysis
    contexts : mapping
    aggregation : str
        How logits over time become one (`over_time`).
    full_frame : Subject, optional
        What was said of the full frame, as evidence about this face.
    """
    of = {id: context for context in contexts.values() for id in context.models}
    known = with_background(subject, full_frame)
    means = _means(known, analysis, of, aggregation)
    models = {}
    for id, mean in means.items():
        p = sigmoid(of[id].calibrate(id, mean))
        models[id] = ModelScore(logit=mean, probability=p, label=label_of(p, of[id].thresholds))
    looks = known.looks
    scores = [_calibrated(look, of) if look.usable else {} for look in looks]
    answers: list[dict[Question, float]] = [{} for _ in looks]
    opinions = {}
    seen = material(analysis, known)
    for question, context in contexts.items():
        if not context.counted:
            continue
        evidence = {
            id: context.calibrate(id, mean) for id, mean in means.items() if id in context.counted
        }
        doubt = variance_terms(context.ensemble.doubt, seen, evidence, context.weights)
        _answer_looks(known, context, sum(doubt.values()), scores, answers)
        if evidence:
            scored = sum(question in answer for answer in answers)
            opinions[question] = _opinion(known, analysis, context, evidence, doubt, scored, scores)
    filled = [
        look.model_copy(update={"scores": s, "answers": a, "score": None})
        for look, s, a in zip(subject.looks, scores, answers, strict=True)
    ]
    spans = [
        span.model_copy(update={"scores": span.scores | _calibrated(span, of)})
        for span in subject.spans
    ]
    update = {"frames": filled, "spans": spans} if subject.frames else {"spans": filled}
    return Judged(subject.model_copy(update=update | {"models": models, "answers": {}}), opinions)


def _means(
    subject: Subject, analysis: Analysis, of: Mapping[str, Context], aggregation: str
) -> dict[str, float]:
    """Each model's logits over time as one."""
    raw: dict[str, list[float]] = {}
    shares, stands = stands_for(analysis), dict[str, list[float]]()
    for frame in subject.frames:
        for id, x in frame.logits.items():
            raw.setdefault(id, []).append(x)
            if shares:
                stands.setdefault(id, []).append(shares[frame.index])
    for span in subject.spans:
        for id, x in span.logits.items():
            raw.setdefault(id, []).append(x)
    moved = moves(subject) if aggregation == "motion" else {}
    return {
        id: over_time(values, moved.get(id, ()), aggregation, stands.get(id, ()))
        for id, values in raw.items()
        if id in of
    }


def _calibrated(segment: Segment, of: Mapping[str, Context]) -> dict[str, float]:
    return {id: sigmoid(of[id].calibrate(id, x)) for id, x in segment.logits.items() if id in of}


def _opinion(
    subject: Subject,
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
            time=_peak(subject, scores, id),
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
    if analysis.media.kind == "video" and subject.frames and scored < MIN_FRAMES:
        abstains = ReasonCode.TOO_FEW_FRAMES
    elif subject.frames and median(f.quality.width for f in subject.frames) < POOR_WIDTH:
        abstains = ReasonCode.LOW_QUALITY
    return Opinion(
        logit=held,
        label=label,
        contributions=tuple(parts),
        doubt=doubt,
        abstains=abstains,
        uncertain=label is not label_of(sigmoid(total), context.thresholds),
    )


def _answer_looks(
    subject: Subject,
    context: Context,
    variance: float,
    scores: list[dict[str, float]],
    answers: list[dict[Question, float]],
) -> None:
    """Fill each look's answer, and at frames the lines of the models of spans over time."""
    lines = _lines(subject, context)
    at_frames = any(m.kind != "clip" for m in context.counted.values())
    for n, look in enumerate(subject.looks):
        if not look.usable:
            continue
        at_once = {id: context.calibrate(id, x) for id, x in look.logits.items()
                   if id in context.models}  # fmt: skip
        for id, line in lines.items():
            scores[n][id] = sigmoid(line[n])
        counted = [id for id in context.counted if id in at_once]
        if not counted and at_frames:
            continue
        everything = at_once | {id: line[n] for id, line in lines.items()}
        found = [id for id in context.counted if id in everything]
        if not found:
            continue
        total = context.start + sum(context.weights[id] * everything[id] for id in found)
        answers[n][context.question] = sigmoid(
            probit_shrink(total, variance) if variance else total
        )


def _lines(subject: Subject, context: Context) -> dict[str, list[float]]:
    """Calibrated logit of each model of spans at each frame: linear between the centers of its
    spans, level before the first and after the last. None where spans are all there is."""
    by_model: dict[str, list[tuple[float, float]]] = {}
    for span in subject.spans if subject.frames else ():
        for id, x in span.logits.items():
            if id in context.models:
                by_model.setdefault(id, []).append((span.center, x))
    times = [frame.time for frame in subject.frames]
    lines = {}
    for id, points in by_model.items():
        points.sort()
        centers, logits = zip(*points, strict=True)
        known = [context.calibrate(id, x) for x in logits]
        lines[id] = [float(x) for x in np.interp(times, centers, known)]
    return lines


def _peak(subject: Subject, scores: Sequence[Mapping[str, float]], id: str) -> float | None:
    """Return the moment at which a model's score is highest, s."""
    there = [(s[id], -at.start) for at, s in zip(subject.looks, scores, strict=True) if id in s]
    return -max(there)[1] if there else None
