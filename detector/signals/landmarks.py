"""Do the eyes, nose and mouth keep their places in the face from look to look?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

NEAR = 0.45
"""s. Two looks further apart differ by turning the head, not by jitter."""
FEWEST = 4
"""pairs of looks."""


def jitter(looks: Sequence[tuple[float, np.ndarray]]) -> tuple[float, float] | None:
    """How much the shape of the five points changes between two looks, and when most.

    Position, size and tilt are taken out (Procrustes), so what is left is change of shape.

    Parameters
    ----------
    looks : sequence of (s, float array [5, 2])
        Ascending.

    Returns
    -------
    (float, float) or None
        Median over pairs, percent of the distance between the eyes; the time of the largest
        change. None with too few pairs.
    """
    changes = [
        (apart(a, b), time)
        for (before, a), (time, b) in itertools.pairwise(looks)
        if 0 < time - before <= NEAR
    ]
    if len(changes) < FEWEST:
        return None
    return float(np.median([c for c, _ in changes])), max(changes)[1]


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square distance of two shapes laid over each other, percent of the eye distance."""
    first, second = (
        shape - shape.mean(0) for shape in (np.asarray(a, float), np.asarray(b, float))
    )
    # In the complex plane the best turn and scale is one factor.
    p, q = (shape[:, 0] + 1j * shape[:, 1] for shape in (first, second))
    factor = (np.conj(q) @ p) / max(float((np.conj(q) @ q).real), 1e-9)
    eyes = max(abs(p[0] - p[1]), 1e-9)
    return float(np.sqrt((np.abs(p - factor * q) ** 2).mean()) / eyes * 100)
