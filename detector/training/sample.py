"""Pairs to learn from, drawn by a recipe out of caches.

Everything drawn for step n depends on the seed and n alone: a run that is resumed sees what it
would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from detector.training import augment, blend
from detector.training.cache import FaceCache, Faces
from detector.training.data import Labelled, held_out, pairs
from detector.training.recipe import Part, Recipe


@dataclass(frozen=True)
class Source:
    """A part of a recipe with its faces.

    Attributes
    ----------
    groups : list of lists of (original, fake or None)
        Pairs by person, so that people and not takes are drawn alike.
    """

    part: Part
    cache: FaceCache
    groups: list[list[tuple[Faces, Faces | None]]]


def split(entries: Sequence[Labelled], recipe: Recipe) -> set[str]:
    """Persons of these entries that the recipe never trains on."""
    stills = [entry for entry in entries if entry.kind == "image"]
    clips = [entry for entry in entries if entry.kind == "video"]
    kept = held_out(stills, recipe.holdout_images) | held_out(clips, recipe.holdout)
    return kept - set(recipe.keep)


F = TypeVar("F", bound=Labelled)


def select(part: Part, entries: Sequence[F]) -> list[F]:
    """Files or cached faces that belong to a part."""

    def fits(entry: F) -> bool:
        text = f"{entry.name} {entry.source} {entry.method}"
        return (
            entry.kind == part.kind
            and (not part.match or any(word in text for word in part.match))
            and not any(word in text for word in part.skip)
        )

    return [entry for entry in entries if fits(entry)]


def gather(part: Part, cache: FaceCache, kept: set[str], *, held: bool = False) -> Source:
    """The pairs of a part: of persons that are not in `kept`, or with `held` of those that are."""
    entries = [e for e in select(part, cache.entries) if (e.person in kept) == held]
    couples: list[tuple[Faces, Faces | None]]
    if part.mode == "pairs":
        couples = [(entries[a], entries[b]) for a, b in pairs(entries)]
    else:
        couples = [(entry, None) for entry in entries if entry.label == 0]
    groups: dict[str, list[tuple[Faces, Faces | None]]] = {}
    for couple in couples:
        groups.setdefault(couple[0].person, []).append(couple)
    return Source(part, cache, list(groups.values()))


def draw(sources: Sequence[Source], recipe: Recipe, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of one step.

    Returns
    -------
    float32 [2 P, 3, S, S] in -1..1
        Originals first, then the fakes of them in the same order.
    float32 [2 P]
        Labels.
    """
    rng = np.random.default_rng([recipe.seed, step])
    shares = np.array([source.part.share for source in sources])
    originals, fakes = [], []
    for choice in rng.choice(len(sources), recipe.pairs, p=shares / shares.sum()):
        real, fake = one(sources[choice], recipe, rng)
        originals.append(real)
        fakes.append(fake)
    labels = np.repeat(np.array([0, 1], np.float32), recipe.pairs)
    return augment.batch_to_array(originals + fakes), labels


def one(source: Source, recipe: Recipe, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An original and a fake of it under the same conditions, uint8 [S, S, 3] each."""
    group = source.groups[rng.integers(len(source.groups))]
    first, second = group[rng.integers(len(group))]
    tight = source.part.tight
    count = first.count if second is None else min(first.count, second.count)
    index = int(rng.integers(count))
    real = source.cache.frames(first)[index]
    if second is None:
        fake = blend.apply(real, first.points, blend.draw(rng))
    elif source.part.aligned:
        fake = source.cache.frames(second)[index]
    else:
        fake = source.cache.frames(second)[int(rng.integers(second.count))]
    framing = augment.draw_framing(rng, tight)
    real = augment.frame(real, framing, recipe.crop, tight)
    fake = augment.frame(fake, framing, recipe.crop, tight)
    if rng.random() < recipe.soften:
        real = augment.soften(real, rng)
    look = augment.draw_look(rng)
    if recipe.clean and rng.random() < recipe.clean:
        look = augment.only_color(look)
    return augment.apply(real, look), augment.apply(fake, look)
