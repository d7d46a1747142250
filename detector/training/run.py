"""A training run from a recipe to a file of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector.errors import InputError
from detector.models.videomae import HybridVideoMae
from detector.training import motion, sample, start
from detector.training.cache import FaceCache, build, tried
from detector.training.check import HeldOut, HeldOutMaps
from detector.training.data import Item, read_labels
from detector.training.fit import fit, packed
from detector.training.recipe import Part, Recipe, read_recipe
from detector.training.sample import Source

Progress = Callable[[str, int, int, dict[str, float]], None]
"""Stage ("faces", "maps", "training"), done, in all, figures."""

STATISTICS = 144
"""Pictures from which a trunk's statistics are refitted."""
AHEAD = 1_000_000
"""First of the steps whose pictures they are: beyond any run's own."""
HELD_POOL = 120
"""Held-out pairs of clips that the training of a clip model is watched on."""


def train(
    recipe: str | Path | Recipe,
    data: Path,
    out: Path,
    *,
    cache: Path | None = None,
    begin: Path | None = None,
    images: int | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Path | None:
    """Train by a recipe.

    Parameters
    ----------
    recipe : str, Path or Recipe
        A name (`pairs`, `blend`, `motion`), a TOML file, or the recipe itself.
    data : Path
        CSV of labelled files; see `detector.training.data`.
    out : Path
        The run's folder; made.
    cache : Path, optional
        Where cut faces are kept between runs. Default: `out`/faces.
    begin : Path, optional
        Weights to start from instead of the recipe's: a trunk or a trained model. For a clip model
        this is the frame model whose trunk it stands on.
    images : int, optional
        Instead of the recipe's.
    resume : bool
        Go on where a stopped run left off.
    stop_after : int, optional
        Stop before this step; a later call with `resume` finishes the run.

    Returns
    -------
    Path or None
        `out`/model.safetensors; None if stopped early.

    Raises
    ------
    UsageError, InputError, WeightsError
        The recipe, the labels or the weights can't be used.
    """
    plan = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    if images is not None:
        plan = plan.model_copy(update={"images": images})
    begin = begin or (Path(plan.start) if plan.start else None)
    tell = progress or (lambda stage, done, total, figures: None)
    items = read_labels(data)
    caches = faces(plan, items, cache or out / "faces", tell)
    # Who is held out follows from the labels, not from where a face was found.
    kept = sample.split(items, plan)
    sources = [sample.gather(p, caches[_key(p)], kept) for p in plan.parts]
    held = [sample.gather(p, caches[_key(p)], kept, held=True) for p in plan.parts]
    sources = [source for source in sources if source.groups]
    held = [source for source in held if source.groups]
    if not sources:
        raise InputError(f"{data} has nothing that the recipe {plan.name!r} asks for.")
    torch.manual_seed(plan.seed)  # what is not loaded starts at random
    run = _frames if plan.family == "mobilenet" else _clips
    network, total = run(plan, sources, held, out, begin, resume, stop_after, device, tell)
    if stop_after is not None and stop_after < total:
        return None
    from safetensors.torch import save_file

    target = out / "model.safetensors"
    save_file(packed(network), target)
    return target


def faces(
    recipe: Recipe, items: Sequence[Item], folder: Path, tell: Progress
) -> dict[str, FaceCache]:
    """The caches that the parts of a recipe need, by key; built where they are missing."""
    caches = {}
    for key in dict.fromkeys(_key(part) for part in recipe.parts):
        parts = [part for part in recipe.parts if _key(part) == key]
        wanted = {
            item.name: item
            for part in parts
            for item in sample.select(part, items)
            if part.mode == "pairs" or item.label == 0
        }
        if not wanted:
            raise InputError(f"The labels hold no {key} files for the recipe {recipe.name!r}.")
        have = tried(folder / key)
        if set(wanted) <= have:
            caches[key] = FaceCache(folder / key)
            continue
        both = [item for item in items if item.name in have or item.name in wanted]
        matched = [p for p in parts if p.aligned and p.mode == "pairs"]

        def aligned(item: Item, matched: list[Part] = matched) -> bool:
            return any(sample.select(part, [item]) for part in matched)

        caches[key] = build(
            both,
            folder / key,
            aligned=aligned,
            tight=parts[0].tight,
            side=224 if parts[0].tight else 256,
            progress=lambda done, total: tell("faces", done, total, {}),
        )
    return caches


def _frames(
    plan: Recipe,
    sources: Sequence[Source],
    held: Sequence[Source],
    out: Path,
    begin: Path | None,
    resume: bool,
    stop_after: int | None,
    device: str,
    tell: Progress,
) -> tuple[nn.Module, int]:
    network = start.frame_network(begin)
    some = [
        sample.draw(sources, plan, AHEAD + i)[0]
        for i in range(max(1, STATISTICS // (2 * plan.pairs)))
    ]
    if not start.is_trained(begin):
        start.refit_statistics(network, torch.from_numpy(np.concatenate(some)))
    trained = fit(
        network,
        plan,
        lambda step: sample.draw(sources, plan, step),
        out,
        check=HeldOut(held, plan.crop),
        resume=resume,
        stop_after=stop_after,
        progress=lambda done, total, figures: tell("training", done, total, figures),
        device=device,
    )
    return trained, plan.steps


def _clips(
    plan: Recipe,
    sources: Sequence[Source],
    held: Sequence[Source],
    out: Path,
    begin: Path | None,
    resume: bool,
    stop_after: int | None,
    device: str,
    tell: Progress,
) -> tuple[nn.Module, int]:
    options: dict[str, Any] = dict(plan.options)
    count = int(options.pop("pool", 1000))
    network = HybridVideoMae(plan.crop.size, plan.clip_frames, **options)
    network.trunk.load_state_dict(start.trunk_state(begin))
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        for file in (out / "maps.done", out / "held.done"):
            file.unlink(missing_ok=True)
    show = lambda done, total: tell("maps", done, total, {})  # noqa: E731
    maps = motion.pool(sources, plan, network, count, out / "maps.npy", progress=show)
    check = None
    real_pairs = [source for source in held if source.part.mode == "pairs"]
    if real_pairs:
        check = HeldOutMaps(
            motion.pool(real_pairs, plan, network, HELD_POOL, out / "held.npy", progress=show)
        )
    motion.set_scale(network, maps)
    trained = fit(
        OnMaps(network),
        plan,
        lambda step: motion.draw(maps, plan, step),
        out,
        check=check,
        resume=resume,
        stop_after=stop_after,
        progress=lambda done, total, figures: tell("training", done, total, figures),
        device=device,
    )
    assert isinstance(trained, OnMaps)
    return trained.network, plan.steps


class OnMaps(nn.Module):
    """A clip model that is given maps in place of pictures."""

    def __init__(self, network: HybridVideoMae) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor) -> Tensor:
        return self.network.judge(maps)


def _key(part: Part) -> str:
    return f"{part.kind}-tight" if part.tight else part.kind
