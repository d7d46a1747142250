"""What a heatmap is, and the pictures made of one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from detector.models.base import Border, CropRecipe
from detector.schema.analysis import Box, Point
from detector.vision import cut

HIDDEN = 0.1  # Part of the crop, the hottest, that `without` hides


@dataclass(frozen=True)
class Heatmap:
    """A crop as the model saw it, and where the model looked in it."""

    crop: np.ndarray  # uint8 [S, S, 3] RGB
    map: np.ndarray  # float32 [S, S], 0..1, scaled per picture: compare places, not strength
    caption: str
    method: str = ""  # id of the method that made it
    place: np.ndarray | None = None  # float [2, 3]: from px of the crop to px of the frame
    run: np.ndarray | None = None  # clip models: the whole window, uint8 [T, S, S, 3]
    run_map: np.ndarray | None = None
    """clip models: a map for each of its frames, float32 [T, h, w]"""
    times: tuple[float, ...] = ()  # clip models: s of the frames of the window
    border: Border = "black"  # what stands in the crop beyond the edge of the frame

    def mirrors(self, width: int, height: int) -> bool:
        """Return whether the crop reaches beyond the frame, where the model sees a mirror image."""
        if self.place is None or self.border != "mirror":
            return False
        rows, columns = self.crop.shape[:2]
        (x0, y0), (x1, y1) = (self.place @ (x, y, 1.0) for x, y in ((0, 0), (columns, rows)))
        return bool(min(x0, y0) < -1 or x1 > width + 1 or y1 > height + 1)

    @property
    def over_time(self) -> np.ndarray | None:
        """Return of clip models how much each frame raised the score, float [T] in 0..1."""
        if self.run_map is None:
            return None
        shares = self.run_map.reshape(len(self.run_map), -1).mean(1)
        ratios: np.ndarray = shares / max(float(shares.max()), 1e-9)
        return ratios


def fit(values: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Return a map at the size of its crop."""
    height, width = crop.shape[:2]
    resized = cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(resized, 0.0, 1.0)


def overlay(heat: Heatmap, alpha: float = 0.6) -> np.ndarray:
    """Return the map in inferno colors over the darkened crop, uint8 [S, S, 3]; `alpha` 1 is the
    map."""
    return _blend(heat.crop, heat.map, alpha)


def on_frame(rgb: np.ndarray, heat: Heatmap, alpha: float = 0.6) -> np.ndarray:
    """Return the map over the face in the frame, uint8 [H, W, 3]; the frame where its place is
    unknown."""
    if heat.place is None:
        return rgb
    size = (rgb.shape[1], rgb.shape[0])
    values = cv2.warpAffine(heat.map, heat.place, size, flags=cv2.INTER_LINEAR)
    return _blend(rgb, np.clip(values, 0, 1), alpha)


def without(
    heat: Heatmap, share: float = HIDDEN, rng: np.random.Generator | None = None
) -> Heatmap:
    """Return the crop with `share` of its hottest places blurred, or of random ones with an
    `rng`."""

    def hide(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
        if rng is not None:
            values = fit(rng.random((8, 8)), picture)
        # Ties, as in a map of zeros, hide nothing: only what is above the bound.
        mask = (values > np.quantile(values, 1 - share)).astype(np.float32)
        mask = cv2.GaussianBlur(mask, (0, 0), len(picture) / 64)[..., None]
        blurred = cv2.GaussianBlur(picture, (0, 0), len(picture) / 12)
        hidden: np.ndarray = (picture * (1 - mask) + blurred * mask).round().astype(np.uint8)
        return hidden

    run = heat.run
    if run is not None and heat.run_map is not None:
        run = np.stack(
            [hide(one, fit(values, one)) for one, values in zip(run, heat.run_map, strict=True)]
        )
    return replace(heat, crop=hide(heat.crop, heat.map), run=run)


def _blend(rgb: np.ndarray, values: np.ndarray, alpha: float) -> np.ndarray:
    colors = cv2.applyColorMap((values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    dark = rgb.astype(np.float32) * (1 - 0.5 * alpha)
    weight = alpha * values[..., None]
    return np.clip(dark * (1 - weight) + colors * weight, 0, 255).astype(np.uint8)


def place_of(
    shape: tuple[int, ...], box: Box, recipe: CropRecipe, landmarks: Sequence[Point]
) -> np.ndarray | None:
    """Return the map from px of a crop to px of its frame, [2, 3]; None where none is affine.

    A picture whose colors are its own coordinates is cut as the frame was, whatever the recipe.
    """
    height, width = shape[:2]
    side = max(box[2] - box[0], box[3] - box[1])
    whole = recipe.kind == "whole"
    reach = max(width, height) / 2 if whole else 2 * side
    middle = (width / 2, height / 2) if whole else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    scale = 253 / (2 * reach)  # 1..254 inside, so that what was padded (0) is told apart
    columns, rows = (
        np.clip(1 + (np.arange(length) + 0.5 - (center - reach)) * scale, 1, 254)
        for length, center in ((width, middle[0]), (height, middle[1]))
    )
    coordinates = np.full((height, width, 3), 255, np.uint8)
    coordinates[..., 0] = columns.round()
    coordinates[..., 1] = rows.round()[:, None]
    mapped = cut(coordinates, box, recipe, landmarks)
    known = (mapped[..., 2] == 255) & ((mapped[..., :2] > 2) & (mapped[..., :2] < 253)).all(2)
    y, x = np.nonzero(known)
    if len(x) < 16:
        return None
    inside = np.column_stack([x + 0.5, y + 0.5, np.ones(len(x))])
    outside = (mapped[y, x, :2].astype(float) - 1) / scale + np.array(middle) - reach
    return np.asarray(np.linalg.lstsq(inside, outside, rcond=None)[0].T)
