"""Scores of one subject by the counted models: over the whole clip and at each moment."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from detector.decision import session, voice
from detector.decision.context import Context
from detector.decision.material import MIN_FRAMES, POOR_WIDTH, distance, unlike
from detector.decision.numbers import sigmoid
from detector.schema.analysis import (
    Analysis,
    Contribution,
    FrameSegment,
    Label,
    Modality,
    ModelScore,
    Question,
    ReasonCode,
    Segment,
    Subject,
)

FEWEST_SCORED = 2
"""frames of a person in a file that each counted model has to score: more would not change the
answer where scoring ended there (`detector.pipeline.stopping`)"""
UNLABELED = Label.INCONCLUSIVE
"""of a model's score until the limits are known (`policy`)"""


@dataclass(frozen=True)
class Opinion:
    """The evidence of one question about one subject."""

    logit: float  # combined log odds; the sum of `contributions`
    contributions: tuple[Contribution, ...]
    abstains: ReasonCode | None = None  # too poor for a verdict, whatever the score


@dataclass(frozen=True)
class ScoredSubject:
    """A subject with scored segments, and an opinion for each question."""

    subject: Subject
    opinions: dict[Question, Opinion]
    unlike: ReasonCode | None = None  # nothing like it was in the tests, so it has no opinions


def judge(
    subject: Subject,
    analysis: Analysis,
    contexts: Mapping[Question, Context],
    full_frame: Subject | None = None,
) -> ScoredSubject:
    """Score one subject for every question; the `full_frame` is evidence about a face in it. What
    is unlike all that was tested gets no opinion, unless limits are the person's own."""
    of = {id: context for context in contexts.values() for id in context.models}
    known = with_background(subject, full_frame)
    means = _means(known, analysis, of)
    models = {
        id: ModelScore(logit=mean, probability=sigmoid(of[id].calibrate(id, mean)), label=UNLABELED)
        for id, mean in means.items()
    }
    looks = known.looks
    scores = [_calibrated(look, of) if look.usable else {} for look in looks]
    answers: list[dict[Question, float]] = [{} for _ in looks]
    opinions, odd = {}, unlike(analysis, subject)
    if any(c.own or c.choice.thresholds for c in contexts.values()):
        odd = None
    for question, context in contexts.items():
        if not context.counted or question not in subject.questions:
            continue
        evidence = {id: context.calibrate(id, means[id]) for id in means if id in context.counted}
        _answer_looks(known, context, scores, answers)
        if evidence and odd is None:
            parts = _contributions(known, context, evidence, scores)
            # Each counted frame model has to score a person often enough.
            of_frames = [id for id, model in context.counted.items() if model.kind == "frame"]
            looked = [sum(id in look.logits for look in looks) for id in of_frames]
            least = MIN_FRAMES if analysis.media.live else FEWEST_SCORED
            few = min([*looked, sum(question in answer for answer in answers)]) < least
            few |= sum(look.usable for look in looks) < MIN_FRAMES
            few |= session.seen_briefly(analysis, subject)
            total, why = sum(part.logit for part in parts), _abstains(known, analysis, few)
            opinions[question] = Opinion(total, tuple(parts), why)
    filled = [
        look.model_copy(update={"scores": s, "answers": a, "score": None})
        for look, s, a in zip(subject.looks, scores, answers, strict=True)
    ]
    spans = [
        span.model_copy(update={"scores": span.scores | _calibrated(span, of)})
        for span in subject.spans
    ]
    update = {"frames": filled, "spans": spans} if subject.frames else {"spans": filled}
    about = {"models": models, "answers": {}, "unlike": distance(subject)}
    return ScoredSubject(subject.model_copy(update=update | about), opinions, odd)


def _means(subject: Subject, analysis: Analysis, of: Mapping[str, Context]) -> dict[str, float]:
    raw, stands = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    durations = stands_for(analysis)
    for segment in subject.segments:
        for id, x in segment.logits.items():
            raw[id].append(x)
            if durations and isinstance(segment, FrameSegment):
                stands[id].append(durations[segment.index])
    how = {id: of[id].choice.over_time for id in raw if id in of}
    moved = moves(subject) if "motion" in how.values() else {}
    return {id: over_time(raw[id], moved.get(id, ()), how[id], stands.get(id, ())) for id in how}


def _calibrated(segment: Segment, of: Mapping[str, Context]) -> dict[str, float]:
    return {id: sigmoid(of[id].calibrate(id, x)) for id, x in segment.logits.items() if id in of}


def _contributions(
    subject: Subject,
    context: Context,
    evidence: Mapping[str, float],
    scores: Sequence[Mapping[str, float]],
) -> list[Contribution]:
    parts = []
    for id in context.counted:
        if id in evidence:
            logit, time = context.weights[id] * evidence[id], _peak(subject, scores, id)
            parts.append(Contribution(kind="model", id=id, logit=logit, time=time))
    if context.start:
        parts.append(Contribution(kind="start", logit=context.start))
    return parts


def _abstains(subject: Subject, analysis: Analysis, few: bool) -> ReasonCode | None:
    if subject.modality.of_sound:
        return voice.abstains(voice.heard_of(analysis, subject.id))
    if not subject.frames:
        return None
    if few and analysis.media.kind == "video" and not analysis.media.still:
        return ReasonCode.TOO_FEW_FRAMES
    poor = median(f.quality.width for f in subject.frames) < POOR_WIDTH
    return ReasonCode.LOW_QUALITY if poor else None


def _answer_looks(
    subject: Subject,
    context: Context,
    scores: list[dict[str, float]],
    answers: list[dict[Question, float]],
) -> None:
    """Fill in each segment's answer, and at frames the interpolated scores of video models."""
    lines, between = _interpolated(subject, context)
    at_frames = any(m.kind != "video" for m in context.counted.values())
    for n, look in enumerate(subject.looks):
        if not look.usable:
            continue
        at_once = {id: context.calibrate(id, x) for id, x in look.logits.items()
                   if id in context.models}  # fmt: skip
        for id, line in lines.items():
            scores[n][id] = sigmoid(line[n])
        if at_frames and context.counted.keys().isdisjoint(at_once):
            continue
        logits = {id: line[n] for id, line in (lines | between).items()} | at_once
        known = [id for id in context.counted if id in logits]
        if known:
            total = context.start + sum(context.weights[id] * logits[id] for id in known)
            answers[n][context.question] = sigmoid(total)


Lines = dict[str, list[float]]  # by model id: a calibrated logit at each frame


def _interpolated(subject: Subject, context: Context) -> tuple[Lines, Lines]:
    """Interpolate the logits of video models, and of counted frame models that skipped frames."""
    times = [frame.time for frame in subject.frames]
    usable = [frame for frame in subject.frames if frame.usable]
    lines: tuple[Lines, Lines] = {}, {}
    for id in context.models if times else ():
        spans = sorted((s.center, s.logits[id]) for s in subject.spans if id in s.logits)
        frames = [(f.time, f.logits[id]) for f in usable if id in f.logits]
        skipped = id in context.counted and 0 < len(frames) < len(usable)
        for out, points in zip(lines, (spans, frames if skipped else ()), strict=True):
            if points:
                known, raw = zip(*points, strict=True)
                logits = [context.calibrate(id, x) for x in raw]
                out[id] = np.interp(times, known, logits).tolist()
    return lines


def _peak(subject: Subject, scores: Sequence[Mapping[str, float]], id: str) -> float | None:
    there = [(s[id], -at.start) for at, s in zip(subject.looks, scores, strict=True) if id in s]
    return -max(there)[1] if there else None


def background(analysis: Analysis) -> Subject | None:
    """Return the full frame if there are faces: it is evidence about each; else None."""
    if not any(subject.modality is Modality.FACE for subject in analysis.subjects):
        return None
    return next((s for s in analysis.subjects if s.modality is Modality.FULL_FRAME), None)


def with_background(subject: Subject, full_frame: Subject | None) -> Subject:
    """Return a face with the full frame's logits of the same frames and its spans."""
    if full_frame is None or subject.modality is not Modality.FACE:
        return subject
    at = {frame.index: frame.logits for frame in full_frame.frames}
    frames = [
        frame.model_copy(update={"logits": frame.logits | at.get(frame.index, {})})
        for frame in subject.frames
    ]
    spans = [*subject.spans, *full_frame.spans]
    return subject.model_copy(update={"frames": frames, "spans": spans})


def over_time(
    logits: Sequence[float], moves: Sequence[float], how: str, stands: Sequence[float] = ()
) -> float:
    """Aggregate one model's logits over a clip.

    Parameters
    ----------
    moves : sequence of float
        Movement of the face about each logit, in face widths a second.
    how : str
        "mean"; "top": the mean of the highest quarter, for intermittent manipulations; "motion":
        the mean weighted by movement, where swaps slip (the least weight is a fifth of the
        largest).
    stands : sequence of float, optional
        Duration that each logit represents, s, if they are unevenly spaced.
    """
    if how == "mean" and not len(stands):
        return math.fsum(logits) / len(logits)
    values = np.asarray(logits, float)
    weights = np.asarray(stands, float) if len(stands) else np.ones(len(values))
    if how == "top":
        order = np.argsort(-values)
        before = np.cumsum(weights[order]) - weights[order]
        highest = order[before < weights.sum() / 4]
        return float(np.average(values[highest], weights=weights[highest]))
    if how == "motion" and len(moves):
        moved = np.asarray(moves, float)
        weights = weights * (0.2 + 0.8 * moved / max(float(moved.max()), 1e-9))
    return float(np.average(values, weights=weights))


def stands_for(analysis: Analysis) -> list[float]:
    """Return the duration that each frame represents, s; empty if frames are evenly spread."""
    if analysis.settings.sampling != "closer" or len(analysis.timestamps) < 2:
        return []
    times = np.asarray(analysis.timestamps, float)
    edges = np.concatenate([[times[0]], (times[1:] + times[:-1]) / 2, [times[-1]]])
    durations = np.diff(edges)
    durations[[0, -1]] *= 2  # the first and the last also represent the ends
    return [float(x) for x in durations]


def movement(subject: Subject) -> list[float]:
    """Return the movement of a face about each of its frames, in face widths a second."""
    if not subject.frames:
        return []
    boxes = np.array([frame.box for frame in subject.frames])
    times = np.array([frame.time for frame in subject.frames])
    n = np.arange(len(times))
    before, after = np.maximum(n - 1, 0), np.minimum(n + 1, len(times) - 1)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    widths = np.maximum(boxes[before, 2] - boxes[before, 0], 1.0)
    moved = np.linalg.norm(centers[after] - centers[before], axis=1) / widths
    return [float(x) for x in moved / np.maximum(times[after] - times[before], 1e-3)]


def moves(subject: Subject) -> dict[str, list[float]]:
    """Return the movement about each logit of each model: of its frames, then of its spans."""
    out: dict[str, list[float]] = {}
    moved = movement(subject)
    for face, move in zip(subject.frames, moved, strict=True):
        for id in face.logits:
            out.setdefault(id, []).append(move)
    for span in subject.spans:
        inside = [move for face, move in zip(subject.frames, moved, strict=True)
                  if span.start <= face.time <= span.end]  # fmt: skip
        for id in span.logits:
            out.setdefault(id, []).append(float(np.mean(inside)) if inside else 0.0)
    return out
