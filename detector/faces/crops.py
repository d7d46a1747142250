"""Cutting a face out of a frame, as the model it is for was trained on.

One function. Training and inference both call it, so that a model sees in use what it saw in
training.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from detector.models.base import CropRecipe
from detector.results import Box


def cut(rgb: np.ndarray, box: Box, recipe: CropRecipe) -> np.ndarray:
    """Cut one face by a recipe.

    The square stands about the centre of the box, its side is `recipe.scale` times the longer
    side of the box. Side and corner are rounded to whole pixels (half up), so the centre of the
    crop is at most half a pixel beside that of the box, and the pixels of the frame are
    interpolated once, by the resize.

    Parameters
    ----------
    rgb : uint8 array [H, W, 3]
        The upright frame.
    box : Box
        x0, y0, x1, y1 in pixels; may reach past the frame. Ignored by recipes of kind "whole".
    recipe : CropRecipe
        "area" averages where it shrinks and is bilinear where it grows; "bilinear" is never
        antialiased; "nearest" takes the pixel under each output pixel's centre (as Pillow does).

    Returns
    -------
    uint8 array [size, size, 3]
        Contiguous.

    Raises
    ------
    ValueError
        If the frame is empty or not uint8 RGB, or the box is not finite or has no area.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"a frame is uint8 [H, W, 3], got {rgb.dtype} {list(rgb.shape)}")
    patch = rgb if recipe.kind == "whole" else _square(rgb, box, recipe)
    return _resize(patch, recipe.size, recipe.resize)


def _square(rgb: np.ndarray, box: Box, recipe: CropRecipe) -> np.ndarray:
    x0, y0, x1, y1 = (float(value) for value in box)
    longer = max(x1 - x0, y1 - y0)
    if not math.isfinite(x0 + y0 + x1 + y1) or longer <= 0:
        raise ValueError(f"a box is finite and has an area, got {box}")
    side = max(1, _round(recipe.scale * longer))
    left = _round((x0 + x1 - side) / 2)
    top = _round((y0 + y1 - side) / 2)
    height, width = rgb.shape[:2]
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        return rgb[top : top + side, left : left + side]
    rows = np.arange(top, top + side)
    columns = np.arange(left, left + side)
    if recipe.border == "replicate":
        return rgb[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
    patch = np.zeros((side, side, 3), np.uint8)
    inside_rows = (rows >= 0) & (rows < height)
    inside_columns = (columns >= 0) & (columns < width)
    if inside_rows.any() and inside_columns.any():
        patch[np.ix_(inside_rows, inside_columns)] = rgb[
            max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)
        ]
    return patch


def _resize(patch: np.ndarray, size: int, how: str) -> np.ndarray:
    height, width = patch.shape[:2]
    if (height, width) == (size, size):
        return np.ascontiguousarray(patch)
    if how == "nearest":
        return cv2.resize(patch, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    if how == "area":
        # OpenCV's INTER_AREA averages only if no axis grows: shrink first, grow what is left.
        smaller = (min(width, size), min(height, size))
        if smaller != (width, height):
            patch = cv2.resize(patch, smaller, interpolation=cv2.INTER_AREA)
        if smaller == (size, size):
            return patch
    return cv2.resize(patch, (size, size), interpolation=cv2.INTER_LINEAR)


def _round(value: float) -> int:
    return math.floor(value + 0.5)
