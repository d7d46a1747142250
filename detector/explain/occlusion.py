"""Occlusion: where hiding a part of a crop lowers the score. It takes the score alone.

A square of the crop is replaced by a strong blur of itself; how much the log odds of "fake" fall is
how much that place mattered. Zeiler and Fergus, ECCV 2014, arXiv:1311.2901.
"""

from collections.abc import Callable

import cv2
import numpy as np

from detector.models.base import Model

GRID = 7  # Places a side
PART = 2 / 7
"""Side of the hidden square, in sides of the crop: two places, so that neighbors overlap."""
BATCH = 8


def occlude(
    model: Model, batch: np.ndarray, on_progress: Callable[[float], object] = bool
) -> np.ndarray:
    """Return where hiding a part lowers the score: uint8 [N, S, S, 3] (video models
    [N, T, S, S, 3], the same place in all frames) -> float32 [N, 7, 7] ([N, T, 7, 7]) in 0..1.
    `on_progress` gets the share done and may raise to stop."""
    clip = batch.ndim == 5
    maps = []
    for number, item in enumerate(batch):
        falls = np.zeros(GRID * GRID, np.float32)
        whole = float(model.score(item[None])[0])
        blurred = np.stack([_blurred(picture) for picture in item]) if clip else _blurred(item)
        step = 1 if clip else BATCH
        for start in range(0, len(falls), step):
            places = range(start, min(start + step, len(falls)))
            hidden = np.stack([_hide(item, blurred, *divmod(place, GRID)) for place in places])
            falls[start : start + step] = whole - model.score(hidden)
            done = min(start + step, len(falls)) / len(falls)
            on_progress((number + done) / len(batch))
        mattered = np.maximum(falls, 0).reshape(GRID, GRID)
        mattered = mattered / max(float(mattered.max()), 1e-9)
        maps.append(np.repeat(mattered[None], len(item), axis=0) if clip else mattered)
    return np.stack(maps) if maps else np.zeros((0, GRID, GRID), np.float32)


def _blurred(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), len(picture) / 10)


def _hide(item: np.ndarray, blurred: np.ndarray, row: int, column: int) -> np.ndarray:
    """Return one place blurred away in a picture, or in all pictures of a run."""
    out = item.copy()
    height, width = item.shape[-3:-1]
    top, left = (
        round((place + 0.5) / GRID * side - PART * side / 2)
        for place, side in ((row, height), (column, width))
    )
    bottom, right = top + round(PART * height), left + round(PART * width)
    part = (..., slice(max(top, 0), bottom), slice(max(left, 0), right), slice(None))
    out[part] = blurred[part]
    return out
