"""Pseudo-fakes of originals.

A region of the face is blended with the same picture changed a little (self-blended images,
Shiohara and Yamasaki 2022), with another frame of the clip, or with another person's face.
"""

import cv2
import numpy as np
from scipy.special import expit

from detector.training import augment
from detector.vision.alignment import TEMPLATES

TEMPLATE = np.array(TEMPLATES["arcface"]) * 112  # Landmarks in template units
SAME, FRAME, PERSON = 0, 1, 2
"""What is blended in: the picture itself, another frame of the clip, another person."""

# Outlines of regions in template units, clockwise.
_JAW = [
    (8, 50), (9, 64), (11, 77), (15, 89), (22, 100), (32, 109), (43, 116), (56, 119), (69, 116),
    (80, 109), (90, 100), (97, 89), (101, 77), (103, 64), (104, 50),
]  # fmt: skip
_FACE = [*_JAW, (97, 34), (84, 27), (70, 26), (56, 28), (42, 26), (28, 27), (15, 34)]
_HEAD = [*_JAW, (100, 30), (88, 12), (72, 3), (56, 0), (40, 3), (24, 12), (12, 30)]
_INNER = [
    (22, 48), (22, 70), (28, 90), (40, 104), (56, 108), (72, 104), (84, 90), (90, 70), (90, 48),
    (76, 40), (56, 42), (36, 40),
]  # fmt: skip
_LOWER = [
    (12, 72), (16, 90), (23, 101), (33, 110), (44, 116), (56, 118), (68, 116), (79, 110),
    (89, 101), (96, 90), (100, 72), (80, 68), (66, 62), (56, 58), (46, 62), (32, 68),
]  # fmt: skip
_MOUTH = [
    (34, 92), (40, 102), (48, 108), (56, 110), (64, 108), (72, 102), (78, 92), (70, 84), (62, 80),
    (56, 79), (50, 80), (42, 84),
]  # fmt: skip
_EYES = [
    (16, 48), (22, 60), (36, 64), (50, 62), (56, 60), (62, 62), (76, 64), (90, 60), (96, 48),
    (88, 36), (70, 34), (56, 38), (42, 34), (24, 36),
]  # fmt: skip
_NOSE_MOUTH = [
    (44, 60), (36, 80), (32, 94), (42, 106), (56, 110), (70, 106), (80, 94), (76, 80), (68, 60),
    (56, 46),
]  # fmt: skip
OUTLINES = [_FACE, _FACE, _HEAD, _INNER, _INNER, _LOWER, _MOUTH, _EYES, _NOSE_MOUTH]
SPEAKING = (5, 6, 8)  # Outlines of what moves in speech


def affine(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Return the affine map [2, 3] that moves points [N, 2] onto others, least squares."""
    rows = np.column_stack([points, np.ones(len(points))])
    return np.asarray(np.linalg.lstsq(rows, onto, rcond=None)[0].T)


def _moved(picture: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Resample a picture so that what is at p comes to affine(p)."""
    return augment.resample(picture, cv2.invertAffineTransform(affine), len(picture))


def _mask(
    outline: list[tuple[int, int]], points: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw a soft mask of an outline about landmarks, float32 [size, size]."""
    shape, unit = np.array(outline, float), size / 224
    middle = shape.mean(0)
    stretch = rng.uniform(0.8, 1.12) * (1 + 0.08 * rng.standard_normal(2))
    shape = middle + (shape - middle) * stretch + 1.2 * rng.standard_normal(shape.shape)
    shape = cv2.transform(shape[None], affine(TEMPLATE, points))
    filled = cv2.fillPoly(np.zeros((size, size), np.uint8), [shape[0].round().astype(np.int32)], 1)
    inside, outside = (cv2.distanceTransform(x, cv2.DIST_L2, 5) for x in (filled, 1 - filled))
    bend = rng.standard_normal((6, 6), np.float32) * rng.uniform(0, 7) * unit
    distance = inside - outside + cv2.resize(bend, (size, size), interpolation=cv2.INTER_CUBIC)
    edge, soft = rng.uniform(-2, 6) * unit, np.exp(rng.uniform(*np.log([0.8, 9]))) * unit
    return np.asarray(expit((distance - edge) / soft * 2), np.float32)


def pseudo(
    base: np.ndarray, points: np.ndarray, other: np.ndarray, theirs: np.ndarray, kind: int,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Blend something into the face of an original: for kinds `FRAME` and `PERSON` another face.
    `points` and `theirs` are the landmarks of both, float [5, 2], px."""
    size = len(base)
    which = int(rng.integers(len(OUTLINES)))
    if kind == FRAME and rng.random() < 0.7:
        which = int(rng.choice(SPEAKING))
    mask = _mask(OUTLINES[which], points, size, rng)
    source = target = base
    if kind != SAME:
        source = _moved(other, affine(theirs, points))
    if kind == PERSON:
        matched = _matched(source, base, (mask > 0.5).astype(np.uint8))
        source = cv2.addWeighted(matched, 1 - (own := rng.uniform(0, 0.25)), source, own, 0)
    if rng.random() < 0.75:
        source = _changed(source, rng)
    else:
        target = _changed(target, rng)
    scale = rng.uniform(0.96, 1.04, 2)
    shift = 0.015 * size * rng.uniform(-1, 1, 2) + points.mean(0) * (1 - scale)
    source = _moved(source, np.column_stack([np.diag(scale), shift]))
    ratio = 1.0 if kind == PERSON else rng.choice([0.4, 0.6, 0.8, 1, 1, 1])
    weight = (mask * np.float32(ratio))[..., None]
    return np.asarray((weight * source + (1 - weight) * target).round().astype(np.uint8))


def _matched(source: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give the source the target's mean and deviation of colors under the mask."""
    (mean, spread), (goal, goal_spread) = (cv2.meanStdDev(x, mask=mask) for x in (source, target))
    gain = goal_spread / np.maximum(spread, 1)
    return np.asarray(
        cv2.transform(source, np.column_stack([np.diag(gain[:, 0]), goal - gain * mean]))
    )


def _changed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change color, sharpness, size and compression a little."""
    x: np.ndarray = picture
    if rng.random() < 0.75:
        x = augment.color(x, 0.14, rng)
    if rng.random() < 0.35:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.8))
    if rng.random() < 0.3:
        x = augment.sharpen(x, rng.uniform(0.3, 1.2))
    if rng.random() < 0.35:
        x = augment.shrink(x, rng.uniform(0.35, 0.8), rng)
    if rng.random() < 0.25:
        x = augment.shifted_jpeg(x, rng.uniform(40, 90), rng)
    return x
