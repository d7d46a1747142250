"""Clips to learn from: pairs over time, self-blended clips, stills set in motion.

Everything random of a pair is drawn once and used for both clips and all frames; what a look does
to single frames (color, size, blur, grain) it does alike, and a video encoder sees the whole clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detector.training import augment, blend, sample
from detector.training.blend_clip import blend_clip
from detector.training.cache import Faces
from detector.training.codec import QUALITY, h264
from detector.training.recipe import Recipe
from detector.training.sample import PairSource

SHAKE = 0.012
"""Of a face box from frame to frame, in longer sides: the detector's own unrest."""


def pick(
    sources: Sequence[PairSource], recipe: Recipe, index: int
) -> tuple[PairSource, Faces, Faces | None, np.random.Generator]:
    """Draw which original and which fake make pair `index`, and the randomness left to make it
    with.

    Depends on the recipe's seed and the index alone.
    """
    rng = np.random.default_rng([recipe.seed, 7, index])
    source = sources[rng.choice(len(sources), p=sample.shares(sources))]
    return source, *sample.couple(source, rng), rng


def one_pair(
    source: PairSource, first: Faces, second: Faces | None, recipe: Recipe, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Make an original and a fake of it over time alike, uint8 [T, S, S, 3] each.

    Without a fake, the original is blended: with itself, or in the mode "people" with the face of
    somebody else of the source.
    """
    tight, frames = source.part.tight, recipe.clip_frames
    if second is None:
        real = source.cache.frames(first)[run(rng, first.count, frames)]
        face = _donor(source, first, rng) if source.part.mode == "people" else None
        fake = blend_clip(real, first.points, rng, face)
    else:
        together = source.part.aligned and source.part.matched
        where = run(rng, min(first.count, second.count) if together else first.count, frames)
        real = source.cache.frames(first)[where]
        fake = source.cache.frames(second)[where if together else run(rng, second.count, frames)]
    base = augment.draw_framing(rng, tight)
    path = _path(rng, frames)
    pair = [_framed(clip, base, path, recipe, tight) for clip in (real, fake)]
    if second is not None and not source.part.matched:
        native = sample.native_side((first, second), tight, base.zoom, recipe, rng)
        levelled = [augment.level(a, b, native) for a, b in zip(*pair, strict=True)]
        pair = [np.stack(clip) for clip in zip(*levelled, strict=True)]
    if rng.random() < recipe.soften:
        softness = int(rng.integers(2**31))
        soft = [augment.soften(one, np.random.default_rng(softness)) for one in pair[0]]
        pair[0] = np.stack(soft)
    look = augment.draw_augmentation(rng, without=recipe.without)
    crf = _draw_crf(recipe, rng)
    return _seen(pair[0], look, crf), _seen(pair[1], look, crf)


def one_clip(
    entry: Faces, clip: np.ndarray, recipe: Recipe, rng: np.random.Generator
) -> np.ndarray:
    """Draw a window of any clip under some condition, uint8 [T, S, S, 3]: without labels.

    Parameters
    ----------
    clip : uint8 array [count, side, side, 3]
        Its cached frames.
    """
    window = clip[run(rng, entry.count, recipe.clip_frames)]
    base = augment.draw_framing(rng, entry.tight)
    shown = _framed(window, base, _path(rng, recipe.clip_frames), recipe, entry.tight)
    crf = _draw_crf(recipe, rng)
    return _seen(shown, augment.draw_augmentation(rng, without=recipe.without), crf)


def _draw_crf(recipe: Recipe, rng: np.random.Generator) -> int | None:
    encoded = rng.random() < recipe.h264
    return int(rng.integers(*QUALITY, endpoint=True)) if encoded else None


def _framed(
    clip: np.ndarray, base: augment.Framing, path: np.ndarray, recipe: Recipe, tight: bool
) -> np.ndarray:
    shown = []
    for picture, (dx, dy, dz) in zip(clip, path, strict=True):
        framing = replace(base, zoom=base.zoom * (1 + dz), dx=base.dx + dx, dy=base.dy + dy)
        shown.append(augment.frame(picture, framing, recipe.crop, tight))
    return np.stack(shown)


def _seen(clip: np.ndarray, look: augment.AugmentationParams, crf: int | None) -> np.ndarray:
    """Return a look on every frame, with grain of its own; a video's compression in place of
    JPEG."""
    if crf is not None:
        look = replace(look, jpeg=0)
    frames = [
        augment.apply(picture, replace(look, noise_seed=look.noise_seed + t))
        for t, picture in enumerate(clip)
    ]
    out = np.stack(frames)
    return out if crf is None else h264(out, crf)


def _donor(
    source: PairSource, first: Faces, rng: np.random.Generator
) -> tuple[np.ndarray, blend.Points] | None:
    """Return a face of somebody else, of some that are drawn."""
    others = [group[0][0] for group in source.groups if group[0][0].person != first.person]
    drawn = [others[i] for i in rng.permutation(len(others))[: sample.OTHERS]]
    return sample.donor(source, first, drawn)


def run(rng: np.random.Generator, count: int, frames: int) -> np.ndarray:
    """Return indices of consecutive frames; a shorter clip runs forth and back."""
    if count >= frames:
        return np.arange(frames) + rng.integers(count - frames + 1)
    if count == 1:
        return np.zeros(frames, int)
    there_and_back = [*range(count), *range(count - 2, 0, -1)]
    return np.resize(there_and_back, frames)


def _path(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Small smooth moves of the square, [T, 3]: x, y, zoom."""
    knots = rng.normal(0, SHAKE, (max(2, frames // 4 + 1), 3))
    at = np.linspace(0, len(knots) - 1, frames)
    return np.stack([np.interp(at, np.arange(len(knots)), column) for column in knots.T], 1)
