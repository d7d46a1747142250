"""What was done to brightness, color and sharpness, so that it can be undone before measuring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from detector.schema.comparison import Grading

SAMPLES = 20_000
"""pixels that colors are fitted on"""
KNOTS, WIDEST, FEWEST = 12, 24.0, 20
"""Of the curve of each channel: as many of equal pixels, each where so many pixels tell of it. Of a
graded copy so many gray levels from one to the next at most: of what is dark or light in faces
alone there are few pixels."""
GRADED, MIXED, CLIPPED = 0.95, 0.85, 20.0
"""Times the error of colors as they are, under which they were changed; times that of curves alone,
under which channels are mixed; gray levels of error that count at most."""
ENCODERS, SOME = 7.0, 0.1
"""Gray levels by which encoders move colors on the average (matrix and range read wrong): over it,
a copy is graded, as it is where they move twice as far in this share of the picture."""
BLURS = (0.0, 0.5, 0.8, 1.1, 1.5, 2.0, 2.7, 3.5)
"""px of the Gaussians that sharpness is matched with"""
FLAT, MOST_GAIN = 2.0, 4.0
"""Gray levels of deviation under which a picture is flat, and the most that contrast may differ."""


@dataclass(frozen=True)
class Colors:
    """A map of colors: a matrix, then a curve for each channel."""

    matrix: np.ndarray
    """float [3, 4]: of (R, G, B, 1) to R, G, B"""
    knots: np.ndarray
    """float [3, K]: where the curves are known, gray levels"""
    values: np.ndarray
    """float [3, K]: what they give there"""

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return a picture with these colors, float32 [..., 3]."""
        flat = rgb.reshape(-1, 3).astype(np.float32)
        mixed = flat  # as most copies have it
        if not np.array_equal(self.matrix, UNCHANGED.matrix):
            mixed = flat @ self.matrix[:, :3].T.astype(np.float32) + self.matrix[:, 3]
        columns = [np.interp(mixed[:, c], self.knots[c], self.values[c]) for c in range(3)]
        return np.stack(columns, 1).astype(np.float32).reshape(rgb.shape)


UNCHANGED = Colors(
    np.eye(3, 4), np.tile(np.array([0.0, 255.0]), (3, 1)), np.tile(np.array([0.0, 255.0]), (3, 1))
)


def fit(originals: np.ndarray, copies: np.ndarray) -> Colors:
    """Return the colors that make the original's pixels the copy's, robustly.

    Parameters
    ----------
    originals, copies : [N, 3]
        The same pixels of both; a share of them may show something else.
    """
    if len(originals) < 200:
        return UNCHANGED
    step = max(1, len(originals) // SAMPLES)
    a, b = originals[::step].astype(float), copies[::step].astype(float)
    found = _best(a, b, 255.0)
    return _best(a, b, WIDEST) if _moves(found, a) else found


def _best(a: np.ndarray, b: np.ndarray, widest: float) -> Colors:
    """Return the colors that make pixels [N, 3] others, with knots as far apart as `widest`."""
    # Most copies are not graded, and what lies over a part of the picture bends curves. Where one
    # is, it is mostly by a curve for each channel; they are mixed only where that fits better.
    plain = np.eye(3, 4)
    fits = [_curves(a, b, matrix, widest) for matrix in (plain, _matrix(a, b))]

    def error(colors: Colors) -> float:
        return float(np.minimum(np.abs(colors(a) - b), CLIPPED).mean())

    best = fits[1] if error(fits[1]) < MIXED * error(fits[0]) else fits[0]
    return best if error(best) < GRADED * error(UNCHANGED) else UNCHANGED


def _moves(colors: Colors, pixels: np.ndarray) -> bool:
    """Whether colors do more to pixels [N, 3] than encoders."""
    moved = np.abs(colors(pixels) - pixels).mean(1)
    return bool(moved.mean() > ENCODERS or np.quantile(moved, 1 - SOME) > 2 * ENCODERS)


def _matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the matrix [3, 4] from colors to colors, by weights that leave out what is far off."""
    design = np.hstack([a, np.ones((len(a), 1))])
    weights = np.ones(len(a))
    # A gray picture doesn't tell its channels apart: what it doesn't tell stays as it was.
    prior = np.eye(3, 4)
    ridge = np.diag([3.0, 3.0, 3.0, 0.03]) * len(a)
    matrix = prior
    for _ in range(8):
        weighted = design * weights[:, None]
        left = weighted.T @ design + ridge * weights.mean()
        right = weighted.T @ b + ridge @ prior.T * weights.mean()
        matrix = np.linalg.solve(left, right).T
        weights = trust(np.abs(design @ matrix.T - b).max(1))
    return matrix


def trust(off: np.ndarray) -> np.ndarray:
    """Return weights, 0..1, of what is so many gray levels off a fit, for the next one."""
    scale = max(1.0, 1.5 * float(np.median(off)))
    weights: np.ndarray = np.minimum(1.0, (scale / np.maximum(off, 1e-6)) ** 2)
    return weights


def _curves(a: np.ndarray, b: np.ndarray, matrix: np.ndarray, widest: float) -> Colors:
    """Return a matrix with the curves that fit best after it."""
    mixed = a @ matrix[:, :3].T + matrix[:, 3]
    knots, values = zip(*(_curve(mixed[:, c], b[:, c], widest) for c in range(3)), strict=True)
    return Colors(matrix, np.array(knots), np.array(values))


def _curve(given: np.ndarray, wanted: np.ndarray, widest: float) -> tuple[np.ndarray, np.ndarray]:
    """Return knots and values of a rising curve through medians."""
    knots, values = [], []
    for low, high in _pieces(given, widest):
        inside = (given >= low) & (given <= high)
        if inside.sum() >= FEWEST:
            knots.append(float(np.median(given[inside])))
            values.append(float(np.median(wanted[inside])))
    if not knots:
        knots, values = [128.0], [128.0]
    xs, ys = np.array(knots), np.maximum.accumulate(np.array(values))
    # Beyond what was seen it goes on in parallel to no change; ties would make it jump.
    below, above = min(0.0, xs[0] - 1), max(255.0, xs[-1] + 1)
    xs = np.concatenate([[below], xs, [above]]) + np.arange(len(xs) + 2) * 1e-6
    ys = np.concatenate([[ys[0] + below - xs[1]], ys, [ys[-1] + above - xs[-2]]])
    short = KNOTS + math.ceil(255 / WIDEST) + 2 - len(xs)
    return np.pad(xs, (0, short), mode="edge"), np.pad(ys, (0, short), mode="edge")


def _pieces(given: np.ndarray, widest: float) -> list[tuple[float, float]]:
    """Return the ranges of gray levels that get a knot each."""
    if not len(given):
        return []
    found: list[tuple[float, float]] = []
    for low, high in pairwise(np.quantile(given, np.linspace(0, 1, KNOTS + 1))):
        parts = max(1, math.ceil((high - low) / widest))
        found += pairwise(np.linspace(low, high, parts + 1))
    return found


def described(colors: Colors, originals: np.ndarray) -> Grading:
    """Return gains and offsets, and whether they do more to these pixels [N, 3] than encoders."""
    pixels = originals[:: max(1, len(originals) // SAMPLES)].astype(np.float32)
    if len(pixels) < 2:
        return Grading()
    graded = colors(pixels)
    gains, offsets = [], []
    for c in range(3):
        x, y = pixels[:, c] - pixels[:, c].mean(), graded[:, c] - graded[:, c].mean()
        gain = float((x * y).sum() / max(1e-6, (x * x).sum())) if x.std() > 1 else 1.0
        gains.append(round(gain, 3))
        offsets.append(round(float(graded[:, c].mean() - gain * pixels[:, c].mean()), 1))
    return Grading(
        gain=(gains[0], gains[1], gains[2]),
        offset=(offsets[0], offsets[1], offsets[2]),
        graded=_moves(colors, pixels),
    )


def softer(original: np.ndarray, copy: np.ndarray, mask: np.ndarray) -> float:
    """Return by how much the copy is softer, px of a Gaussian; below 0 where it is sharper.

    Parameters
    ----------
    original, copy : float32 [H, W]
        Aligned luma.
    mask : bool [H, W]
        Where they show the same.
    """
    if mask.sum() < 200:
        return 0.0

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(one - other)[mask].mean())

    of_original = [apart(blurred(original, s), copy) for s in BLURS]
    of_copy = [apart(original, blurred(copy, s)) for s in BLURS]
    if min(of_original) <= min(of_copy):
        return BLURS[int(np.argmin(of_original))]
    return -BLURS[int(np.argmin(of_copy))]


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Return a picture softened by a Gaussian of so many px."""
    if sigma <= 0:
        return picture
    result: np.ndarray = cv2.GaussianBlur(picture, (0, 0), sigma)
    return result


def brightness(levels: np.ndarray, to: np.ndarray) -> tuple[float, float]:
    """Return the gain and offset by which gray levels [N] become others [N] where most of them do:
    what is laid over a part of the picture pulls neither."""
    step = max(1, len(levels) // SAMPLES)
    levels, to = levels[::step], to[::step]
    gain, offset = 1.0, float(np.median(to) - np.median(levels))
    for _ in range(3):
        middle, of_other = levels.mean(), to.mean()
        centered = levels - middle
        spread = float(np.sqrt(np.mean(centered * centered)))
        if spread < FLAT:
            break
        slope = float(np.mean(centered * (to - of_other))) / spread**2
        gain = min(max(slope, 1 / MOST_GAIN), MOST_GAIN)
        offset = float(of_other - gain * middle)
        off = np.abs(gain * levels + offset - to)
        most = int(0.8 * (len(off) - 1))
        kept = off <= np.partition(off, most)[most]
        levels, to = levels[kept], to[kept]
    return gain, offset
