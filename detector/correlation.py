"""Pearson's correlation."""

import numpy as np


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation of two arrays of one shape, -1..1; 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    energy = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum() / np.sqrt(energy)) if energy > 0 else 0.0
