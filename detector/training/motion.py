"""Clips to learn from: pairs over time, self-blended clips, stills set in motion.

The clip model's trunk is frozen, so each clip goes through it once: `pool` keeps the maps of many
pairs in one file, and training draws from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from detector.models.videomae import HybridVideoMae
from detector.training import augment, blend
from detector.training.recipe import Recipe
from detector.training.sample import Source

SHAKE = 0.012
"""Of a face box from frame to frame, in longer sides: the detector's own unrest."""


def one_clip(
    source: Source, recipe: Recipe, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An original and a fake of it over time under the same conditions, uint8 [T, S, S, 3] each."""
    group = source.groups[rng.integers(len(source.groups))]
    first, second = group[rng.integers(len(group))]
    tight, frames = source.part.tight, recipe.clip_frames
    if second is None:
        real = source.cache.frames(first)[_run(rng, first.count, frames)]
        fake = blend_clip(real, first.points, rng)
    else:
        together = source.part.aligned
        where = _run(rng, min(first.count, second.count) if together else first.count, frames)
        real = source.cache.frames(first)[where]
        fake = source.cache.frames(second)[where if together else _run(rng, second.count, frames)]
    base = augment.draw_framing(rng, tight)
    path = _path(rng, frames)
    softness = int(rng.integers(2**31)) if rng.random() < recipe.soften else None
    look = augment.draw_look(rng)
    clips = []
    for label, clip in enumerate((real, fake)):
        shown = []
        for t, picture in enumerate(clip):
            dx, dy, dz = path[t]
            framing = replace(base, zoom=base.zoom * (1 + dz), dx=base.dx + dx, dy=base.dy + dy)
            out = augment.frame(picture, framing, recipe.crop, tight)
            if label == 0 and softness is not None:
                out = augment.soften(out, np.random.default_rng(softness))
            shown.append(augment.apply(out, replace(look, noise_seed=look.noise_seed + t)))
        clips.append(np.stack(shown))
    return clips[0], clips[1]


def blend_clip(clip: np.ndarray, points: blend.Points, rng: np.random.Generator) -> np.ndarray:
    """A self-blended clip: the blended region trembles and comes and goes.

    uint8 [T, H, W, 3] in and out. Each frame alone may look untouched: the fault is in time.
    """
    drawn = blend.draw(rng)
    frames = len(clip)
    tremble = rng.normal(0, rng.uniform(0.0, 0.012), (frames, 2))
    phase, turns = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 4)
    depth = rng.uniform(0, 0.6)
    swell = 1 - depth * (0.5 + 0.5 * np.sin(phase + turns * 2 * np.pi * np.arange(frames) / frames))
    out = []
    for t, picture in enumerate(clip):
        matrix = drawn.matrix.copy()
        matrix[:, 2] += tremble[t]
        now = replace(drawn, matrix=matrix, strength=drawn.strength * float(swell[t]))
        out.append(blend.apply(picture, points, now))
    return np.stack(out)


@torch.inference_mode()
def pool(
    sources: Sequence[Source],
    recipe: Recipe,
    network: HybridVideoMae,
    count: int,
    file: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Maps of `count` pairs: float16 memory map [count, 2, T, 96, h, w]; originals first.

    Goes on where a stopped call left off (`file`.done counts). Pair n depends on the recipe's seed
    and n alone.
    """
    shares = np.array([source.part.share for source in sources])
    side = recipe.crop.size // 16
    shape = (count, 2, recipe.clip_frames, network.mean.numel(), side, side)
    mark = file.with_suffix(".done")
    begun = file.is_file() and mark.is_file()
    maps = np.lib.format.open_memmap(
        file, "r+" if begun else "w+", np.float16, None if begun else shape
    )
    start = int(mark.read_text()) if begun else 0
    trunk = network.trunk.to(memory_format=torch.channels_last)
    for index in range(start, count):
        rng = np.random.default_rng([recipe.seed, 7, index])
        source = sources[rng.choice(len(sources), p=shares / shares.sum())]
        clips = np.concatenate(one_clip(source, recipe, rng))
        x = torch.from_numpy(augment.batch_to_array(list(clips)))
        with torch.autocast("cpu", torch.bfloat16):
            out = trunk(x.contiguous(memory_format=torch.channels_last))
        maps[index] = out.float().numpy().reshape(shape[1:])
        if (index + 1) % 50 == 0 or index + 1 == count:
            maps.flush()
            mark.write_text(str(index + 1))
            if progress:
                progress(index + 1, count)
    return maps


def set_scale(network: HybridVideoMae, maps: np.ndarray) -> None:
    """Take the statistics of the maps' channels from a pool."""
    sample = np.asarray(maps[:: max(1, len(maps) // 64)], np.float32)
    axes = (0, 1, 2, 4, 5)
    network.mean.copy_(torch.from_numpy(sample.mean(axes)))
    network.std.copy_(torch.from_numpy(sample.std(axes) + 1e-3))


def draw(maps: np.ndarray, recipe: Recipe, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The maps of one step, float32 [2 P, T, 96, h, w], originals first, and labels.

    Mirrored in time at random, alike in a pair: what moves may move either way.
    """
    rng = np.random.default_rng([recipe.seed, 11, step])
    chosen = np.sort(rng.choice(len(maps), min(recipe.pairs, len(maps)), replace=False))
    batch = np.asarray(maps[chosen], np.float32)
    back = rng.random(len(batch)) < 0.5
    batch[back] = batch[back][:, :, ::-1]
    labels = np.repeat(np.array([0, 1], np.float32), len(batch))
    return np.concatenate([batch[:, 0], batch[:, 1]]), labels


def _run(rng: np.random.Generator, count: int, frames: int) -> np.ndarray:
    """Indices of consecutive frames; a shorter clip runs forth and back."""
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
