"""A training run from a recipe to a file of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from detector.errors import InputError, UsageError
from detector.evaluation.groups import held_out_people
from detector.evaluation.labels import Item, read_labels
from detector.training import clips, layer, published, sample
from detector.training.cache import FaceCache, build, tried
from detector.training.fit import OnProgress, TrainingOptions, packed
from detector.training.frames import FrameTrainer
from detector.training.input_transform import InputTransform, OwnInput, input_transform_of
from detector.training.job import TrainingJob
from detector.training.pretrained import PretrainedDetector, adapted, open_start
from detector.training.recipe import Recipe, read_recipe


def train(
    recipe: str | Path | Recipe,
    data: Path,
    run: TrainingOptions | Path,
    *,
    cache: Path | None = None,
    begin: Path | str | None = None,
    weights: Sequence[Path] = (),
    tune: str | None = None,
) -> Path | None:
    """Train by a recipe.

    Parameters
    ----------
    recipe : str, Path or Recipe
        A name (`pairs`, `blend`, `motion`), a TOML file, or the recipe itself.
    data : Path
        CSV of labelled files; see `detector.evaluation.labels`.
    run : TrainingOptions or Path
        Where and how; a path is the run's folder.
    cache : Path, optional
        Where cut faces are kept between runs. Default: `run.out`/faces.
    begin : Path or str, optional
        Weights to start from instead of the recipe's: a trunk or a trained model. For a clip model
        this is the frame model whose trunk it stands on. Or the id of a model: a published detector
        is trained on as it is fed and read (`detector.training.published`).
    weights : sequence of Path
        The person's own files of the architecture `begin`.
    tune : str, optional
        What may change of a published detector, one of `published.TUNES`. Default: the
        normalizations and the last layer of transformers, all of others.

    Returns
    -------
    Path or None
        `run.out`/model.safetensors (of a detector that is read from several files, the folder they
        are in); None if stopped early.

    Raises
    ------
    UsageError, InputError, WeightsError
        The recipe, the labels or the weights can't be used.
    """
    run = TrainingOptions(run) if isinstance(run, Path) else run
    plan = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    first = str(begin or plan.start)
    start = open_start(first, weights) if first else None
    detector = start if isinstance(start, PretrainedDetector) else None
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
    items = read_labels(data)
    parts = [p for p in plan.parts if not p.optional or sample.select(p, items)]
    plan = plan.model_copy(update={"parts": parts})
    caches = faces(plan, items, cache or run.out / "faces", run.on_progress, transform)
    # Who is held out follows from the labels, not from where a face was found.
    people = held_out_people(items, plan)
    shared = [(part, caches[transform.cached(part).name]) for part in plan.parts]
    gathered = [
        [sample.gather(part, cached, people, held=held) for part, cached in shared]
        for held in (False, True)
    ]
    sources, held = ([source for source in side if source.groups] for side in gathered)
    if not sources:
        raise InputError(
            f"{data} has nothing that the recipe {plan.name!r} asks for.",
            hint="Pairs are an original and a fake of it with the same word in the column group.",
        )
    torch.manual_seed(plan.seed)  # what is not loaded starts at random
    path = start if isinstance(start, Path) else None
    network = trainer(TrainingJob(plan, sources, held, people, run, path, detector))
    if run.stop_after is not None and run.stop_after < plan.steps:
        return None
    if detector:
        assert isinstance(network, published.LogOddsHead)
        written = published.write(detector, network.network, run.out)
        return written[0] if len(written) == 1 else run.out
    from safetensors.torch import save_file

    target = run.out / "model.safetensors"
    save_file(packed(network), target)
    return target


def faces(
    recipe: Recipe,
    items: Sequence[Item],
    folder: Path,
    on_progress: OnProgress,
    transform: InputTransform | None = None,
) -> dict[str, FaceCache]:
    """Return the caches that the parts of a recipe need, by name, built where they are missing.

    Raises
    ------
    InputError
        The labels hold no files for one of them.
    """
    transform = transform or OwnInput(recipe.crop)
    caches = {}
    for spec in dict.fromkeys(transform.cached(part) for part in recipe.parts):
        kind = spec.name
        parts = [part for part in recipe.parts if transform.cached(part) == spec]
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
            spec,
            aligned=as_one,
            tight=parts[0].tight,
            progress=lambda done, total: on_progress("faces", done, total, {}),
        )
    return caches


TRAINERS: dict[str, Callable[[TrainingJob], nn.Module]] = {
    "mobilenet": FrameTrainer(),
    "videomae": clips.train,
    "published": published.train,
    "texture": layer.train,
    "cooccurrence": layer.train,
}
"""How the networks of a recipe's family are trained."""
