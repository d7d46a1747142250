"""Face alignment: crops by five landmarks, normalized for size and tilt."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from detector.models.base import CropRecipe
from detector.schema.analysis import Point

TEMPLATES: dict[str, tuple[Point, ...]] = {
    # ArcFace's five points for 112 px (Deng et al. 2019), 8 px to the right as InsightFace has it.
    "arcface": tuple(
        (x / 112, y / 112)
        for x, y in (
            (38.2946, 51.6963),
            (73.5318, 51.5014),
            (56.0252, 71.7366),
            (41.5493, 92.3655),
            (70.7299, 92.2041),
        )
    ),
    # github.com/yermandy/GenD, src/retinaface.py
    "gend": ((0.34, 0.46), (0.66, 0.46), (0.5, 0.64), (0.37, 0.82), (0.63, 0.82)),
}
"""Left eye, right eye, nose, left and right mouth corner in a unit square."""

CENTER = (56 / 112, 64 / 112)  # Of an upright crop, in the template's square
WIDE, WIDE_SIDE = 235 / 112, 320
"""Side of the first cut of an upright crop: in template squares, and px."""

# From the mean of 68-point faces (the shape that face-alignment toolkits normalize to): from the
# center of an eye to the outer point of its upper lid, and from a mouth corner to the lip point
# beside it, in eye distances; x to the right of an upright face.
_LID = (0.0725, -0.0703)
_UPPER_LIP = (0.1641, -0.0658)
_LOWER_LIP = (0.1586, 0.1598)


def align(rgb: np.ndarray, landmarks: Sequence[Point], recipe: CropRecipe) -> np.ndarray:
    """Return the face with five landmarks (centers of the eyes, nose, corners of the mouth, px)
    mapped onto the recipe's template by a similarity transform: uint8 [S, S, 3], bilinear, black
    beyond the frame. Raise ValueError without five finite, distinct landmarks.

    A `native` recipe is aligned near the face's own size by a robust fit, as in GenD
    (github.com/yermandy/GenD at e03532d, detector.py, MIT)."""
    points = five_points(landmarks, recipe)
    size, matrix = recipe.size, None
    if recipe.native:
        from scipy.spatial.distance import pdist  # a tenth of a second

        # Keeps the distances between the points.
        growth = (pdist(points) / pdist(np.array(TEMPLATES[recipe.template]))).mean()
        size = max(1, round(float(growth) * recipe.scale))
        # The similarity with the smallest median error: a single outlier does not count.
        matrix, _ = cv2.estimateAffinePartial2D(
            points.astype(np.float32), goal(recipe, size).astype(np.float32), method=cv2.LMEDS
        )
    if matrix is None:
        matrix = similarity(points, goal(recipe, size))
    return cv2.warpAffine(rgb, matrix, (size, size), flags=cv2.INTER_LINEAR)


def upright(rgb: np.ndarray, landmarks: Sequence[Point], recipe: CropRecipe) -> np.ndarray:
    """Return the square around a face without rotation, uint8 [size, size, 3]; landmarks and
    ValueError as `align`.

    Resampled in two steps, as in training: a wide square of `WIDE_SIDE` px (area averaging where it
    shrinks by more than a fifth, else cubic; reflected beyond the frame), then its middle."""
    x, y, unit = placement(five_points(landmarks, recipe), recipe)
    wide = wide_square(rgb, x, y, WIDE * unit)
    side = WIDE_SIDE * recipe.scale / WIDE
    grow = recipe.size / side
    # Pixel centers of the middle square onto those of the crop.
    shift = grow * (0.5 - (WIDE_SIDE - side) / 2) - 0.5
    matrix = np.array([[grow, 0, shift], [0, grow, shift]])
    size = (recipe.size, recipe.size)
    return cv2.warpAffine(
        wide, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def placement(points: np.ndarray, recipe: CropRecipe) -> tuple[float, float, float]:
    """Return center x, y (`CENTER` of the template) and side, px, of the template's square around a
    face; the rotation of the fitted similarity moves the center and is then dropped."""
    template = np.array(TEMPLATES[recipe.template])
    matrix = similarity(template, points)
    x, y = matrix @ (*CENTER, 1.0)
    return float(x), float(y), max(float(np.hypot(*matrix[:, 0])), 1e-3)


def wide_square(rgb: np.ndarray, x: float, y: float, side: float) -> np.ndarray:
    """Return a reflected square at x, y of `side` px as uint8 [WIDE_SIDE, WIDE_SIDE, 3]."""
    left, top = x - side / 2, y - side / 2
    grow, flags = WIDE_SIDE / side, cv2.INTER_CUBIC
    if side > 1.25 * WIDE_SIDE:
        rows, columns = rgb.shape[:2]
        x0, y0 = max(0, math.floor(left - 4)), max(0, math.floor(top - 4))
        x1 = min(columns, math.ceil(left + side + 4))
        y1 = min(rows, math.ceil(top + side + 4))
        if min(x1 - x0, y1 - y0) < 8:
            return np.zeros((WIDE_SIDE, WIDE_SIDE, 3), np.uint8)
        size = max(1, round((x1 - x0) * grow)), max(1, round((y1 - y0) * grow))
        rgb = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        across, down = size[0] / (x1 - x0), size[1] / (y1 - y0)
        matrix = np.array([[1, 0, (x0 - left) * across], [0, 1, (y0 - top) * down]], np.float32)
        flags = cv2.INTER_LINEAR
    else:
        matrix = np.array([[grow, 0, -left * grow], [0, grow, -top * grow]], np.float32)
    wide = (WIDE_SIDE, WIDE_SIDE)
    return np.asarray(
        cv2.warpAffine(rgb, matrix, wide, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    )


def five_points(landmarks: Sequence[Point], recipe: CropRecipe) -> np.ndarray:
    """Return the landmarks as the recipe's points, float64 [5, 2]; ValueError as `align`."""
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all() or np.ptp(points) == 0:
        raise ValueError(f"an alignment takes five landmarks, got {landmarks}")
    return to_dlib(points) if recipe.landmarks == "dlib" else points


def goal(recipe: CropRecipe, size: int) -> np.ndarray:
    """Return the template's points in a picture of `size` px: [5, 2]."""
    margin = (recipe.scale - 1) / 2
    return (np.array(TEMPLATES[recipe.template]) + margin) * size / recipe.scale


def similarity(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Return the least-squares similarity between points, a matrix [2, 3]."""
    # A turn with a scale is one complex factor.
    source, target = points @ (1, 1j), onto @ (1, 1j)
    centered = source - source.mean()
    factor = (centered.conj() @ (target - target.mean())) / (centered.conj() @ centered).real
    shift = target.mean() - factor * source.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def to_dlib(points: np.ndarray) -> np.ndarray:
    """Return the approximate positions of dlib's landmarks 37, 44, 30, 49 and 55, given eye centers
    and mouth corners."""
    face = points @ (1, 1j)
    across = face[1] - face[0]
    # Mirrored for the right eye; the two lip points are not symmetric.
    other_lid, lower_lip = (-_LID[0], _LID[1]), (-_LOWER_LIP[0], _LOWER_LIP[1])
    offsets = np.array([other_lid, _LID, (0, 0), _UPPER_LIP, lower_lip]) @ (1, 1j)
    moved = face + offsets * across
    return np.stack([moved.real, moved.imag], 1)
