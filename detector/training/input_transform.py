"""How a network sees a cached face: what is cached for it, what is cut from that, what goes in.

Texture has one cut and one range of numbers. A published detector keeps its own crop, size and
normalization, which its weights were trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.models.base import CropRecipe, Model
from detector.schema.analysis import Box
from detector.training.cache import CacheSpec, Faces
from detector.training.recipe import Part
from detector.vision import box_for, cut
from detector.vision.alignment import five_points, goal, similarity

ROOM = 1.15
"""A cached crop is larger than what a network sees by this factor, so that training can move it."""
LANDMARKS = ((-0.173, -0.113), (0.173, -0.113), (0.0, 0.078), (-0.14, 0.264), (0.14, 0.264))
"""Of the average face, in longer sides of its box from its center (median of 430 clips, mirrored
and averaged)."""
WIDE = 1.2
"""The same factor for Texture."""
WIDE_SECONDS = 1.0
"""Seconds of a clip that are cached for Texture: many clips teach more than many frames of one."""
MOST = 640
"""Maximum side of a cached crop, px."""


@dataclass(frozen=True)
class Framing:
    """Displacement of the shown square from the detected face.

    Attributes
    ----------
    zoom : float
        Scale factor of the square.
    dx, dy : float
        Shift of the center, in longer sides of the face box.
    """

    zoom: float = 1.0
    dx: float = 0.0
    dy: float = 0.0
    flip: bool = False


@dataclass(frozen=True)
class OwnInput:
    """Input of Texture: a square about the face, numbers from -1 to 1."""

    crop: CropRecipe

    @property
    def margin(self) -> float:
        """Side of a cached crop, in longer sides of the face box."""
        return round(self.crop.scale * WIDE, 2)

    def cached(self, part: Part) -> CacheSpec:
        """Return which cache holds the faces of a part."""
        border = self.crop.border
        side = min(MOST, round(self.crop.size * WIDE))
        name = f"{part.kind}-{self.margin:g}-{side}-{border}"
        return CacheSpec(name, self.margin, side, WIDE_SECONDS, border)

    def plain(self, crop: np.ndarray, entry: Faces, index: int) -> np.ndarray:
        """Return the `index`-th crop of an entry as it is seen in use: uint8 [S, S, 3]."""
        middle = crop.shape[0] / 2
        half = middle / self.margin * self.crop.scale
        box: Box = (middle - half, middle - half, middle + half, middle + half)
        return cut(crop, box, self.crop.model_copy(update={"scale": 1.0}))

    def batch(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 [N, 3, S, S] in -1..1."""
        stack = np.stack(pictures).astype(np.float32)
        return (stack / 127.5 - 1.0).transpose(0, 3, 1, 2)


class PretrainedInput:
    """Input of a published detector, as its entry says."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.recipe = model.spec.crop
        self.margin = round(reach(self.recipe) * ROOM, 2)
        self.side = min(MOST, round((self.recipe.size or MOST) * ROOM))

    def cached(self, part: Part) -> CacheSpec:
        """Return a cache as wide as this recipe looks, and as fine."""
        return CacheSpec(f"{part.kind}-{self.margin:g}-{self.side}", self.margin, self.side)

    def framing(self, rng: np.random.Generator) -> Framing:
        """Draw a displacement like the error of a face detector."""
        dx, dy = rng.normal(0, 0.02, 2).clip(-0.04, 0.04)
        zoom = rng.uniform(0.93, 1.05)
        return Framing(float(zoom), float(dx), float(dy), bool(rng.random() < 0.5))

    def cut(self, crop: np.ndarray, entry: Faces, index: int, framing: Framing) -> np.ndarray:
        """Cut the crop as if the face were where the framing moves it: uint8 [S, S, 3]."""
        place = np.array(entry.places[index]).reshape(7, 2)
        middle = place[:2].mean(0)
        longer = float(np.ptp(place[:2], axis=0).max())
        shift = np.array([framing.dx, framing.dy]) * longer
        moved = (place - middle) * framing.zoom + middle + shift
        box: Box = (*moved[0].tolist(), *moved[1].tolist())
        points = [(float(x), float(y)) for x, y in moved[2:]]
        shown = cut(crop, box_for(self.recipe, box), self.recipe, points)
        return np.ascontiguousarray(shown[:, ::-1]) if framing.flip else shown

    def plain(self, crop: np.ndarray, entry: Faces, index: int) -> np.ndarray:
        return self.cut(crop, entry, index, Framing())

    def batch(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return pictures prepared as the original prepares them."""
        return np.stack([self.model.preprocess(picture).numpy() for picture in pictures])


def reach(recipe: CropRecipe) -> float:
    """Return the side of the square about a face box that holds all a recipe shows of an average
    face, in longer sides of the box."""
    if recipe.kind == "square":
        return recipe.scale
    if recipe.kind == "points":
        onto = similarity(goal(recipe, 1), five_points(LANDMARKS, recipe))
        corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)]) @ onto[:, :2].T + onto[:, 2]
        return float(2 * np.abs(corners).max())
    x0, y0, x1, y1 = box_for(recipe, (-0.4, -0.5, 0.4, 0.5))
    left, top, right, bottom = recipe.margins
    down = y1 - y0
    across = x1 - x0 if recipe.margin_of == "sides" else down
    edges = (x0 - left * across, y0 - top * down, x1 + right * across, y1 + bottom * down)
    return float(2 * np.abs(edges).max())
