"""Self-blending as its paper does it (Shiohara & Yamasaki, CVPR 2022): fakes made of one original,
under the hull of dense landmarks.

A face is blended with a slightly changed copy of itself: its source or its target is changed in
color and sharpness, the source moved a little, the hull worn at its edge, the two mixed by a drawn
ratio. Beside it two kinds that the paper does not have: the face of a neighboring frame, and the
mouth alone of one, as lip-sync leaves it. Landmarks are MediaPipe's mesh of 478 points (Kartynnik
et al. 2019; Apache-2.0, `detector.models.mesh`).
"""

from __future__ import annotations

import cv2
import numpy as np

from detector.models.mesh import SIDE, Mesh
from detector.training import blend
from detector.training.codec import h264
from detector.training.pasted import QUALITY, MadePair
from detector.training.recipe import MadeKind
from detector.vision.alignment import similarity

Array = np.ndarray
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Points of the mesh about the face."""
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
NOSE, CHIN = 1, 152
FIVE = (468, 473, 1, 61, 291)
"""Eyes, nose and corners of the mouth."""
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
MOVE, GROW = (0.03, 0.015), (0.95, 1 / 0.95)
"""of the source: shares of the side across and down, and times its size"""
APART = 3
"""frames between one and its neighbor"""


def blended(
    pictures: Array, neighbors: Array, mesh: Mesh, kind: MadeKind, rng: np.random.Generator
) -> MadePair | None:
    """Return crops of one face beside the same blended, encoded alike; None where the mesh is not
    found in all of them.

    Parameters
    ----------
    pictures, neighbors : uint8 [T, S, S, 3]
        Of each its neighbor; only looked at for the kinds that use one.
    """
    crf, seed = int(rng.integers(*QUALITY)), int(rng.integers(2**31))
    fakes = []
    for picture, other in zip(pictures, neighbors, strict=True):
        points, theirs = _points(mesh, picture), _points(mesh, other)
        if points is None or theirs is None:
            return None
        source = picture if kind == "self" else _onto(other, theirs, points)
        # What is drawn is alike in all frames: one editor made them.
        fakes.append(_blended(picture, source, points, kind, np.random.default_rng(seed)))
    return MadePair(h264(pictures, crf), h264(np.stack(fakes), crf))


def _points(mesh: Mesh, picture: Array) -> Array | None:
    """Return the mesh of a square about a face, in its px; None where it sees none."""
    found = mesh.points(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    return None if found is None else found * (len(picture) / SIDE)


def _onto(other: Array, theirs: Array, points: Array) -> Array:
    matrix = similarity(theirs[list(FIVE)], points[list(FIVE)])
    side = len(other)
    laid: Array = cv2.warpAffine(other, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return laid


def _blended(
    target: Array, source: Array, points: Array, kind: MadeKind, rng: np.random.Generator
) -> Array:
    weight = _hull(points, len(target), kind, rng)[..., None] * rng.choice(RATIOS)
    if kind == "self":
        if rng.random() < 0.5:
            source = _changed(source, rng)
        else:
            target = _changed(target, rng)
        source = _moved(source, rng)
    elif rng.random() < 0.5:
        source = _changed(source, rng)
    return blend.mixed(target, source, weight)


def _hull(points: Array, side: int, kind: MadeKind, rng: np.random.Generator) -> Array:
    """Return what is blended, float32 [S, S] in 0..1: a hull, deformed, shrunk or grown, soft."""
    if kind == "mouth":
        lips = points[[*LIPS, CHIN]] if rng.random() < 0.5 else points[list(LIPS)]
        chosen = (lips - lips.mean(0)) * rng.uniform(1.1, 1.5) + lips.mean(0)
    else:
        lower = [k for k in OVAL if points[k, 1] > points[NOSE, 1]]
        chosen = points[
            [list(OVAL), [*BROWS, *(k for k in OVAL if points[k, 1] > points[BROWS[0], 1])],
             [*lower, NOSE], [*BROWS, *LIPS, NOSE]][rng.choice(4, p=(0.4, 0.3, 0.15, 0.15))]
        ]  # fmt: skip
    hull = cv2.convexHull(np.round(chosen).astype(np.int32))
    filled: Array = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(filled, hull, 255)
    waves = [
        cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC) * 0.012 * side
        for part in rng.normal(0, 1, (2, 8, 8)).astype(np.float32)
    ]
    down, across = np.mgrid[:side, :side].astype(np.float32)
    filled = cv2.remap(filled, across + waves[0], down + waves[1], cv2.INTER_LINEAR)
    size = max(3, round(side * rng.uniform(0.01, 0.05))) | 1
    worn = cv2.erode if rng.random() < 0.5 else cv2.dilate
    filled = worn(filled, np.ones((size, size), np.uint8))
    soft: Array = cv2.GaussianBlur(filled, (0, 0), side * rng.uniform(0.004, 0.04))
    return soft.astype(np.float32) / 255


def _changed(picture: Array, rng: np.random.Generator) -> Array:
    """Return a picture changed in color, and made less or more sharp, as the paper does it."""
    shown = picture.astype(np.float32) + rng.uniform(-20, 20, 3)
    hsv = cv2.cvtColor(shown.clip(0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV).astype(np.int32)
    hsv += rng.integers(-10, 11, 3) * (1, 2, 2)
    hsv[..., 0] %= 180
    shown = cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    shown = (shown - 128) * rng.uniform(0.9, 1.1) + 128 + rng.uniform(-13, 13)
    out: Array = shown.clip(0, 255).astype(np.uint8)
    side = len(out)
    if rng.random() < 0.5:
        small = side // int(rng.choice([2, 4]))
        less = cv2.resize(out, (small, small), interpolation=cv2.INTER_AREA)
        out = cv2.resize(less, (side, side), interpolation=cv2.INTER_CUBIC)
    else:
        sharp = rng.uniform(0.2, 0.5)
        out = cv2.addWeighted(out, 1 + sharp, cv2.GaussianBlur(out, (0, 0), 1.5), -sharp, 0)
    return out


def _moved(picture: Array, rng: np.random.Generator) -> Array:
    side, grow = len(picture), rng.uniform(*GROW)
    across, down = (rng.uniform(-m, m) * side for m in MOVE)
    middle = (1 - grow) * side / 2
    matrix = np.array([[grow, 0, middle + across], [0, grow, middle + down]])
    moved: Array = cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return moved
