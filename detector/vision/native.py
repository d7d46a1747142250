"""Five points onto a template as GenD does it: robustly, and as large as the face is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from detector.models.base import CropRecipe
from detector.schema.analysis import Point
from detector.vision.alignment import TEMPLATES, five_points, goal, similarity, warp


def align_native(rgb: np.ndarray, landmarks: Sequence[Point], recipe: CropRecipe) -> np.ndarray:
    """Return the face under `landmarks`, turned upright and hardly resized.

    Source: github.com/yermandy/GenD at e03532d, detector.py (MIT).

    Parameters
    ----------
    rgb : uint8 array [H, W, 3]
    landmarks : sequence of 5 Point
        Centers of the eyes, nose, corners of the mouth, in pixels.
    recipe : CropRecipe

    Returns
    -------
    uint8 array [S, S, 3]
        S as in `native_size`; bilinear, black where it leaves the frame.

    Raises
    ------
    ValueError
        If there are not five finite landmarks that differ.
    """
    points = five_points(landmarks, recipe)
    size = native_size(points, recipe)
    onto = goal(recipe, size)
    # The similarity with the smallest median error: one point that is far off does not count.
    matrix, _ = cv2.estimateAffinePartial2D(
        points.astype(np.float32), onto.astype(np.float32), method=cv2.LMEDS
    )
    return warp(rgb, similarity(points, onto) if matrix is None else matrix, size)


def native_size(points: np.ndarray, recipe: CropRecipe) -> int:
    """Side of the picture in which distances between the points stay about as they are, px."""
    template = np.array(TEMPLATES[recipe.template])
    pairs = list(itertools.combinations(range(5), 2))

    def distances(of: np.ndarray) -> np.ndarray:
        return np.array([np.linalg.norm(of[a] - of[b]) for a, b in pairs])

    return max(1, round(float((distances(points) / distances(template)).mean()) * recipe.scale))
