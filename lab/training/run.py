"""A training run from a recipe to a file of weights."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from detector.errors import InputError, UsageError
from detector.evaluation.labels import Item, read_labels
from detector.models.network import TokenModel
from detector.sentences import _
from lab.evaluation.groups import held_out_people
from lab.training import layer, published
from lab.training.cache import CacheSpec, FaceCache, open_cache
from lab.training.fit import TrainingOptions, save_halves
from lab.training.published import PretrainedInput
from lab.training.recipe import Recipe, read_recipe


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
    """Train by a recipe: a name (`finetune`, `texture`), a TOML file, or the recipe itself. Return
    `run.out`/model.safetensors (of a detector that is read from several files, their folder); None
    if stopped early. Raise UsageError, InputError, WeightsError.

    `data` is a CSV of labelled files, `cache` a folder of cut faces that runs share (default:
    `run.out`/faces). `begin` is what to start from, the file of a trunk (`texture`) or the id of a
    model or architecture, of which `weights` are the person's own files. `tune`, one of
    `published.TUNES`, says what may change of a detector; by default the normalizations and the
    last layer of transformers, all of others."""
    run = TrainingOptions(run) if isinstance(run, Path) else run
    plan = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    cache = cache or run.out / "faces"
    if plan.family == "published":
        return _finetune(plan, data, run, cache, str(begin or ""), weights, tune)
    if tune or weights:
        raise UsageError(_("--tune and --weights are for fine-tuning: use the recipe finetune."))
    return _fit_layer(plan, data, run, cache, Path(begin) if begin else None)


def _finetune(
    plan: Recipe, data: Path, run: TrainingOptions, cache: Path, begin: str,
    weights: Sequence[Path], tune: str | None,
) -> Path | None:  # fmt: skip
    if not begin:
        raise UsageError(_("Name the detector to fine-tune with --begin."))
    start = published.open_start(begin, weights)
    tune = tune or ("norms" if isinstance(start.model, TokenModel) else "whole")
    options = {"begun": start.spec.architecture, "tune": tune}
    plan = plan.model_copy(update={"crop": start.spec.crop, "options": options})
    items = read_labels(data)
    caches = _faces(plan, items, cache, run, PretrainedInput(start.model).cached)
    people = held_out_people(items, plan)
    sources, held = (
        [
            source
            for part in plan.parts
            if part.kind in caches
            and (source := published.gather(part, caches[part.kind], people, held=out)).groups
        ]
        for out in (False, True)
    )
    if not sources:
        raise InputError(
            _("{data} has no pairs for the recipe {name}.").format(data=data, name=repr(plan.name)),
            hint=_(
                "Pairs are an original and a fake of it with the same word in the column group."
            ),
        )
    torch.manual_seed(plan.seed)
    network = published.train(start, plan, sources, held, run)
    if run.stop_after is not None and run.stop_after < plan.steps:
        return None
    written = published.write(start, network.cpu(), run.out)
    return written[0] if len(written) == 1 else run.out


def _fit_layer(
    plan: Recipe, data: Path, run: TrainingOptions, cache: Path, trunk: Path | None
) -> Path:
    items = read_labels(data)
    people = held_out_people(items, plan)
    caches = _faces(plan, items, cache, run, lambda kind: layer.cached(plan.crop))
    clips = [
        (faces, entry)
        for faces in caches.values()
        for entry in faces.entries
        if entry.person not in people
    ]
    network = layer.train(plan, clips, run, trunk)
    target = run.out / "model.safetensors"
    save_halves(network, target)
    return target


def _faces(
    plan: Recipe, items: Sequence[Item], folder: Path, run: TrainingOptions,
    wanted: Callable[[str], CacheSpec],
) -> dict[str, FaceCache]:  # fmt: skip
    """Return the faces of each kind of file that a recipe learns from and the labels hold."""
    kinds = {part.kind for part in plan.parts} & {item.kind for item in items}
    if not kinds:
        raise InputError(
            _("The labels hold no files for the recipe {name}.").format(name=repr(plan.name))
        )
    return {
        kind: open_cache(folder, wanted(kind), [i for i in items if i.kind == kind], run)
        for kind in sorted(kinds)
    }
