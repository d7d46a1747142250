"""Maps of many clips in one file.

The trunk of a clip model is frozen, so a clip goes through it once: training draws from the maps.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from detector import runtime
from detector.models.families.mobilenet import fuse
from detector.models.maps import MapNetwork
from detector.training import augment
from detector.training.recipe import Recipe

BATCH = 32
"""Frames in one pass of the trunk."""

Make = Callable[[int], Sequence[np.ndarray]]
"""Number of a row -> its clips, uint8 [T, S, S, 3] each; must depend on the number alone."""


def fill(
    make: Make,
    count: int,
    network: MapNetwork,
    file: Path,
    *,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Compute the maps of `count` rows of clips, seen as in use: float16 memory map
    [count, K, T, 96, h, w].

    Parameters
    ----------
    make : callable
        See `Make`; K is how many clips it gives.
    file : Path
        A .npy; `file`.done counts the finished rows.
    resume : bool
        Go on where a stopped call left off.
    progress : callable
        Called with (rows done, rows in all).
    """
    trunk: runtime.Runner | None = None
    mark = file.with_suffix(".done")
    start = int(mark.read_text()) if resume and mark.is_file() and file.is_file() else 0
    maps = np.lib.format.open_memmap(file, "r+") if start else None
    if not start:
        mark.unlink(missing_ok=True)
    for index in range(start, count):
        clips = make(index)
        frames = augment.batch_to_array([picture for clip in clips for picture in clip])
        if trunk is None:
            trunk = seeing(network, frames.shape[-1])
        out = [trunk(frames[at : at + BATCH])[0] for at in range(0, len(frames), BATCH)]
        row = np.concatenate(out).astype(np.float16)
        row = row.reshape(len(clips), -1, *row.shape[1:])
        if maps is None:
            maps = np.lib.format.open_memmap(file, "w+", np.float16, (count, *row.shape))
        maps[index] = row
        if (index + 1) % 50 == 0 or index + 1 == count:
            maps.flush()
            mark.write_text(str(index + 1))
            if progress:
                progress(index + 1, count)
    if maps is None:
        raise ValueError("A pool has at least one row.")
    return maps


def seeing(network: MapNetwork, side: int) -> runtime.Runner:
    """Return the trunk of a network as it is run in use: float32 [N, 3, side, side] -> (maps,)."""
    trunk = fuse(copy.deepcopy(network.trunk))
    return runtime.compile(trunk, torch.zeros(2, 3, side, side), "cpu")


def set_scale(network: MapNetwork, maps: np.ndarray) -> None:
    """Take the statistics of the maps' channels from a pool."""
    sample = np.asarray(maps[:: max(1, len(maps) // 64)], np.float32)
    axes = (0, 1, 2, 4, 5)
    network.mean.copy_(torch.from_numpy(sample.mean(axes)))
    network.std.copy_(torch.from_numpy(sample.std(axes) + 1e-3))


def draw_pairs(maps: np.ndarray, recipe: Recipe, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the maps of one step, float32 [2 P, T, 96, h, w], originals first, and labels.

    Parameters
    ----------
    maps : [count, 2, T, 96, h, w]
        Originals and fakes. Mirrored in time at random, alike in a pair: what moves may move
        either way.
    """
    batch = _some(maps, recipe.pairs, np.random.default_rng([recipe.seed, 11, step]))
    labels = np.repeat(np.array([0, 1], np.float32), len(batch))
    return np.concatenate([batch[:, 0], batch[:, 1]]), labels


def draw_any(maps: np.ndarray, recipe: Recipe, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw clips of one step without labels: float32 [2 P, T, 96, h, w], and zeros.

    Parameters
    ----------
    maps : [count, K, T, 96, h, w]
        Any of the K clips of a row.
    """
    rng = np.random.default_rng([recipe.seed, 13, step])
    batch = _some(maps, 2 * recipe.pairs, rng)
    batch = batch[np.arange(len(batch)), rng.integers(batch.shape[1], size=len(batch))]
    return batch, np.zeros(len(batch), np.float32)


def _some(maps: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    chosen = np.sort(rng.choice(len(maps), min(count, len(maps)), replace=False))
    batch = np.asarray(maps[chosen], np.float32)
    back = rng.random(len(batch)) < 0.5
    batch[back] = batch[back][:, :, ::-1]
    return batch
