"""`unmask train`: a model by a recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cli.common import ProgressBar
from cli.options import Argument, Device, Option
from detector.errors import UsageError


def train(
    recipe: Annotated[
        str,
        Argument(
            metavar="RECIPE", help="clip, finetune, generated, sequences, texture, voice, or a TOML"
        ),
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
            help="clip, generated, sequences, voice: leave out each fold of sources in turn, save "
            "its logits"
        ),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="go on where a stopped run left off")] = False,
    device: Device = "auto",
) -> int:
    """Train a model by a recipe."""
    from detector.evaluation import groups
    from detector.pipeline.analyzer import pick_device
    from detector.training.fit import TrainingOptions
    from detector.training.recipe import read_recipe

    given = {"images": images, "rate": rate, "leave_out": leave_out}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    run = TrainingOptions(
        out, resume=resume, device=pick_device(device), on_progress=TrainingProgressBar()
    )
    saved: Path | None
    if recipe == "clip":
        from detector.training.clip.recipe import ClipRecipe
        from detector.training.clip.run import train as train_clip

        if weights or tune or leave_out:
            raise UsageError(
                "The recipe clip takes none of --weights, --tune and --leave-out.",
                hint="--folds leaves out each fold in turn.",
            )
        held_out = {"sources": groups.source_names(), "kinds": groups.names(), None: ()}[folds]
        saved = train_clip(
            ClipRecipe(**changes), data, run, cache=cache, begin=begin, folds=held_out
        )
    elif recipe == "voice":
        from detector.training.voice import VoiceRecipe
        from detector.training.voice import train as train_voice

        if weights or tune or cache or folds == "kinds" or changes:
            raise UsageError("The recipe voice takes --begin and --folds sources alone.")
        held_out = groups.voice_names() if folds else ()
        trunk = Path(begin) if begin else None
        saved = train_voice(VoiceRecipe(), data, run, begin=trunk, folds=held_out)
    elif recipe == "generated":
        from detector.training.clip.generated import GeneratedRecipe
        from detector.training.clip.generated import train as train_generated

        if weights or tune or cache or begin or folds == "kinds" or changes:
            raise UsageError("The recipe generated takes --folds sources alone.")
        held_out = groups.source_names() if folds else ()
        saved = train_generated(GeneratedRecipe(), data, run, folds=held_out)
    elif recipe == "sequences":
        from detector.training.sequences.recipe import SequenceRecipe
        from detector.training.sequences.recipe import train as train_sequences

        if weights or tune or begin or folds == "kinds" or leave_out or resume:
            raise UsageError(
                "The recipe sequences takes --cache, --images, --rate and --folds sources alone."
            )
        held_out = groups.source_names() if folds else ()
        saved = train_sequences(SequenceRecipe(**changes), data, run, cache=cache, folds=held_out)
    elif folds:
        raise UsageError("--folds is for the recipes clip, generated, sequences and voice.")
    else:
        from detector.training.run import train as train_recipe

        settings = read_recipe(recipe).model_copy(update=changes)
        saved = train_recipe(
            settings, data, run, cache=cache, begin=begin, weights=weights or [], tune=tune
        )
    print(saved)
    return 0


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
