"""Light that a copy was given in places and at times: a vignette, a fade, a lamp that was turned.

Colors (`grading.py`) are one map for the whole picture and all moments. Light is a gain that runs
smoothly over the picture of one moment, and an offset. It is believed only where it leaves clearly
less than there was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.comparison import grading
from detector.comparison.grading import CLIPPED

LEFT, LESS = 0.6, 1.5
"""What it may leave of the difference that there was, and by how many gray levels it has to be less
to be believed: what encoders do to light is below both."""
MOST_GAIN = 4.0
"""times as bright or dark"""
SAMPLES, FEWEST = 6_000, 300
"""Pixels of a moment that it is fitted on, and the fewest."""


@dataclass(frozen=True)
class Light:
    """A gain and an offset."""

    gain: np.ndarray
    """float32 [H, W]"""
    offset: float
    """gray levels"""

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return a picture in this light, float32 [H, W] or [H, W, 3]."""
        gain = self.gain if picture.ndim == 2 else self.gain[..., None]
        lit: np.ndarray = picture * gain + np.float32(self.offset)
        return lit


def fit(original: np.ndarray, copy: np.ndarray, mask: np.ndarray) -> Light | None:
    """Return the light that makes the original the copy, robustly; None where it is the same.

    Parameters
    ----------
    original, copy : float32 [H, W]
        Aligned luma.
    mask : bool [H, W]
        Where they may be believed to show the same; what lies there in parts is left out.
    """
    if mask.sum() < FEWEST:
        return None
    rows, columns = (axis[:: max(1, int(mask.sum()) // SAMPLES)] for axis in np.nonzero(mask))
    a, b = (grading.blurred(luma, 1.0)[rows, columns] for luma in (original, copy))
    before = float(np.minimum(np.abs(a - b), CLIPPED).mean())
    if before < LESS:
        return None
    design = np.hstack([_terms(rows, columns, mask.shape) * a[:, None], np.ones((len(a), 1))])
    weights = np.ones(len(a))
    for _ in range(6):
        weighted = design * weights[:, None]
        left = weighted.T @ design + 1e-3 * len(a) * np.eye(design.shape[1])
        fitted = np.linalg.solve(left, weighted.T @ b)
        off = np.abs(design @ fitted - b)
        weights = grading.trust(off)
    after = float(np.minimum(off, CLIPPED).mean())
    if after > LEFT * before or before - after < LESS:
        return None
    ys, xs = np.indices(mask.shape)
    gain = (_terms(ys.ravel(), xs.ravel(), mask.shape) @ fitted[:-1]).reshape(mask.shape)
    gain = np.clip(gain, 1 / MOST_GAIN, MOST_GAIN)
    return Light(gain.astype(np.float32), float(fitted[-1]))


def _terms(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the terms of a square polynomial at places of a picture, float [N, 6]."""
    y, x = rows / shape[0] * 2 - 1, columns / shape[1] * 2 - 1
    return np.stack([np.ones(len(x)), x, y, x * x, x * y, y * y], 1)
