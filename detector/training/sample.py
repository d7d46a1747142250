"""Pairs to learn from, drawn by a recipe out of caches.

Everything drawn for step n depends on the seed and n alone: a run that is resumed sees what it
would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from detector.evaluation.labels import Labelled, pairs
from detector.training import augment, blend
from detector.training.cache import FaceCache, Faces
from detector.training.input_transform import InputTransform, OwnInput
from detector.training.recipe import Part, Recipe

Couple = tuple[Faces, Faces | None]
"""An original and a fake; without one it is made while training."""

OTHERS = 24
"""Faces among which the one is sought whose landmarks lie most alike."""


@dataclass(frozen=True)
class PairSource:
    """A part of a recipe with its faces.

    Attributes
    ----------
    groups : list of lists of Couple
        By person (or by source, as the part says), so that people and not takes are drawn
        alike.
    """

    part: Part
    cache: FaceCache
    groups: list[list[Couple]]


F = TypeVar("F", bound=Labelled)


def select(part: Part, entries: Sequence[F]) -> list[F]:
    """Return the files or cached faces that belong to a part."""
    texts = ((e, f"{e.name} {e.source} {e.method}") for e in entries if e.kind == part.kind)
    return [
        entry
        for entry, text in texts
        if (not part.match or any(word in text for word in part.match))
        and not any(word in text for word in part.skip)
    ]


def gather(part: Part, cache: FaceCache, people: set[str], *, held: bool = False) -> PairSource:
    """Return the pairs of a part: of persons not held out (`people`), or with `held` of those."""
    entries = [e for e in select(part, cache.entries) if (e.person in people) == held]
    couples: list[Couple]
    if not part.matched:
        couples = _unmatched(part, entries)
    elif part.makes_fakes:
        couples = [(entry, None) for entry in entries if entry.label == 0]
    else:
        couples = [(entries[a], entries[b]) for a, b in pairs(entries)]
    alike: dict[str, list[Couple]] = {}
    for first, second in couples:
        # Without an original there is no person to both: sources are drawn alike.
        key = first.source if part.each == "source" else first.person
        if second is not None and not part.matched:
            key = second.source
        alike.setdefault(key, []).append((first, second))
    return PairSource(part, cache, list(alike.values()))


def _unmatched(part: Part, entries: Sequence[Faces]) -> list[Couple]:
    """Each fake with some originals, of its own source or of any, sources drawn alike."""
    by_source: dict[str, list[Faces]] = {}
    for entry in entries:
        if entry.label == 0:
            by_source.setdefault(entry.source, []).append(entry)
    couples: list[Couple] = []
    for number, fake in enumerate(entry for entry in entries if entry.label == 1):
        rng = np.random.default_rng([17, number])
        wanted = [fake.source] if part.mode == "source" else sorted(by_source)
        for source in rng.permutation([s for s in wanted if s in by_source]):
            originals = by_source[str(source)]
            couples.append((originals[rng.integers(len(originals))], fake))
    return couples


def draw(
    sources: Sequence[PairSource],
    recipe: Recipe,
    step: int,
    transform: InputTransform | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the pictures of one step.

    Parameters
    ----------
    transform : InputTransform, optional
        How the network sees them. Default: as ours do, by the recipe's crop.

    Returns
    -------
    float32 [2 P, 3, S, S]
        Originals first, then the fakes of them in the same order; ours in -1..1.
    float32 [2 P]
        Labels.
    """
    transform = transform or OwnInput(recipe.crop)
    rng = np.random.default_rng([recipe.seed, step])
    chosen = rng.choice(len(sources), recipe.pairs, p=shares(sources))
    drawn = [one(sources[choice], recipe, rng, transform) for choice in chosen]
    originals, fakes = zip(*drawn, strict=True)
    labels = np.repeat(np.array([0, 1], np.float32), recipe.pairs)
    return transform.batch([*originals, *fakes]), labels


def shares(sources: Sequence[PairSource]) -> np.ndarray:
    """Return how often each part is drawn: float [sources], summing to 1."""
    each = np.array([source.part.share for source in sources])
    total: np.ndarray = each / each.sum()
    return total


def one(
    source: PairSource,
    recipe: Recipe,
    rng: np.random.Generator,
    transform: InputTransform | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an original and a fake of it under the same conditions, uint8 [S, S, 3] each."""
    transform = transform or OwnInput(recipe.crop)
    (first, second), tight = couple(source, rng), source.part.tight
    aligned = source.part.aligned and source.part.matched
    count = first.count if second is None or not aligned else min(first.count, second.count)
    index = other = int(rng.integers(count))
    real = source.cache.frames(first)[index]
    if second is None:
        fake = _made(source, first, real, rng)
    elif aligned:
        fake = source.cache.frames(second)[index]
    else:
        other = int(rng.integers(second.count))
        fake = source.cache.frames(second)[other]
    framing = transform.framing(rng, tight)
    real = transform.cut(real, first, index, framing)
    fake = transform.cut(fake, second or first, other, framing)
    if second is not None and not source.part.matched:
        native = native_side((first, second), tight, framing.zoom, recipe, rng)
        real, fake = augment.level(real, fake, native)
    if rng.random() < recipe.soften:
        real = augment.soften(real, rng)
    look = augment.draw_augmentation(rng, recipe.h264, recipe.without)
    if recipe.clean and rng.random() < recipe.clean:
        look = augment.only_color(look)
    return augment.apply(real, look), augment.apply(fake, look)


def couple(source: PairSource, rng: np.random.Generator) -> Couple:
    """Draw a couple, groups alike however many there are in each."""
    group = source.groups[rng.integers(len(source.groups))]
    return group[rng.integers(len(group))]


def native_side(
    shown: Couple, tight: bool, zoom: float, recipe: Recipe, rng: np.random.Generator
) -> float:
    """Draw to what side in px a couple of different footage is brought: that of the smaller face,
    or less."""
    sides = [entry.face for entry in shown if entry]
    return zoom * (1.0 if tight else recipe.crop.scale) * min(sides) * rng.uniform(0.6, 1.0)


def _made(
    source: PairSource, first: Faces, real: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return a fake of an original, blended with itself or with the face of somebody else."""
    if source.part.mode == "people":
        others = [source.groups[rng.integers(len(source.groups))][0][0] for _ in range(OTHERS)]
        others = [other for other in others if other.person != first.person]
        if (face := donor(source, first, others)) is not None:
            return blend.of_two(real, first.points, *face, blend.draw(rng))
    return blend.apply(real, first.points, blend.draw(rng))


def donor(
    source: PairSource, first: Faces, others: Sequence[Faces]
) -> tuple[np.ndarray, blend.Points] | None:
    """Return the face among others whose landmarks are most alike, or any where the average place
    serves, and its landmarks; None: nobody's fit."""
    points = [other.points for other in others]
    which = blend.nearest(first.points, points, tight=source.part.tight)
    return None if which is None else (source.cache.frames(others[which])[0], points[which])
