"""How scores become one: models into a person, people into a file, questions into a verdict.

Numbers only, shared by the verdict and by what calibrates it. All logits are log likelihood ratios
against untouched footage: 0 says nothing, +1 makes a fake e times as likely as it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector import evidence
from detector.results import Analysis, Calibration, Doubt, Track

GOOD_FRAMES = 16
"""scored frames of a person from which on more change little: half of the usual 32."""
CAUSES = ("size", "sharpness", "compression", "frames", "disagreement")
"""Why a logit can be uncertain: the fields of `Doubt`."""


def sigmoid(logit: float) -> float:
    """Probability of a logit, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    z = math.exp(logit)
    return z / (1.0 + z)


def logit(probability: float) -> float:
    """Log odds, within what a probability can hold (about ±36)."""
    kept = min(max(probability, 2e-16), 1.0 - 2e-16)
    return math.log(kept / (1.0 - kept))


def mapped(calibration: Calibration | None, raw: float) -> float:
    """A raw logit through its Platt map (Platt 1999); as it is without one."""
    return calibration.scale * raw + calibration.offset if calibration else raw


def mean(logits: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """Weighted mean over the models that have a weight; None without any."""
    total = sum(weights.get(id, 0.0) for id in logits)
    if total <= 0:
        return None
    return sum(weights.get(id, 0.0) * x for id, x in logits.items()) / total


def over_time(
    logits: Sequence[float], moves: Sequence[float], how: str, stands: Sequence[float] = ()
) -> float:
    """One model's logits over a clip as one.

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
    values = np.asarray(logits, float)
    if len(stands):
        shares = np.asarray(stands, float)
        if how == "top":
            order = np.argsort(-values)
            before = np.cumsum(shares[order]) - shares[order]
            highest = order[before < shares.sum() / 4]
            return float(np.average(values[highest], weights=shares[highest]))
        if how == "motion":
            moved = np.asarray(moves, float)
            shares = shares * (0.2 + 0.8 * moved / max(float(moved.max()), 1e-9))
        return float(np.average(values, weights=shares))
    if how == "top":
        return float(np.sort(values)[-max(1, math.ceil(len(values) / 4)) :].mean())
    if how == "motion":
        moved = np.asarray(moves, float)
        most = float(moved.max()) if len(moved) else 0.0
        if most > 0:
            return float(np.average(values, weights=0.2 + 0.8 * moved / most))
    return float(values.mean())


def stands_for(analysis: Analysis) -> list[float]:
    """How long each moment stands for, s: to the middle of the gaps beside it. Empty where moments
    are spread by a plan that did not look at scores: all count alike."""
    if analysis.settings.sampling != "closer" or len(analysis.moments) < 2:
        return []
    times = np.asarray(analysis.moments, float)
    edges = np.concatenate([[times[0]], (times[1:] + times[:-1]) / 2, [times[-1]]])
    lasts = np.diff(edges)
    lasts[[0, -1]] *= 2  # the first and the last stand for what lies outside, too
    return [float(x) for x in lasts]


def movement(track: Track) -> list[float]:
    """How far a person's face moves about each of its moments, in face widths a second."""
    out = []
    for i in range(len(track.faces)):
        before, after = track.faces[max(i - 1, 0)], track.faces[min(i + 1, len(track.faces) - 1)]
        width = max(before.box[2] - before.box[0], 1.0)
        x, y = (
            (after.box[k] + after.box[k + 2] - before.box[k] - before.box[k + 2]) / 2
            for k in (0, 1)
        )
        out.append(math.hypot(x, y) / width / max(after.time - before.time, 1e-3))
    return out


def moves(track: Track) -> dict[str, list[float]]:
    """`movement` about each logit of each model: its frames', then the mean within its windows."""
    out: dict[str, list[float]] = {}
    moved = movement(track)
    for face, move in zip(track.faces, moved, strict=True):
        for id in face.logits:
            out.setdefault(id, []).append(move)
    for window in track.windows:
        inside = [
            move
            for face, move in zip(track.faces, moved, strict=True)
            if window.start <= face.time <= window.end
        ]
        out.setdefault(window.model, []).append(float(np.mean(inside)) if inside else 0.0)
    return out


def pooled(logits: Sequence[float], caution: float = 0.0) -> float:
    """The evidence that one of several is a fake, nobody knows which: log of the mean ratio.

    With a likelihood ratio for each of n people (or questions) and each as likely as the others to
    be the manipulated one, the ratio for the whole is their mean (the Bayes factor of a mixture):
    these odds are true ones, where the highest of n scores grows with n by itself. True odds alone
    don't keep the false alarms at a threshold constant, since with more people more of the rare
    high scores turn up; so `caution` times log n is taken off, fitted such that they do not grow
    even when the people's scores have nothing in common (`training.fitting.fit_caution`).
    """
    values = np.asarray(logits, float)
    top = float(values.max())
    mean = top + math.log(float(np.exp(values - top).mean()))
    return mean - caution * math.log(len(values))


@dataclass(frozen=True)
class Material:
    """What a person's score was made from.

    Attributes
    ----------
    width : float
        Of the face, px, median over frames.
    sharpness : float
        Variance of the Laplacian at 128 px, median.
    compression : float or None
        Bits per pixel, as a multiple of what is fair for this kind of file.
    frames : int
        Scored.
    """

    width: float
    sharpness: float
    compression: float | None
    frames: int


def material(analysis: Analysis, track: Track) -> Material:
    """The material of one person."""
    bits = evidence.bits_per_pixel(analysis.media)
    good = [f.quality for f in track.faces if f.quality.problem is None] or [
        f.quality for f in track.faces
    ]
    scored = sum(1 for face in track.faces if face.logits) or (
        sum(1 for face in track.faces if face.quality.problem is None) if track.windows else 0
    )
    return Material(
        width=float(np.median([q.width for q in good])) if good else 0.0,
        sharpness=float(np.median([q.sharpness for q in good])) if good else 0.0,
        compression=None if bits is None else bits / evidence.FAIR_BITS[analysis.media.kind],
        frames=scored,
    )


def shortfalls(of: Material) -> dict[str, float]:
    """How far the material is below good, in halvings (0: good), by cause."""

    def halvings(value: float, good: float) -> float:
        return max(0.0, math.log2(good / max(value, good / 64)))

    return {
        "size": halvings(of.width, evidence.FAIR_WIDTH),
        "sharpness": halvings(of.sharpness, evidence.FAIR_SHARPNESS),
        "compression": 0.0 if of.compression is None else halvings(of.compression, 1.0),
        "frames": halvings(of.frames, GOOD_FRAMES),
    }


def disagreement(logits: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Weighted variance of the models' calibrated logits; 0 for one model."""
    middle = mean(logits, weights)
    if middle is None:
        return 0.0
    return mean({id: (x - middle) ** 2 for id, x in logits.items()}, weights) or 0.0


def doubts(
    doubt: Doubt, of: Material, logits: Mapping[str, float], weights: Mapping[str, float]
) -> dict[str, float]:
    """Variance of a person's fused logit, by cause; causes that add nothing are left out."""
    amounts = shortfalls(of) | {"disagreement": disagreement(logits, weights)}
    parts = {cause: getattr(doubt, cause) * amounts[cause] for cause in CAUSES}
    return {cause: part for cause, part in parts.items() if part > 0}


def held_back(logit: float, variance: float) -> float:
    """A logit with an uncertainty, as a certain one: nearer to 0.

    The probability of a Gaussian logit, averaged (Spiegelhalter & Lauritzen 1990; MacKay 1992).
    """
    return logit / math.sqrt(1.0 + math.pi * variance / 8.0)
