"""`unmask train`: a model by a recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import runs as mlflow_runs
from cli.common import ProgressBar
from cli.options import Argument, Device, Option
from detector.errors import UsageError
from detector.evaluation import groups
from detector.pipeline.analyzer import pick_device
from detector.training.clip.recipe import ClipRecipe
from detector.training.recipe import read_recipe

if TYPE_CHECKING:
    from detector.evaluation.runs import Steps
    from detector.training.fit import TrainingOptions


def train(
    context: typer.Context,
    recipe: Annotated[
        str,
        Argument(
            metavar="RECIPE",
            help="own, clip, finetune, fuse, generated, sequences, texture, videomae, voice, or a "
            "TOML",
        ),
    ],
    data: Annotated[
        Path,
        Option(
            metavar="LABELS.csv",
            help="or a folder: real/ and fake/, or the layout of FaceForensics++, Celeb-DF or DFDC",
        ),
    ],
    out: Annotated[Path, Option("-o", "--out", metavar="DIR")],
    parents: Annotated[
        list[str] | None,
        Argument(
            metavar="[A B]",
            help="fuse: ids of two models of one architecture, neither trained on the data",
        ),
    ] = None,
    at: Annotated[
        float | None, Option(metavar="T", min=0, max=1, help="fuse: the share of B (0.5)")
    ] = None,
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
            help="clip, generated, sequences, videomae, voice: leave out each fold of sources in "
            "turn, save its logits"
        ),
    ] = None,
    loss: Annotated[
        Literal["bce", "focal", "alignment", "contrastive"] | None,
        Option(help="own: cross-entropy (the default), focal, or with a loss on distances"),
    ] = None,
    patience: Annotated[
        int | None,
        Option(metavar="N", help="own: stop after so many steps without a better held-out loss"),
    ] = None,
    sbi: Annotated[
        bool | None, Option("--sbi/--no-sbi", help="own: self-blended fakes of the originals")
    ] = None,
    resume: Annotated[bool, Option("--resume", help="go on where a stopped run left off")] = False,
    runs: mlflow_runs.Runs = None,
    device: Device = "auto",
) -> int:
    """Train a model by a recipe."""
    # These import torch.
    from detector.training import fit, voice
    from detector.training.clip import generated
    from detector.training.clip.run import train as train_clip
    from detector.training.run import train as train_recipe
    from detector.training.sequences import recipe as sequences
    from detector.training.sequences import videomae

    given = {"images": images, "rate": rate, "leave_out": leave_out}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    began, progress = datetime.now(UTC), TrainingProgressBar()
    run = fit.TrainingOptions(out, resume=resume, device=pick_device(device), on_progress=progress)
    if recipe == "fuse" or parents or at is not None:
        told = _fuse(context, parents or [], 0.5 if at is None else at, data, run)
        mlflow_runs.record(context, out.name, began, told, mlflow_runs.hashes(out), {})
        return 0
    saved: Path | None
    ours: dict[str, Any] = {"loss": loss, "patience": patience, "sbi": sbi}
    ours = {name: value for name, value in ours.items() if value is not None}
    if ours and recipe != "own":
        raise UsageError("--loss, --patience and --sbi are for the recipe own.")
    if recipe == "own":
        other = bool(weights or tune or begin or folds or leave_out or images or resume)
        figures = _own({**ours, **changes}, data, run, cache, other=other)
        metrics = progress.figures | {name: [(0, value)] for name, value in figures.items()}
        mlflow_runs.record(context, out.name, began, metrics, mlflow_runs.hashes(out), {})
        return 0
    if recipe == "clip":
        if weights or tune or leave_out:
            raise UsageError(
                "The recipe clip takes none of --weights, --tune and --leave-out.",
                hint="--folds leaves out each fold in turn.",
            )
        tables = {"sources": groups.SOURCES, "kinds": groups.KINDS}
        held_out = groups.names(tables[folds]) if folds else ()
        saved = train_clip(
            ClipRecipe(**changes), data, run, cache=cache, begin=begin, folds=held_out
        )
    elif recipe == "voice":
        if weights or tune or cache or folds == "kinds" or changes:
            raise UsageError("The recipe voice takes --begin and --folds sources alone.")
        held_out = groups.names(groups.VOICES) if folds else ()
        trunk = Path(begin) if begin else None
        saved = voice.train(voice.VoiceRecipe(), data, run, begin=trunk, folds=held_out)
    elif recipe == "generated":
        if weights or tune or cache or begin or folds == "kinds" or changes:
            raise UsageError("The recipe generated takes --folds sources alone.")
        held_out = groups.names(groups.SOURCES) if folds else ()
        saved = generated.train(generated.GeneratedRecipe(), data, run, folds=held_out)
    elif recipe == "sequences":
        if weights or tune or begin or folds == "kinds" or leave_out or resume:
            raise UsageError(
                "The recipe sequences takes --cache, --images, --rate and --folds sources alone."
            )
        held_out = groups.names(groups.SOURCES) if folds else ()
        saved = sequences.train(
            sequences.SequenceRecipe(**changes), data, run, cache=cache, folds=held_out
        )
    elif recipe == "videomae":
        if weights or tune or begin or folds == "kinds" or changes or resume:
            raise UsageError("The recipe videomae takes --cache and --folds sources alone.")
        held_out = groups.names(groups.SOURCES) if folds else ()
        saved = videomae.train(videomae.VideoMaeRecipe(), data, run, cache=cache, folds=held_out)
    elif folds:
        raise UsageError(
            "--folds is for the recipes clip, generated, sequences, videomae and voice."
        )
    else:
        settings = read_recipe(recipe).model_copy(update=changes)
        saved = train_recipe(
            settings, data, run, cache=cache, begin=begin, weights=weights or [], tune=tune
        )
    mlflow_runs.record(context, out.name, began, progress.figures, mlflow_runs.hashes(out), {})
    print(saved)
    return 0


def _own(
    settings: dict[str, Any], data: Path, run: TrainingOptions, cache: Path | None, *, other: bool
) -> dict[str, float]:
    """Train a model of one's own, which is added at once; return its figures. Refuse `other`
    options."""
    from detector.training import own

    if other:
        raise UsageError("The recipe own takes --loss, --patience, --sbi, --rate and --cache.")
    spec, figures = own.train(own.OwnRecipe(**settings), data, run, cache=cache)
    told = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    print(f"{spec.title}: {told}, of files whose people training left out", file=sys.stderr)
    print(
        f"Added: `unmask analyze FILE --models {spec.id}`, or Options on the page.", file=sys.stderr
    )
    print(spec.id)
    return figures


_FUSE = {"recipe", "data", "out", "parents", "at", "device", "runs"}  # Options of the recipe fuse


def _fuse(
    context: typer.Context, parents: list[str], at: float, data: Path, run: TrainingOptions
) -> dict[str, Steps]:
    """Interpolate two models and add the result; return the AUC of each ratio."""
    from detector.training import fuse

    others = {name for name, value in context.params.items() if value} - _FUSE
    if context.params["recipe"] != "fuse" or len(parents) != 2 or others:
        raise UsageError("Fusing is `unmask train fuse A B --at 0.3 --data FOLDER --out DIR`.")
    spec, figures = fuse.fuse((parents[0], parents[1]), at, data, run)
    for ratio, f in figures.items():
        print(f"{ratio:4g}  AUC {f.value:.3f} [{f.low:.3f}, {f.high:.3f}]", file=sys.stderr)
    print(f"Added {spec.id}, at {at:g}.", file=sys.stderr)
    print(spec.id)
    return {f"auc.at_{ratio:g}": [(0, figure.value)] for ratio, figure in figures.items()}


COUNTED = {"faces": "files searched for faces", "training": "steps"}
"""What a stage of a run counts, where it is not what the stage is called."""


class TrainingProgressBar:
    """How far a run is: a bar a stage, and a line of figures at each look at the held-out part."""

    def __init__(self) -> None:
        self.stage, self.done, self.bar = "", 0, ProgressBar("")
        self.figures: dict[str, list[tuple[int, float]]] = {}

    def __call__(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        if stage != self.stage or done < self.done:
            self.stage, self.bar = stage, ProgressBar(COUNTED.get(stage, stage))
        self.done = done
        for name, value in figures.items():
            self.figures.setdefault(f"{stage}.{name}", []).append((done, value))
        if figures:
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            print(f"{stage} {done} of {total}  {numbers}", file=sys.stderr, flush=True)
        if not figures or done < total:
            self.bar(done, total)
        else:
            self.bar.close()
