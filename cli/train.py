"""`unmask train`: a model by a recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cli.common import ProgressBar
from cli.options import Argument, Device, Option
from detector.errors import UsageError

if TYPE_CHECKING:
    from detector.training.fit import TrainingOptions


def train(
    recipe: Annotated[
        str, Argument(metavar="RECIPE", help="clip, finetune, generated, texture, voice, or a TOML")
    ],
    data: Annotated[Path, Option(metavar="LABELS.csv")],
    out: Annotated[Path, Option("-o", "--out", metavar="DIR")],
    begin: Annotated[
        str | None,
        Option(
            metavar="WEIGHTS",
            help="id of the detector to fine-tune; clip: a file, or shipped; texture, voice: a "
            "trunk",
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        Option(metavar="FILE …", help="your own files of the architecture that --begin names"),
    ] = None,
    tune: Annotated[
        Literal["whole", "norms", "head"] | None,
        Option(
            help="what may change of a published detector; default: norms of transformers, else "
            "whole"
        ),
    ] = None,
    rate: Annotated[
        float | None, Option(metavar="R", help="learning rate, not the recipe's")
    ] = None,
    cache: Annotated[Path | None, Option(metavar="DIR", help="keep cut faces between runs")] = None,
    images: Annotated[int | None, Option(metavar="N", help="instead of the recipe's")] = None,
    leave_out: Annotated[
        str | None,
        Option(metavar="FOLD", help="hold out a fold of sources, or A,B, for a figure of it"),
    ] = None,
    folds: Annotated[
        Literal["sources", "kinds"] | None,
        Option(
            help="clip, generated, voice: leave out each fold of sources in turn, save its logits"
        ),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="go on where a stopped run left off")] = False,
    device: Device = "auto",
) -> int:
    """Train a model by a recipe."""
    from detector.pipeline.analyzer import pick_device
    from detector.training.fit import TrainingOptions
    from detector.training.recipe import read_recipe

    given = {"images": images, "rate": rate, "leave_out": leave_out}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    run = TrainingOptions(
        out, resume=resume, device=pick_device(device), on_progress=TrainingProgressBar()
    )
    if recipe == "clip":
        if weights or tune or leave_out:
            raise UsageError(
                "The recipe clip takes none of --weights, --tune and --leave-out.",
                hint="--folds leaves out each fold in turn.",
            )
        print(_clip(run, data, changes, cache=cache, begin=begin, folds=folds))
        return 0
    if recipe == "voice":
        if weights or tune or cache or folds == "kinds" or changes:
            raise UsageError("The recipe voice takes --begin and --folds sources alone.")
        print(_voice(run, data, begin=begin, folds=folds))
        return 0
    if recipe == "generated":
        if weights or tune or cache or begin or folds == "kinds" or changes:
            raise UsageError("The recipe generated takes --folds sources alone.")
        print(_generated(run, data, folds=folds))
        return 0
    from detector.training.run import train as train_recipe

    if folds:
        raise UsageError("--folds is for the recipes clip, generated and voice.")
    made = train_recipe(
        read_recipe(recipe).model_copy(update=changes),
        data,
        run,
        cache=cache,
        begin=begin,
        weights=weights or [],
        tune=tune,
    )
    print(made)
    return 0


def _clip(
    run: TrainingOptions,
    data: Path,
    changes: dict[str, Any],
    *,
    cache: Path | None,
    begin: str | None,
    folds: str | None,
) -> Path | None:
    from detector.evaluation import groups
    from detector.training.clip.recipe import ClipRecipe
    from detector.training.clip.run import train

    left_out = {"sources": groups.source_names(), "kinds": groups.names(), None: ()}[folds]
    return train(ClipRecipe(**changes), data, run, cache=cache, begin=begin, folds=left_out)


def _generated(run: TrainingOptions, data: Path, *, folds: str | None) -> Path:
    from detector.evaluation import groups
    from detector.training.clip.generated import GeneratedRecipe, train

    return train(GeneratedRecipe(), data, run, folds=groups.source_names() if folds else ())


def _voice(run: TrainingOptions, data: Path, *, begin: str | None, folds: str | None) -> Path:
    from detector.evaluation import groups
    from detector.training.voice import VoiceRecipe, train

    left_out = groups.voice_names() if folds else ()
    return train(VoiceRecipe(), data, run, begin=Path(begin) if begin else None, folds=left_out)


COUNTED = {"faces": "files searched for faces", "training": "steps"}
"""What a stage of a run counts, where it is not what the stage is called."""


class TrainingProgressBar:
    """How far a run is: a bar a stage, and a line of figures at each look at the held-out part."""

    def __init__(self) -> None:
        self.stage, self.done, self.bar = "", 0, ProgressBar("")

    def __call__(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        if stage != self.stage or done < self.done:
            self.stage, self.bar = stage, ProgressBar(COUNTED.get(stage, stage))
        self.done = done
        if figures:
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            print(f"{stage} {done} of {total}  {numbers}", file=sys.stderr, flush=True)
        if not figures or done < total:
            self.bar(done, total)
        else:
            self.bar.close()
