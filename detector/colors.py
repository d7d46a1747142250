"""Color histograms of frames and their affinity, for cut detection and face tracking."""

import cv2
import numpy as np

CUT = 0.75
"""Color affinity of two frames below which there is a cut between them. Frames of one shot 2.8 s
apart have 0.80 or more (90 clips), 99 of 100 frames of different clips 0.74 or less."""


def small(rgb: np.ndarray) -> np.ndarray:
    """Return a frame reduced to 64x36, by averaging a subset of its pixels."""
    # Every n-th pixel first: averaging a 4K frame in full takes as long as detecting its faces.
    step = max(1, min(rgb.shape[:2]) // 144)
    # By channel: NumPy copies three bytes a pixel slowly.
    some = cv2.merge([rgb[::step, ::step, channel] for channel in range(3)])
    return cv2.resize(some, (64, 36), interpolation=cv2.INTER_AREA)


def of(rgb: np.ndarray) -> np.ndarray:
    """Return the square roots of a color histogram (CIELAB, 8 bins an axis), of norm 1."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    # Chroma beyond +-64 is rare; 8 bins over the whole range would leave four empty.
    lab[..., 1:] = lab[..., 1:].clip(64, 191)
    counts = cv2.calcHist([lab], [0, 1, 2], None, [8, 8, 8], [0, 256, 64, 192, 64, 192])
    histogram: np.ndarray = np.sqrt(counts.ravel() / (rgb.shape[0] * rgb.shape[1]))
    return histogram


def affinity(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Bhattacharyya coefficient: 1 for the same colors, 0 for none in common."""
    return float(a @ b)
