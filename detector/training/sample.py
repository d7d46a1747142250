"""Pairs to learn from, drawn by a recipe from cached faces.

What is drawn for step n depends on the seed and n alone, so that a resumed run sees the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from detector.evaluation.labels import pairs
from detector.training import augment
from detector.training.cache import FaceCache, Faces
from detector.training.codec import h264
from detector.training.input_transform import PretrainedInput
from detector.training.recipe import Part, Recipe

Couple = tuple[Faces, Faces]
"""An original and a fake of it."""


class PairSource(NamedTuple):
    """A part of a recipe with its faces; couples by person, so that people and not takes are drawn
    equally often."""

    part: Part
    cache: FaceCache
    groups: list[list[Couple]]


def gather(part: Part, cache: FaceCache, people: set[str], *, held: bool = False) -> PairSource:
    """Return the pairs of a part: of persons not held out (`people`), or with `held` of those."""
    entries = [entry for entry in cache.entries if (entry.person in people) == held]
    by_person: dict[str, list[Couple]] = {}
    for first, second in pairs(entries):
        by_person.setdefault(entries[first].person, []).append((entries[first], entries[second]))
    return PairSource(part, cache, list(by_person.values()))


def draw(
    sources: Sequence[PairSource], recipe: Recipe, step: int, transform: PretrainedInput
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the pictures of one step as the network takes them, float32 [2 P, 3, S, S], and labels,
    float32 [2 P]: originals first, then their fakes in the same order."""
    rng = np.random.default_rng([recipe.seed, step])
    share = np.array([source.part.share for source in sources])
    chosen = rng.choice(len(sources), recipe.pairs, p=share / share.sum())
    drawn = [one(sources[choice], recipe, rng, transform) for choice in chosen]
    originals, fakes = zip(*drawn, strict=True)
    labels = np.repeat(np.array([0, 1], np.float32), recipe.pairs)
    return transform.batch([*originals, *fakes]), labels


def one(
    source: PairSource, recipe: Recipe, rng: np.random.Generator, transform: PretrainedInput
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an original and its fake under the same conditions, uint8 [S, S, 3] each.

    Only originals are softened: swaps are softer than their originals, and a detector would learn
    "soft means fake".
    """
    group = source.groups[rng.integers(len(source.groups))]
    first, second = group[rng.integers(len(group))]
    index = int(rng.integers(min(first.count, second.count)))
    seed = int(rng.integers(2**31))
    real, fake = (
        transform.cut(source.cache, entry, index, np.random.default_rng(seed))
        for entry in (first, second)
    )
    sigma = float(rng.uniform(0.4, 1.4)) * (rng.random() < recipe.soften)
    crf = int(rng.integers(20, 39)) if rng.random() < recipe.h264 else 0
    return degraded(real, seed + 1, crf, sigma), degraded(fake, seed + 1, crf)


def degraded(picture: np.ndarray, seed: int, crf: int = 0, sigma: float = 0.0) -> np.ndarray:
    """Change color, sharpness, noise and compression of a picture as `seed` says, uint8 [S, S, 3];
    blurred by `sigma` before, passed through a video encoder after where `crf` is not 0."""
    if sigma:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))
    out = augment.degraded(picture, np.random.default_rng(seed))
    return h264(out[None], crf)[0] if crf else out
