"""How a published detector sees a cached face: its own crop, size and normalization, which its
weights were trained with."""

from collections.abc import Sequence

import numpy as np

from detector.models.base import CropRecipe, Model
from detector.schema.analysis import Box
from detector.training.cache import CacheSpec, FaceCache, Faces
from detector.vision import box_for, cut

ROOM = 1.15
"""A cached crop is larger than what a network sees by this factor, so that training can move it."""
MOST = 640
"""Maximum side of a cached crop, px."""


class PretrainedInput:
    """Input of a published detector, as its entry says."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.recipe = model.spec.crop

    def cached(self, kind: str) -> CacheSpec:
        """Return a cache of pictures or clips as wide as this recipe looks, and as fine."""
        margin = round(reach(self.recipe) * ROOM, 2)
        side = min(MOST, round((self.recipe.size or MOST) * ROOM))
        return CacheSpec(f"{kind}-{margin:g}-{side}", CropRecipe(scale=margin, size=side), 3.0)

    def cut(
        self, cache: FaceCache, entry: Faces, index: int, rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """Cut a cached face as in use, or with `rng` displaced as by the error of a face detector:
        uint8 [S, S, 3]."""
        shift, zoom, flip = np.zeros(2), 1.0, False
        if rng is not None:
            shift = rng.normal(0, 0.02, 2).clip(-0.04, 0.04)
            zoom, flip = rng.uniform(0.93, 1.05), rng.random() < 0.5
        place = np.array(entry.places[index]).reshape(7, 2)
        middle = place[:2].mean(0)
        longer = float(np.ptp(place[:2], axis=0).max())
        moved = (place - middle) * zoom + middle + shift * longer
        box: Box = (*moved[0].tolist(), *moved[1].tolist())
        crop = cache.frames(entry)[index]
        shown = cut(crop, box_for(self.recipe, box), self.recipe, moved[2:].tolist())
        return np.ascontiguousarray(shown[:, ::-1]) if flip else shown

    def batch(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return pictures prepared as the original prepares them."""
        return np.stack([self.model.preprocess(picture).numpy() for picture in pictures])


def reach(recipe: CropRecipe) -> float:
    """Return the side of a square about a face box that holds all a recipe shows of an average
    face, in longer sides of the box."""
    if recipe.kind == "square":
        return recipe.scale
    if recipe.kind == "box":
        # Those in shares of the height are about boxes of BlazeFace, which are smaller.
        return 1 + max(recipe.margins) * (1 if recipe.margin_of == "height" else 2)
    return 1.3 * recipe.scale
