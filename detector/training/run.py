"""A training run from a recipe to a file of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from detector.errors import InputError, UsageError
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.splits import held_out_people
from detector.training import clips, published, sample
from detector.training.cache import FaceCache, build, tried
from detector.training.fit import packed
from detector.training.frames import FrameTrainer
from detector.training.input_transform import InputTransform, OwnInput, input_transform_of
from detector.training.job import Progress, TrainingJob
from detector.training.pretrained import PretrainedDetector, adapted, open_start
from detector.training.recipe import Recipe, read_recipe


def train(  # noqa: PLR0913
    recipe: str | Path | Recipe,
    data: Path,
    out: Path,
    *,
    cache: Path | None = None,
    begin: Path | str | None = None,
    weights: Sequence[Path] = (),
    tune: str | None = None,
    images: int | None = None,
    rate: float | None = None,
    leave_out: str | None = None,
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
        CSV of labelled files; see `detector.evaluation.labels`.
    out : Path
        The run's folder; made.
    cache : Path, optional
        Where cut faces are kept between runs. Default: `out`/faces.
    begin : Path or str, optional
        Weights to start from instead of the recipe's: a trunk or a trained model. For a clip model
        this is the frame model whose trunk it stands on. Or the id of a model: a published detector
        is trained on as it is fed and read (`detector.training.published`).
    weights : sequence of Path
        The person's own files of the architecture `begin`.
    tune : str, optional
        What may change of a published detector, one of `published.TUNES`. Default: the
        normalizations and the last layer of transformers, all of others.
    images, rate : optional
        Instead of the recipe's.
    leave_out : str, optional
        A fold of sources (`detector.evaluation.groups`; several with commas between them) that is
        held out in place of some people of every source.
    resume : bool
        Go on where a stopped run left off.
    stop_after : int, optional
        Stop before this step; a later call with `resume` finishes the run.

    Returns
    -------
    Path or None
        `out`/model.safetensors (of a detector that is read from several files, the folder they are
        in); None if stopped early.

    Raises
    ------
    UsageError, InputError, WeightsError
        The recipe, the labels or the weights can't be used.
    """
    plan = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    changed = {"images": images, "rate": rate, "leave_out": leave_out}
    plan = plan.model_copy(update={k: v for k, v in changed.items() if v is not None})
    first = str(begin or plan.start)
    start_from = open_start(first, weights) if first else None
    detector = start_from if isinstance(start_from, PretrainedDetector) else None
    if detector:
        plan = adapted(plan, detector, tune)
    elif tune or weights:
        raise UsageError("--tune and --weights are for published detectors: name one with --begin.")
    if (trainer := TRAINERS.get(plan.family)) is None:
        raise UsageError(
            f"The recipe {plan.name!r} is of a family that is not trained here: {plan.family!r}.",
            hint=f"Known: {', '.join(sorted(TRAINERS))}.",
        )
    transform = input_transform_of(plan, detector.model if detector else None)
    on_progress = progress or (lambda stage, done, total, figures: None)
    items = read_labels(data)
    parts = [p for p in plan.parts if not p.optional or sample.select(p, items)]
    plan = plan.model_copy(update={"parts": parts})
    caches = faces(plan, items, cache or out / "faces", on_progress, transform)
    # Who is held out follows from the labels, not from where a face was found.
    kept = held_out_people(items, plan)
    of = [(part, caches[transform.cached(part).name]) for part in plan.parts]
    sources = [sample.gather(part, shelf, kept) for part, shelf in of]
    held = [sample.gather(part, shelf, kept, held=True) for part, shelf in of]
    sources = [source for source in sources if source.groups]
    held = [source for source in held if source.groups]
    if not sources:
        raise InputError(
            f"{data} has nothing that the recipe {plan.name!r} asks for.",
            hint="Pairs are an original and a fake of it with the same word in the column group.",
        )
    torch.manual_seed(plan.seed)  # what is not loaded starts at random
    path = start_from if isinstance(start_from, Path) else None
    job = TrainingJob(
        plan, sources, held, kept, out, path, resume, stop_after, device, on_progress, detector
    )
    network = trainer(job)
    if stop_after is not None and stop_after < plan.steps:
        return None
    if detector:
        assert isinstance(network, published.LogOddsHead)
        written = published.write(detector, network.network, out)
        return written[0] if len(written) == 1 else out
    from safetensors.torch import save_file

    target = out / "model.safetensors"
    save_file(packed(network), target)
    return target


def faces(
    recipe: Recipe,
    items: Sequence[Item],
    folder: Path,
    on_progress: Progress,
    transform: InputTransform | None = None,
) -> dict[str, FaceCache]:
    """The caches that the parts of a recipe need, by name; built where they are missing."""
    transform = transform or OwnInput(recipe.crop)
    caches = {}
    for wanted_cache in dict.fromkeys(transform.cached(part) for part in recipe.parts):
        kind = wanted_cache.name
        parts = [part for part in recipe.parts if transform.cached(part) == wanted_cache]
        wanted = {
            item.name: item
            for part in parts
            for item in sample.select(part, items)
            if not part.makes_fakes or item.label == 0
        }
        if not wanted:
            raise InputError(f"The labels hold no {kind} files for the recipe {recipe.name!r}.")
        have = tried(folder / kind)
        if set(wanted) <= have:
            caches[kind] = FaceCache(folder / kind)
            caches[kind].relabel(items)
            continue
        both = [item for item in items if item.name in have or item.name in wanted]
        matched = [p for p in parts if p.aligned and p.mode == "pairs"]
        # Another recipe's pairs stay aligned, whatever this one asks of the same files.
        as_one = {e.name for e in FaceCache(folder / kind).entries if e.aligned} if have else set()
        as_one |= {item.name for part in matched for item in sample.select(part, both)}

        caches[kind] = build(
            both,
            folder / kind,
            aligned=as_one,
            tight=parts[0].tight,
            side=wanted_cache.side,
            margin=wanted_cache.margin,
            seconds=wanted_cache.seconds,
            progress=lambda done, total: on_progress("faces", done, total, {}),
        )
    return caches


TRAINERS: dict[str, Callable[[TrainingJob], nn.Module]] = {
    "mobilenet": FrameTrainer(),
    "videomae": clips.train,
    "published": published.train,
}
"""How the networks of a recipe's family are trained."""
