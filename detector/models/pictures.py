"""Model input: resize a crop to a model's input as its original did, and normalize it."""

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image as Pillow

from detector.large_frames import LARGE_FRAME, halved
from detector.models.base import CropRecipe, Image, ModelSpec
from detector.schema.media import MOST_ASPECT


def normalized(pictures: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Normalize by the entry: uint8 [..., H, W, 3] -> float32 [..., 3, H, W]."""
    levels = _levels(spec.normalization.mean, spec.normalization.std)
    rows = pictures.reshape(-1, *pictures.shape[-2:])
    planes = np.empty((3, *rows.shape[:2]), np.float32)
    for channel, plane in enumerate(planes):
        cv2.LUT(cv2.extractChannel(rows, channel), levels[channel], dst=plane)
    return np.moveaxis(planes.reshape(3, *pictures.shape[:-1]), 0, -3)


@lru_cache(maxsize=64)
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return a float32 [3, 256] look-up table, four times as fast as arithmetic and planar."""
    x = np.arange(256, dtype=np.float32) / np.float32(255)
    center, spread = (np.array(v, np.float32)[:, None] for v in (mean, std))
    return (x - center) / spread


def fit(picture: Image, recipe: CropRecipe) -> Image:
    """Resize a crop, uint8 [H, W, 3], to the recipe's size by its `fit` and `resize`."""
    size = recipe.size
    if not size:
        return np.ascontiguousarray(picture)
    if recipe.fit in ("cover", "middle"):
        return _middle(roughly(picture, recipe), size, recipe.odd)
    height, width = picture.shape[:2]
    if (height, width) == (size, size) or (
        recipe.fit == "even" and height % 2 == 0 and width % 2 == 0
    ):
        return np.ascontiguousarray(picture)
    if recipe.fit == "pad":
        scale = size / max(height, width)
        inner = (max(1, int(width * scale)), max(1, int(height * scale)))
        return _pad(resize(picture, inner, recipe.resize), size)
    if recipe.fit == "pad-small":
        picture = _pad(picture, size)
    return resize(picture, (size, size), recipe.resize)


def roughly(picture: Image, recipe: CropRecipe) -> Image:
    """Apply the steps of `fit` before its center crop. Idempotent."""
    if recipe.fit == "cover":
        picture = _without_ends(picture)
    height, width = picture.shape[:2]
    if recipe.fit == "cover":
        short, side = recipe.short or recipe.size, min(height, width)
        whole = round if recipe.longer == "nearest" else int
        inner = (max(short, whole(short * width / side)), max(short, whole(short * height / side)))
        return resize(picture, inner, recipe.resize)
    if recipe.tile and min(height, width) < recipe.tile:
        return np.tile(picture, (-(-recipe.tile // height), -(-recipe.tile // width), 1))
    return np.ascontiguousarray(picture)


def _without_ends(picture: Image) -> Image:
    """Return at most the middle `MOST_ASPECT` squares of a long picture, to save memory."""
    most = MOST_ASPECT * min(picture.shape[:2])
    top, left = (max(0, (side - most) // 2) for side in picture.shape[:2])
    return picture[top : top + most, left : left + most]


def resize(picture: Image, size: tuple[int, int], how: str) -> Image:
    """Resize to (width, height) by one of the recipe's methods."""
    width, height = size
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    if how in ("antialias", "float", "bicubic"):
        way = Pillow.Resampling.BICUBIC if how == "bicubic" else Pillow.Resampling.BILINEAR
        return np.array(Pillow.fromarray(picture).resize(size, way))
    if how in ("area", "area-cubic"):
        # OpenCV's INTER_AREA averages only if no axis grows: shrink first, then grow.
        if 4 * width * height <= LARGE_FRAME:
            picture = halved(picture)
        smaller = (min(picture.shape[1], width), min(picture.shape[0], height))
        if smaller != (picture.shape[1], picture.shape[0]):
            picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
        if smaller == size:
            return picture
    return cv2.resize(picture, size, interpolation=_INTERPOLATION[how])


_INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "inter-area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "area-cubic": cv2.INTER_CUBIC,
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_LINEAR,
}


def _pad(picture: Image, size: int) -> Image:
    """Pad with zeros to `size`, the odd pixel at the bottom and right."""
    spare = [max(0, size - side) for side in picture.shape[:2]]
    return np.pad(picture, [*((n // 2, n - n // 2) for n in spare), (0, 0)])


def _middle(picture: Image, size: int, odd: str) -> Image:
    picture = _pad(picture, size)
    spare = (picture.shape[0] - size, picture.shape[1] - size)
    # Python's round takes a half to the even number.
    top, left = (round(n / 2) if odd == "even" else n // 2 for n in spare)
    return np.ascontiguousarray(picture[top : top + size, left : left + size])
