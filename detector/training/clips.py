"""Training of a clip model: maps of many clips once, pretraining where asked, then pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector.errors import InputError, UsageError
from detector.models.base import CropRecipe
from detector.models.families.videomae import HybridVideoMae
from detector.models.maps import MapNetwork
from detector.training import augment, input_transform, masking, motion, pool, start
from detector.training.cache import FaceCache, Faces
from detector.training.check import held_out_pairs, ranking
from detector.training.fit import fit
from detector.training.job import TrainingJob
from detector.training.recipe import Recipe
from detector.training.sample import PairSource

WATCHED = 120
"""Held-out pairs, and clips for the pretraining, that a run is watched on."""


class OnMaps(nn.Module):
    """A clip model that is given maps in place of pictures."""

    def __init__(self, network: MapNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor) -> Tensor:
        return self.network.judge(maps)


Family = Callable[..., MapNetwork]
"""Makes a network of a crop's side, the frames of a window and the recipe's options."""


def network_of(plan: Recipe, family: Family = HybridVideoMae) -> MapNetwork:
    """Return the untrained network that a recipe asks for.

    Raises
    ------
    UsageError
        The recipe's options do not fit its family.
    """
    options: dict[str, Any] = {k: v for k, v in plan.options.items() if k != "pool"}
    try:
        return family(plan.crop.size, plan.clip_frames, **options)
    except TypeError as error:
        raise UsageError(f"{plan.name}: these options fit no {plan.family}: {error}") from error


def train(job: TrainingJob, family: Family = HybridVideoMae) -> MapNetwork:
    """Train a clip model by a recipe; see `detector.training.run.train`."""
    plan, run = job.plan, job.run
    network = network_of(plan, family)
    network.trunk.load_state_dict(start.trunk_state(job.begin))
    run.out.mkdir(parents=True, exist_ok=True)
    maps = _maps(
        job, network, partial(_pair, job.sources, plan), plan.options.get("pool", 1000), "maps.npy"
    )
    pool.set_scale(network, maps)
    if plan.pretrain is not None:
        _pretrain(job, network)
    check = HeldOutMaps(job.held, plan, network)
    trained = fit(
        OnMaps(network),
        plan,
        lambda step: pool.draw_pairs(maps, plan, step),
        run,
        check=check if check.maps else None,
    )
    assert isinstance(trained, OnMaps)
    return trained.network


def _maps(
    job: TrainingJob, network: MapNetwork, make: pool.Make, count: str | float, name: str
) -> np.ndarray:
    """Return a pool of the run, kept in its folder."""
    file, show = job.run.out / name, partial(job.run.report, "maps")
    return pool.fill(make, int(count), network, file, resume=job.run.resume, progress=show)


def _pretrain(job: TrainingJob, network: MapNetwork) -> None:
    """Mask all clips there are but those of held-out people, whatever their labels say."""
    plan = job.plan
    if plan.pretrain is None or not isinstance(network, HybridVideoMae):
        raise UsageError(f"{plan.name}: only a videomae is pretrained by masking.")
    caches = {s.cache.folder: s.cache for s in [*job.sources, *job.held]}
    clips = [(c, e) for c in caches.values() for e in c.entries if e.kind == "video"]
    learned, held = (
        [(cache, entry) for cache, entry in clips if (entry.person in job.held_out) == out]
        for out in (False, True)
    )
    if not learned:
        raise InputError(f"There are no clips for the pretraining of {plan.name!r}.")
    folder = job.run.out / "pretrain"
    folder.mkdir(exist_ok=True)
    maps = _maps(
        job, network, partial(_clip, learned, plan), plan.pretrain.pool, "pretrain/maps.npy"
    )
    watched = None
    if held:
        count = min(len(held), WATCHED)
        watched = _maps(job, network, partial(_clip, held, plan), count, "pretrain/held.npy")
    run = replace(job.run, out=folder, stop_after=None)
    masking.pretrain(network, plan, maps, run, held=watched)


def window(
    cache: FaceCache, entry: Faces, crop: CropRecipe, frames: int, where: float = 0.5
) -> np.ndarray:
    """Return consecutive frames as a model is shown them, unchanged: uint8 [T, S, S, 3].

    Parameters
    ----------
    where : float
        0..1: the first window there is to the last.
    """
    first = round(where * max(0, entry.count - frames))
    pictures = cache.frames(entry)
    rows = first + motion.run(np.random.default_rng(0), min(frames, entry.count), frames)
    return np.stack([input_transform.plain(pictures[row], entry.tight, crop) for row in rows])


class HeldOutMaps:
    """AUC and pairs won on clean windows from the middle of held-out clips, part by part. Call it
    with an `OnMaps`.

    The trunk of `network` sees the windows once, now.
    """

    def __init__(self, sources: Sequence[PairSource], plan: Recipe, network: MapNetwork) -> None:
        trunk = pool.seeing(network, plan.crop.size)

        def maps(cache: FaceCache, entry: Faces) -> Tensor:
            frames = window(cache, entry, plan.crop, plan.clip_frames)
            return torch.from_numpy(trunk(augment.batch_to_array(list(frames)))[0]).half()

        self.maps = {
            source.part.name: [maps(source.cache, entry) for entry in entries]
            for source in sources
            if (entries := held_out_pairs(source, WATCHED))
        }

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        network.eval()
        figures: dict[str, float] = {}
        for name, maps in self.maps.items():
            scores = np.array([float(network(one[None].float())) for one in maps])
            figures |= ranking(name, scores)
        return figures


def _pair(sources: Sequence[PairSource], plan: Recipe, index: int) -> tuple[np.ndarray, np.ndarray]:
    source, first, second, rng = motion.pick(sources, plan, index)
    return motion.one_pair(source, first, second, plan, rng)


def _clip(every: Sequence[tuple[FaceCache, Faces]], plan: Recipe, index: int) -> list[np.ndarray]:
    rng = np.random.default_rng([plan.seed, 17, index])
    # All clips in turn, so that none is missing, each time another window under another look.
    cache, entry = every[index % len(every)]
    return [motion.one_clip(entry, cache.frames(entry), plan, rng)]
