"""`unmask train`: a model by a recipe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.common import Commands, ProgressBar
from detector.errors import UsageError

if TYPE_CHECKING:
    from detector.training.fit import TrainingOptions


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    train = commands.add_parser("train", help="train a model by a recipe")
    train.add_argument("recipe", metavar="RECIPE", help="clip, finetune, texture, or a TOML")
    train.add_argument("--data", type=Path, required=True, metavar="LABELS.csv")
    train.add_argument("-o", "--out", type=Path, required=True, metavar="DIR")
    train.add_argument(
        "--begin",
        metavar="WEIGHTS",
        help="id of the detector to fine-tune; clip: a file, or shipped; texture: a trunk",
    )
    train.add_argument(
        "--weights",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="your own file of the architecture that --begin names",
    )
    train.add_argument(
        "--tune",
        choices=["whole", "norms", "head"],
        help="what may change of a published detector; default: norms of transformers, else whole",
    )
    train.add_argument("--rate", type=float, metavar="R", help="learning rate, not the recipe's")
    train.add_argument("--cache", type=Path, metavar="DIR", help="keep cut faces between runs")
    train.add_argument("--images", type=int, metavar="N", help="instead of the recipe's")
    train.add_argument(
        "--leave-out", metavar="FOLD", help="hold out a fold of sources, or A,B, for a figure of it"
    )
    train.add_argument(
        "--folds",
        choices=["sources", "kinds"],
        help="clip: first leave out each fold of sources in turn, and save its logits",
    )
    train.add_argument("--resume", action="store_true", help="go on where a stopped run left off")
    train.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    train.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    from detector.pipeline.analyzer import pick_device
    from detector.training.fit import TrainingOptions
    from detector.training.recipe import read_recipe
    from detector.training.run import train

    changes = {name: getattr(args, name) for name in ("images", "rate", "leave_out")}
    changes = {name: value for name, value in changes.items() if value is not None}
    run = TrainingOptions(
        args.out,
        resume=args.resume,
        device=pick_device(args.device),
        on_progress=TrainingProgressBar(),
    )
    if args.recipe == "clip":
        print(_clip(args, run, changes))
        return 0
    if args.folds:
        raise UsageError("--folds is for the recipe clip.")
    weights = train(
        read_recipe(args.recipe).model_copy(update=changes),
        args.data,
        run,
        cache=args.cache,
        begin=args.begin,
        weights=args.weights,
        tune=args.tune,
    )
    print(weights)
    return 0


def _clip(args: argparse.Namespace, run: TrainingOptions, changes: dict[str, Any]) -> Path | None:
    from detector.evaluation import groups
    from detector.training.clip.recipe import ClipRecipe
    from detector.training.clip.run import train

    if args.weights or args.tune or args.leave_out:
        raise UsageError(
            "The recipe clip takes none of --weights, --tune and --leave-out.",
            hint="--folds leaves out each fold in turn.",
        )
    folds = {"sources": groups.source_names(), "kinds": groups.names(), None: ()}[args.folds]
    return train(
        ClipRecipe(**changes), args.data, run, cache=args.cache, begin=args.begin, folds=folds
    )


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
