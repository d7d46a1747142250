"""What re-encoding alone leaves between two aligned pictures, learned from most of the picture.

An encoder errs more where there are edges and motion, less in flat and still places. So what is
expected at a pixel is read from its *activity* (gradient, change in time), by a curve fitted to the
files at hand. What is measured is then said as a multiple of what is expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

BINS = 10
LEAST = 0.6
"""gray levels that are always expected: rounding"""
OUTLYING = 5.0
"""Times a first guess, over which a pixel shows something else."""
FEWEST_PIXELS = 60
"""of a bin"""


@dataclass(frozen=True)
class NoiseFloor:
    """Difference by activity, a rising curve."""

    knots: np.ndarray
    """float [K], activity"""
    values: np.ndarray
    """float [K], gray levels"""

    def __call__(self, activity: np.ndarray) -> np.ndarray:
        """Return what is expected, gray levels, of the shape of `activity`."""
        expected = np.interp(activity, self.knots, self.values)
        # Beyond what was seen, errors grow with activity.
        over = np.maximum(activity / max(float(self.knots[-1]), 1e-6), 1.0)
        grown: np.ndarray = np.maximum(expected * over, LEAST)
        return grown


def activity(luma: np.ndarray, change: np.ndarray | None) -> np.ndarray:
    """Return how much there is to err about, gray levels.

    Parameters
    ----------
    luma : float32 [H, W]
    change : float32 [H, W], optional
        How far the picture is from that of a moment earlier or later, gray levels.
    """
    soft = cv2.GaussianBlur(luma, (0, 0), 0.8)
    dx, dy = cv2.Sobel(soft, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(soft, cv2.CV_32F, 0, 1) / 8
    edges = cv2.GaussianBlur(np.hypot(dx, dy), (0, 0), 1.5)
    if change is None:
        return edges
    moving: np.ndarray = edges + 0.5 * cv2.GaussianBlur(change, (0, 0), 1.5)
    return moving


def fit(activities: Sequence[np.ndarray], differences: Sequence[np.ndarray]) -> NoiseFloor:
    """Return what is expected from pixels that show the same, [N] each. Up to half of them may show
    something else, as where a caption was laid over them: what is far over a first line through all
    of them is left out of the curve."""
    a = np.concatenate([*activities, np.zeros(0)])
    d = np.concatenate([*differences, np.zeros(0)])
    if len(a) < 2 * FEWEST_PIXELS:
        return NoiseFloor(np.array([0.0, 10.0]), np.array([2.0, 6.0]))
    line = _line(a, d)
    kept = d < OUTLYING * np.maximum(line(a), LEAST)
    a, d = a[kept], d[kept]
    edges = np.quantile(a, np.linspace(0, 1, BINS + 1))
    knots, values = [], []
    for low, high in pairwise(edges):
        inside = (a >= low) & (a <= high)
        if inside.sum() >= FEWEST_PIXELS:
            knots.append(float(np.median(a[inside])))
            # Mean of a half-normal from its median, which a few other things don't move.
            values.append(1.18 * float(np.median(d[inside])))
    rising = np.maximum.accumulate(np.array(values))
    return NoiseFloor(np.array(knots) + np.arange(len(knots)) * 1e-6, rising)


def _line(a: np.ndarray, d: np.ndarray) -> NoiseFloor:
    """Return a line through the lower half of what differs."""
    half = a < np.median(a)
    low, high = (float(np.quantile(a[part], 0.5)) for part in (half, ~half))
    ends = [1.5 * float(np.quantile(d[part], 0.35)) for part in (half, ~half)]
    return NoiseFloor(np.array([low, high + 1e-6]), np.array([ends[0], max(ends)]))
