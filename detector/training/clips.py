"""Training of a clip model: maps of many clips once, pretraining where asked, then pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector.errors import InputError, UsageError
from detector.evaluation import metrics
from detector.models.base import CropRecipe
from detector.models.families.videomae import HybridVideoMae
from detector.models.maps import MapNetwork
from detector.training import augment, input_transform, masking, motion, pool, start
from detector.training.cache import FaceCache, Faces
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
    plan, out = job.plan, job.out
    network = network_of(plan, family)
    network.trunk.load_state_dict(start.trunk_state(job.begin))
    out.mkdir(parents=True, exist_ok=True)
    show = partial(_report_progress, job, "maps")
    size = int(plan.options.get("pool", 1000))
    make = partial(_pair, job.sources, plan)
    maps = pool.fill(make, size, network, out / "maps.npy", resume=job.resume, progress=show)
    pool.set_scale(network, maps)
    if plan.pretrain is not None:
        _pretrain(job, network)
    checked = Windows([s for s in job.held if not s.part.makes_fakes], plan.crop, plan.clip_frames)
    trained = fit(
        OnMaps(network),
        plan,
        lambda step: pool.draw_pairs(maps, plan, step),
        out,
        check=HeldOutMaps(checked, network) if checked.parts else None,
        resume=job.resume,
        stop_after=job.stop_after,
        progress=job.training,
        device=job.device,
    )
    assert isinstance(trained, OnMaps)
    return trained.network


def _pretrain(job: TrainingJob, network: MapNetwork) -> None:
    """Mask all clips there are but those of held-out people, whatever their labels say."""
    asked = job.plan.pretrain
    if asked is None or not isinstance(network, HybridVideoMae):
        raise UsageError(f"{job.plan.name}: only a videomae is pretrained by masking.")
    caches = {s.cache.folder: s.cache for s in [*job.sources, *job.held]}
    every = [(c, e) for c in caches.values() for e in c.entries if e.kind == "video"]
    learned = [(cache, entry) for cache, entry in every if entry.person not in job.kept]
    held = [(cache, entry) for cache, entry in every if entry.person in job.kept]
    if not learned:
        raise InputError(f"There are no clips for the pretraining of {job.plan.name!r}.")
    folder = job.out / "pretrain"
    folder.mkdir(exist_ok=True)
    fill = partial(
        pool.fill,
        network=network,
        resume=job.resume,
        progress=partial(_report_progress, job, "maps"),
    )
    make = partial(_clip, learned, job.plan)
    maps = fill(make, asked.pool, file=folder / "maps.npy")
    checked = None
    if held:
        make = partial(_clip, held, job.plan)
        checked = fill(make, min(len(held), WATCHED), file=folder / "held.npy")
    masking.pretrain(
        network, job.plan, maps, folder, held=checked, resume=job.resume,
        progress=partial(job.on_progress, "masking"), device=job.device,
    )  # fmt: skip


class Windows:
    """Clean windows from the middle of held-out clips, part by part.

    Attributes
    ----------
    parts : dict of str to list of (cache, entry)
        Originals and fakes in turn.
    """

    def __init__(self, sources: Sequence[PairSource], crop: CropRecipe, frames: int) -> None:
        self.crop, self.frames = crop, frames
        self.parts: dict[str, list[tuple[FaceCache, Faces]]] = {}
        for source in sources:
            couples = [couple for group in source.groups for couple in group]
            found = [
                (source.cache, entry)
                for couple in couples[:: -(-len(couples) // WATCHED) or 1]
                for entry in couple
                if entry is not None
            ]
            if found:
                self.parts[source.part.name] = found

    def clip(self, cache: FaceCache, entry: Faces) -> np.ndarray:
        """uint8 [T, S, S, 3]."""
        return window(cache, entry, self.crop, self.frames)


def window(
    cache: FaceCache, entry: Faces, crop: CropRecipe, frames: int, where: float = 0.5
) -> np.ndarray:
    """Consecutive frames as a model is shown them, unchanged: uint8 [T, S, S, 3].

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
    """AUC and pairs won on held-out pairs, part by part. Call it with an `OnMaps`.

    The trunk of `network` sees the windows once, now.
    """

    def __init__(self, windows: Windows, network: MapNetwork) -> None:
        trunk = pool.seeing(network, windows.crop.size)

        def maps(cache: FaceCache, entry: Faces) -> Tensor:
            frames = augment.batch_to_array(list(windows.clip(cache, entry)))
            return torch.from_numpy(trunk(frames)[0]).half()

        self.maps = {
            name: [maps(cache, entry) for cache, entry in found]
            for name, found in windows.parts.items()
        }

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        network.eval()
        figures = {}
        for name, maps in self.maps.items():
            scores = np.array([float(network(one[None].float())) for one in maps])
            labels = np.arange(len(scores)) % 2
            couples = [(i, i + 1) for i in range(0, len(scores), 2)]
            figures[f"{name} auc"] = metrics.auc(scores, labels)
            figures[f"{name} pairs won"] = metrics.paired_ranking_accuracy(scores, couples)
        return figures


def _pair(sources: Sequence[PairSource], plan: Recipe, index: int) -> tuple[np.ndarray, np.ndarray]:
    source, first, second, rng = motion.pick(sources, plan, index)
    return motion.one_pair(source, first, second, plan, rng)


def _clip(every: Sequence[tuple[FaceCache, Faces]], plan: Recipe, index: int) -> list[np.ndarray]:
    rng = np.random.default_rng([plan.seed, 17, index])
    # All clips in turn, so that none is missing, each time another window under another look.
    cache, entry = every[index % len(every)]
    return [motion.one_clip(entry, cache.frames(entry), plan, rng)]


def _report_progress(job: TrainingJob, stage: str, done: int, total: int) -> None:
    job.on_progress(stage, done, total, {})
