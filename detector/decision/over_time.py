"""One model's logits over a clip as one, and a face's movement. Numbers only."""

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
    moves : sequence of float
        How far the face moved about each of them, in face widths.
    how : str
        "mean"; "top": the mean of the highest quarter, for manipulations that come and go;
        "motion": the mean weighted by movement, where swaps slip (each moment keeps a fifth of the
        weight of the one that moves most).
    stands : sequence of float, optional
        How long each of them stands for, s, where they lie closer in some places than in others.
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
    """Return how many s each frame stands for; empty where frames were spread evenly."""
    if analysis.settings.sampling != "closer" or len(analysis.timestamps) < 2:
        return []
    times = np.asarray(analysis.timestamps, float)
    edges = np.concatenate([[times[0]], (times[1:] + times[:-1]) / 2, [times[-1]]])
    durations = np.diff(edges)
    durations[[0, -1]] *= 2  # the first and the last stand for what lies outside, too
    return [float(x) for x in durations]


def movement(subject: Subject) -> list[float]:
    """Return how far a person's face moves about each of its moments, in face widths a second."""
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
    """Return `movement` about each logit of each model: its frames', then within its spans."""
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
