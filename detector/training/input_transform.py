"""How a network sees a cached face: what is cached for it, what is cut from that, what goes in.

Our own networks share one cut and one range of numbers. A published one keeps its own: its crop,
its size and its normalization are what its weights were trained with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.models.base import CropRecipe, Model
from detector.schema.analysis import Box
from detector.training import augment
from detector.training.augment import Framing
from detector.training.cache import MARGIN, TIGHT_SIDE, CacheSpec, Faces
from detector.training.recipe import Part, Recipe
from detector.vision import box_for, cut
from detector.vision.alignment import five_points, goal, similarity

ROOM = 1.15
"""A cached crop shows so much more than a network sees, for training to move and zoom in."""
LANDMARKS = ((-0.173, -0.113), (0.173, -0.113), (0.0, 0.078), (-0.14, 0.264), (0.14, 0.264))
"""Of the average face, in longer sides of its box from its center (median of 430 clips, made even
on both sides)."""
WIDE = 1.2
"""The same for our own networks, where the usual margin is not enough for what they see."""
WIDE_SECONDS = 1.0
"""Of a clip, for these: many clips teach more than many frames of one, and these are large."""
MOST = 640
"""px of a cached crop, at most."""


class InputTransform(ABC):
    """One network's way to look."""

    @abstractmethod
    def cached(self, part: Part) -> CacheSpec:
        """Return which cache holds the faces of a part."""

    @abstractmethod
    def framing(self, rng: np.random.Generator, tight: bool) -> Framing:
        """Draw which part of a cached crop is shown."""

    @abstractmethod
    def cut(self, crop: np.ndarray, entry: Faces, index: int, framing: Framing) -> np.ndarray:
        """Return what is shown of the `index`-th crop of an entry: uint8 [S, S, 3]."""

    def plain(self, crop: np.ndarray, entry: Faces, index: int) -> np.ndarray:
        """Return the same without any change, as in use."""
        return self.cut(crop, entry, index, _still(entry.tight))

    @abstractmethod
    def batch(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return the network's input: float32 [N, 3, S, S]."""


@dataclass(frozen=True)
class OwnInput(InputTransform):
    """Of the networks that are trained here: a square, numbers from -1 to 1."""

    crop: CropRecipe

    @property
    def margin(self) -> float:
        """Side of a cached crop that is not tight, in longer sides of the face box."""
        return MARGIN if self.crop.scale * ROOM <= MARGIN else round(self.crop.scale * WIDE, 2)

    def cached(self, part: Part) -> CacheSpec:
        if part.tight:
            return CacheSpec(f"{part.kind}-tight", side=TIGHT_SIDE)
        border = self.crop.border
        beyond = "" if border == "black" else f"-{border}"
        if self.margin == MARGIN:
            return CacheSpec(part.kind + beyond, border=border)
        side = min(MOST, round(self.crop.size * WIDE))
        name = f"{part.kind}-{self.margin:g}-{side}{beyond}"
        return CacheSpec(name, self.margin, side, WIDE_SECONDS, border)

    def framing(self, rng: np.random.Generator, tight: bool) -> Framing:
        return augment.draw_framing(rng, tight, self.margin > MARGIN)

    def cut(self, crop: np.ndarray, entry: Faces, index: int, framing: Framing) -> np.ndarray:
        return augment.frame(crop, framing, self.crop, entry.tight, self.margin)

    def batch(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        return augment.batch_to_array(pictures)


class PretrainedInput(InputTransform):
    """Of a published detector: everything as its entry says."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.recipe = model.spec.crop
        self.margin = round(reach(self.recipe) * ROOM, 2)
        self.side = min(MOST, round((self.recipe.size or MOST) * ROOM))

    def cached(self, part: Part) -> CacheSpec:
        """Return a cache as wide as this recipe looks, and as fine."""
        return CacheSpec(f"{part.kind}-{self.margin:g}-{self.side}", self.margin, self.side)

    def framing(self, rng: np.random.Generator, tight: bool) -> Framing:
        """Draw about what a face detector is off by."""
        dx, dy = rng.normal(0, 0.02, 2).clip(-0.04, 0.04)
        zoom = rng.uniform(0.93, 1.05)
        return Framing(float(zoom), float(dx), float(dy), bool(rng.random() < 0.5))

    def cut(self, crop: np.ndarray, entry: Faces, index: int, framing: Framing) -> np.ndarray:
        """Cut as if the face were where the framing moves it."""
        place = np.array(entry.places[index]).reshape(7, 2)
        middle = place[:2].mean(0)
        longer = float(np.ptp(place[:2], axis=0).max())
        shift = np.array([framing.dx, framing.dy]) * longer
        moved = (place - middle) * framing.zoom + middle + shift
        box: Box = (*moved[0].tolist(), *moved[1].tolist())
        points = [(float(x), float(y)) for x, y in moved[2:]]
        shown = cut(crop, box_for(self.recipe, box), self.recipe, points)
        return np.ascontiguousarray(shown[:, ::-1]) if framing.flip else shown

    def batch(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return pictures prepared as the original prepares them."""
        return np.stack([self.model.preprocess(picture).numpy() for picture in pictures])


def input_transform_of(recipe: Recipe, published: Model | None = None) -> InputTransform:
    """Return how the network of a recipe sees faces, or a published one."""
    return PretrainedInput(published) if published else OwnInput(recipe.crop)


def plain(crop: np.ndarray, tight: bool, recipe: CropRecipe, margin: float = MARGIN) -> np.ndarray:
    """Return a crop that was cached with this margin, as our own networks see it unchanged."""
    return augment.frame(crop, _still(tight), recipe, tight, margin)


def _still(tight: bool) -> Framing:
    scale, shift = (augment.TIGHT_SCALE, augment.TIGHT_SHIFT) if tight else (1.0, 0.0)
    return Framing(scale, 0.0, shift, False)


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
