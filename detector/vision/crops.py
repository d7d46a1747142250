"""Face cropping by a model's recipe; the same function serves training and inference."""

import math
from collections.abc import Sequence

import numpy as np

from detector.models.base import Border, CropRecipe
from detector.models.pictures import fit, roughly
from detector.schema.analysis import Box, Point
from detector.vision.alignment import align, upright

# BlazeFace's boxes are squares between brows and chin. On 70 faces of as many clips its side was
# .82 of the height of MTCNN's box (deviation .05), its center .10 of it lower (.03).
# On 90 faces that all three find, the other way round: BlazeFace's side is 1.20 (deviation .07) of
# MTCNN's height, YuNet's .96 (.05).
CONVERSIONS = {
    ("mtcnn", "blazeface"): (0.82, 0.10),
    ("blazeface", "mtcnn"): (1.20, -0.11),
    ("yunet", "mtcnn"): (0.96, 0.0),
    ("yunet", "blazeface"): (0.79, 0.10),
}
"""(from, to) detector -> side of the square and its shift down, in heights of the source box."""


def cut(
    rgb: np.ndarray,
    box: Box,
    recipe: CropRecipe,
    landmarks: Sequence[Point] | None = None,
    detector: str | None = None,
) -> np.ndarray:
    """Crop one face from an upright uint8 [H, W, 3] frame by a recipe: contiguous uint8 [size,
    size, 3], or [size, 2 * size, 3] for a recipe with `around`; for a recipe that is not `final`,
    the input of the model's own resize.

    The square is centered on the box, which may reach past the frame, with a side of `recipe.scale`
    times the longer one; both are rounded to whole pixels (half up), and pixels are interpolated
    once, by the resize. Recipes of kind "points" and "upright" use the `landmarks` instead. A box
    of another `detector` than the recipe's is converted. Raise ValueError for another kind of
    frame, a box without an area, or missing landmarks."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"a frame is uint8 [H, W, 3], got {rgb.dtype} {list(rgb.shape)}")
    if detector is not None:
        box = box_for(recipe, box, detector)
    if recipe.kind == "points":
        patch = align(rgb, landmarks or (), recipe)
    elif recipe.kind == "upright":
        patch = upright(rgb, landmarks or (), recipe)
    elif recipe.kind == "box":
        patch = _widened(rgb, box, recipe)
    else:
        patch = rgb if recipe.kind == "whole" else _square(rgb, box, recipe)
    crop = fit(patch, recipe) if recipe.final else roughly(patch, recipe)
    if not recipe.around:
        return crop
    surroundings = CropRecipe(
        scale=recipe.around, size=recipe.size, border="inside", resize="area-cubic"
    )
    return np.concatenate([crop, cut(rgb, box, surroundings)], 1)


def box_for(recipe: CropRecipe, box: Box, detector: str = "mtcnn") -> Box:
    """Convert a box of `detector` to the box of the recipe's detector."""
    if recipe.kind != "box" or (detector, recipe.boxes) not in CONVERSIONS:
        return box
    side, down = CONVERSIONS[detector, recipe.boxes]
    x0, y0, x1, y1 = _checked(box)
    half = side * (y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 + down * (y1 - y0)
    return x - half, y - half, x + half, y + half


def _widened(rgb: np.ndarray, box: Box, recipe: CropRecipe) -> np.ndarray:
    x0, y0, x1, y1 = _checked(box)
    left, top, right, bottom = recipe.margins
    if recipe.margin_of == "height":
        # As BlazeFace's crops are: the smallest is rounded (half to even), the top is twice that.
        unit = min((m for m in recipe.margins if m), default=1.0)
        step = round(unit * (y1 - y0))
        left, top, right, bottom = (step * m / unit for m in recipe.margins)
        edges = x0 - left, y0 - top, x1 + right, y1 + bottom
    else:
        width, height = x1 - x0, y1 - y0
        edges = x0 - left * width, y0 - top * height, x1 + right * width, y1 + bottom * height
        # Outward to whole pixels, plus one at the far ends, as where margins are fractions.
        edges = (*edges[:2], edges[2] + 1, edges[3] + 1)
    rows, columns = rgb.shape[:2]
    # A box outside the frame still gets the nearest pixel.
    low = min(max(int(edges[0]), 0), columns - 1), min(max(int(edges[1]), 0), rows - 1)
    high = max(min(int(edges[2]), columns), low[0] + 1), max(min(int(edges[3]), rows), low[1] + 1)
    return rgb[low[1] : high[1], low[0] : high[0]]


def _checked(box: Box) -> Box:
    x0, y0, x1, y1 = (float(value) for value in box)
    if not math.isfinite(x0 + y0 + x1 + y1) or max(x1 - x0, y1 - y0) <= 0:
        raise ValueError(f"a box is finite and has an area, got {box}")
    return x0, y0, x1, y1


def _square(rgb: np.ndarray, box: Box, recipe: CropRecipe) -> np.ndarray:
    x0, y0, x1, y1 = _checked(box)
    side = max(1, _round(recipe.scale * max(x1 - x0, y1 - y0)))
    rows, columns = rgb.shape[:2]
    if recipe.border == "inside":
        side = min(side, rows, columns)
    left, top = _round((x0 + x1 - side) / 2), _round((y0 + y1 - side) / 2)
    if recipe.border == "inside":
        left, top = min(max(left, 0), columns - side), min(max(top, 0), rows - side)
    return window(rgb, left, top, left + side, top + side, recipe.border)


def window(
    rgb: np.ndarray, x0: int, y0: int, x1: int, y1: int, border: Border = "black"
) -> np.ndarray:
    """Return uint8 [y1 - y0, x1 - x0, 3] of a frame; `border` fills beyond it."""
    height, width = rgb.shape[:2]
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
        return rgb[y0:y1, x0:x1]
    rows, columns = np.arange(y0, y1), np.arange(x0, x1)
    if border == "mirror":  # reflects at both ends
        rows, columns = rows % (2 * height), columns % (2 * width)
        rows, columns = (
            np.minimum(rows, 2 * height - 1 - rows),
            np.minimum(columns, 2 * width - 1 - columns),
        )
    if border != "black":
        return np.asarray(rgb[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)])
    patch = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    (left, right), (top, bottom) = np.clip((x0, x1), 0, width), np.clip((y0, y1), 0, height)
    patch[top - y0 : bottom - y0, left - x0 : right - x0] = rgb[top:bottom, left:right]
    return patch


def _round(value: float) -> int:
    return math.floor(value + 0.5)
