"""Whether eyes, nose and mouth keep their places in the face."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from detector.schema.analysis import Signal
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.reference import SignalSpec

NEAR = 0.45
"""s. Two frames further apart differ by turning the head, not by jitter."""
FEWEST = 4
"""pairs of frames."""


def jitter(frames: Sequence[tuple[float, np.ndarray]]) -> tuple[float, float] | None:
    """Return how much the shape of the five points changes between two frames, and when most.

    Position, size and tilt are taken out (Procrustes), so what is left is change of shape.

    Parameters
    ----------
    frames : sequence of (s, float array [5, 2])
        Ascending.

    Returns
    -------
    (float, float) or None
        Median over pairs, percent of the distance between the eyes; the time of the largest
        change. None with too few pairs.
    """
    changes = [
        (apart(a, b), time)
        for (before, a), (time, b) in itertools.pairwise(frames)
        if 0 < time - before <= NEAR
    ]
    if len(changes) < FEWEST:
        return None
    return float(np.median([c for c, _ in changes])), max(changes)[1]


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Return how far two shapes laid over each other are apart: root mean square, percent of the
    eye distance."""
    # In the complex plane the best turn and scale is one factor.
    p, q = ((shape - shape.mean(0)) @ (1, 1j) for shape in (np.asarray(a), np.asarray(b)))
    factor = (np.conj(q) @ p) / max(float((np.conj(q) @ q).real), 1e-9)
    eyes = max(abs(p[0] - p[1]), 1e-9)
    return float(np.sqrt((np.abs(p - factor * q) ** 2).mean()) / eyes * 100)


SPEC = SignalSpec(
    id="jitter",
    title="Landmark jitter",
    unit="% of the eye distance",
    side="high",
    say=lambda value, known: f"{value:.1f} % of the eye distance",
    means="How much eyes, nose and mouth shift against each other between two looks.",
    high="Eyes, nose and mouth shift more than usual, as unsteady swaps do; turning the head, "
    "talking and small or blurred faces can look alike.",
    purpose="Points to the moment at which a face is unsteady.",
)


class LandmarkJitter(Observer):
    """Reads the landmarks once all are known."""

    def finish(self, subject: SubjectContext) -> Signal:
        jump = jitter(subject.landmarks)
        if jump is None:
            return SPEC.absent("The looks lie too far apart in time.", subject.track.id)
        value, time = jump
        return subject.signal(SPEC, value, weak=subject.soft, times=[time])


SIGNAL = SignalMeasure(SPEC, rank=60, stills=False, observe=LandmarkJitter)
