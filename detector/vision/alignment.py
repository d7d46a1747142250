"""Five points of a face moved onto a template, so that faces of all sizes and tilts lie alike."""

from __future__ import annotations

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

# From the mean of 68-point faces (the shape that face-alignment toolkits normalize to): from the
# center of an eye to the outer point of its upper lid, and from a mouth corner to the lip point
# beside it, in distances between the eyes; x to the right of an upright face.
_LID = (0.0725, -0.0703)
_UPPER_LIP = (0.1641, -0.0658)
_LOWER_LIP = (0.1586, 0.1598)


def align(rgb: np.ndarray, landmarks: Sequence[Point], recipe: CropRecipe) -> np.ndarray:
    """Return the face under `landmarks`, moved onto the recipe's template by a similarity.

    A `native` recipe's is turned upright and hardly resized, robustly, as GenD does it (source:
    github.com/yermandy/GenD at e03532d, detector.py, MIT).

    Parameters
    ----------
    rgb : uint8 array [H, W, 3]
    landmarks : sequence of 5 Point
        Centers of the eyes, nose, corners of the mouth, in pixels.
    recipe : CropRecipe

    Returns
    -------
    uint8 array [S, S, 3]
        S is the recipe's size, or as large as the face is; bilinear, black where it leaves the
        frame.

    Raises
    ------
    ValueError
        If there are not five finite landmarks that differ.
    """
    points = five_points(landmarks, recipe)
    size, matrix = recipe.size, None
    if recipe.native:
        from scipy.spatial.distance import pdist  # a tenth of a second

        # Distances between the points stay about as they are.
        growth = (pdist(points) / pdist(np.array(TEMPLATES[recipe.template]))).mean()
        size = max(1, round(float(growth) * recipe.scale))
        # The similarity with the smallest median error: one point that is far off does not count.
        matrix, _ = cv2.estimateAffinePartial2D(
            points.astype(np.float32), goal(recipe, size).astype(np.float32), method=cv2.LMEDS
        )
    if matrix is None:
        matrix = similarity(points, goal(recipe, size))
    return cv2.warpAffine(rgb, matrix, (size, size), flags=cv2.INTER_LINEAR)


def five_points(landmarks: Sequence[Point], recipe: CropRecipe) -> np.ndarray:
    """Return the landmarks as the points that the recipe's template is of: float64 [5, 2].
    ValueError as of `align`."""
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all() or np.ptp(points) == 0:
        raise ValueError(f"an alignment takes five landmarks, got {landmarks}")
    return to_dlib(points) if recipe.landmarks == "dlib" else points


def goal(recipe: CropRecipe, size: int) -> np.ndarray:
    """Where the template's points lie in a picture of `size` px: [5, 2]."""
    margin = (recipe.scale - 1) / 2
    return (np.array(TEMPLATES[recipe.template]) + margin) * size / recipe.scale


def similarity(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Return the shift, turn and scale that moves points nearest to others in least squares, as a
    matrix [2, 3]."""
    # A turn with a scale is one complex factor.
    source, target = points @ (1, 1j), onto @ (1, 1j)
    centered = source - source.mean()
    factor = (centered.conj() @ (target - target.mean())) / (centered.conj() @ centered).real
    shift = target.mean() - factor * source.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def to_dlib(points: np.ndarray) -> np.ndarray:
    """About where dlib's parts 37, 44, 30, 49 and 55 are, given eye centers and mouth corners."""
    face = points @ (1, 1j)
    across = face[1] - face[0]
    # Mirrored for the right eye; the two lip points are not each other's mirror.
    other_lid, lower_lip = (-_LID[0], _LID[1]), (-_LOWER_LIP[0], _LOWER_LIP[1])
    offsets = np.array([other_lid, _LID, (0, 0), _UPPER_LIP, lower_lip]) @ (1, 1j)
    moved = face + offsets * across
    return np.stack([moved.real, moved.imag], 1)
