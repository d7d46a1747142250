"""One model's logits over a clip as one, and a face's movement. Numbers only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from detector.schema.analysis import Analysis, Subject


def over_time(
    logits: Sequence[float], moves: Sequence[float], how: str, stands: Sequence[float] = ()
) -> float:
    """Return one model's logits over a clip as one.

    Parameters
    ----------
    logits : sequence of float
    moves : sequence of float
        How far the face moved about each of them, in face widths.
    how : str
        "mean"; "top": the mean of the highest quarter, for manipulations that come and go;
        "motion": the mean weighted by movement, where swaps slip (each moment keeps a fifth of the
        weight of the one that moves most).
    stands : sequence of float, optional
        How long each of them stands for, s, where they lie closer in some places than in others.
    """
    if len(stands):
        return _standing(np.asarray(logits, float), moves, how, np.asarray(stands, float))
    if how == "mean":
        return math.fsum(logits) / len(logits)
    values = np.asarray(logits, float)
    if how == "top":
        return float(np.sort(values)[-max(1, math.ceil(len(values) / 4)) :].mean())
    moved = np.asarray(moves, float)
    most = float(moved.max()) if len(moved) else 0.0
    if most > 0:
        return float(np.average(values, weights=0.2 + 0.8 * moved / most))
    return float(values.mean())


def _standing(values: np.ndarray, moves: Sequence[float], how: str, shares: np.ndarray) -> float:
    """`over_time` where moments stand for stretches of unlike length."""
    if how == "top":
        order = np.argsort(-values)
        before = np.cumsum(shares[order]) - shares[order]
        highest = order[before < shares.sum() / 4]
        return float(np.average(values[highest], weights=shares[highest]))
    if how == "motion":
        moved = np.asarray(moves, float)
        shares = shares * (0.2 + 0.8 * moved / max(float(moved.max()), 1e-9))
    return float(np.average(values, weights=shares))


def stands_for(analysis: Analysis) -> list[float]:
    """Return how long each moment stands for, s: to the middle of the gaps beside it. Empty where
    moments are spread by a plan that did not look at scores: all count alike."""
    if analysis.settings.sampling != "closer" or len(analysis.moments) < 2:
        return []
    times = np.asarray(analysis.moments, float)
    edges = np.concatenate([[times[0]], (times[1:] + times[:-1]) / 2, [times[-1]]])
    durations = np.diff(edges)
    durations[[0, -1]] *= 2  # the first and the last stand for what lies outside, too
    return [float(x) for x in durations]


def movement(subject: Subject) -> list[float]:
    """Return how far a person's face moves about each of its moments, in face widths a second."""
    out = []
    for i in range(len(subject.frames)):
        before, after = (
            subject.frames[max(i - 1, 0)],
            subject.frames[min(i + 1, len(subject.frames) - 1)],
        )
        width = max(before.box[2] - before.box[0], 1.0)
        x, y = (
            (after.box[k] + after.box[k + 2] - before.box[k] - before.box[k + 2]) / 2
            for k in (0, 1)
        )
        out.append(math.hypot(x, y) / width / max(after.time - before.time, 1e-3))
    return out


def moves(subject: Subject) -> dict[str, list[float]]:
    """Return `movement` about each logit of each model: its frames', then within its spans."""
    out: dict[str, list[float]] = {}
    moved = movement(subject)
    for face, move in zip(subject.frames, moved, strict=True):
        for id in face.logits:
            out.setdefault(id, []).append(move)
    for span in subject.spans:
        inside = [
            move
            for face, move in zip(subject.frames, moved, strict=True)
            if span.start <= face.time <= span.end
        ]
        for id in span.logits:
            out.setdefault(id, []).append(float(np.mean(inside)) if inside else 0.0)
    return out
