"""`unmask train`: a model by a recipe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detector.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    train = commands.add_parser("train", help="train a model by a recipe")
    train.add_argument(
        "recipe", metavar="RECIPE", help="pairs, blend, motion, finetune, or a TOML file"
    )
    train.add_argument("--data", type=Path, required=True, metavar="LABELS.csv")
    train.add_argument("--out", type=Path, required=True, metavar="DIR")
    train.add_argument(
        "--begin", metavar="WEIGHTS", help="start from a file of ours, or from a model by its id"
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
    train.add_argument("--resume", action="store_true", help="go on where a stopped run left off")
    train.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    train.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    from detector.pipeline.analyzer import pick_device
    from detector.training import train

    weights = train(
        args.recipe,
        args.data,
        args.out,
        cache=args.cache,
        begin=args.begin,
        weights=args.weights,
        tune=args.tune,
        images=args.images,
        rate=args.rate,
        resume=args.resume,
        device=pick_device(args.device),
        progress=_training_line,
    )
    print(weights)
    return 0


def _training_line(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
    numbers = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    if sys.stderr.isatty() or figures or done == total:
        print(f"\r{stage} {done} of {total}  {numbers}", end="", file=sys.stderr, flush=True)
        if figures or done == total:
            print(file=sys.stderr)
