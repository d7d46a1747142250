"""`unmask train`: a model by a recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli import runs as mlflow_runs
from cli.common import ProgressBar, tell
from cli.options import Device, arg, opt
from detector.errors import UsageError
from detector.pipeline.analyzer import pick_device
from detector.schema.base import StrictModel
from detector.sentences import _
from lab.evaluation import groups
from lab.training.recipe import ClipRecipe, read_recipe

if TYPE_CHECKING:
    from detector.evaluation.runs import Steps
    from lab.training.fit import TrainingOptions


def train(
    context: typer.Context,
    recipe: Annotated[
        str,
        arg(
            "own, clip, families, finetune, fuse, generated, picture, sequences, texture, "
            "videomae, vit-lstm, voice, or a TOML",
            "RECIPE",
        ),
    ],
    data: Annotated[
        Path,
        opt(
            "or a folder: real/ and fake/, or the layout of FaceForensics++, Celeb-DF or DFDC",
            "LABELS.csv",
        ),
    ],
    out: Annotated[Path, opt("", "-o", "--out", "DIR")],
    parents: Annotated[
        list[str] | None,
        arg("fuse: ids of two models of one architecture, neither trained on the data", "[A B]"),
    ] = None,
    at: Annotated[float | None, opt("fuse: the share of B (0.5)", "T", min=0, max=1)] = None,
    begin: Annotated[
        str | None,
        opt(
            "id of the detector to fine-tune; clip: a file, or shipped; texture, voice: a trunk",
            "WEIGHTS",
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None, opt("your own files of the architecture that --begin names", "FILE …")
    ] = None,
    tune: Annotated[
        Literal["whole", "norms", "head"] | None,
        opt("what may change of a published detector; default: norms of transformers, else whole"),
    ] = None,
    rate: Annotated[float | None, opt("learning rate, not the recipe's", "R")] = None,
    cache: Annotated[Path | None, opt("keep cut faces between runs", "DIR")] = None,
    images: Annotated[int | None, opt("instead of the recipe's", "N")] = None,
    leave_out: Annotated[
        str | None, opt("hold out a fold of sources, or A,B, for a figure of it", "FOLD")
    ] = None,
    folds: Annotated[
        Literal["sources", "kinds"] | None,
        opt(
            "clip, families, generated, picture, sequences, videomae, voice: leave out each "
            "fold of sources in turn, save its logits"
        ),
    ] = None,
    loss: Annotated[
        Literal["bce", "focal", "alignment", "contrastive"] | None,
        opt("own: cross-entropy (the default), focal, or with a loss on distances"),
    ] = None,
    patience: Annotated[
        int | None, opt("own: stop after so many steps without a better held-out loss", "N")
    ] = None,
    sbi: Annotated[
        bool | None, opt("own: self-blended fakes of the originals", "--sbi/--no-sbi")
    ] = None,
    resume: Annotated[bool, opt("go on where a stopped run left off", "--resume")] = False,
    runs: mlflow_runs.Runs = None,
    device: Device = "auto",
) -> int:
    """Train a model by a recipe."""
    # These import torch.
    from lab.training import fit, picture, voice
    from lab.training.clip import families, generated
    from lab.training.clip.run import train as train_clip
    from lab.training.run import train as train_recipe
    from lab.training.sequences import recipe as sequences
    from lab.training.sequences import videomae, vit_lstm

    in_code: dict[str, tuple[Callable[..., Path | None], type[StrictModel]]] = {
        "clip": (train_clip, ClipRecipe),
        "families": (families.train, families.FamilyRecipe),
        "generated": (generated.train, generated.GeneratedRecipe),
        "picture": (picture.train, picture.PictureRecipe),
        "sequences": (sequences.train, sequences.SequenceRecipe),
        "videomae": (videomae.train, videomae.VideoMaeRecipe),
        vit_lstm.ID: (vit_lstm.train, vit_lstm.VitLstmRecipe),
        "voice": (voice.train, voice.VoiceRecipe),
    }
    began, progress = datetime.now(UTC), TrainingProgressBar()
    run = fit.TrainingOptions(out, resume=resume, device=pick_device(device), on_progress=progress)
    if recipe == "fuse" or parents or at is not None:
        told = _fuse(context, parents or [], 0.5 if at is None else at, data, run)
        mlflow_runs.record(context, out.name, began, told, mlflow_runs.hashes(out), {})
        return 0
    given = _given(context, _TAKES.get(recipe, _PUBLISHED))
    if folds == "kinds" and recipe != "clip":
        raise UsageError(_("--folds kinds is for the recipe clip."))
    changes: dict[str, Any] = {n: given[n] for n in ("images", "rate", "leave_out") if n in given}
    if recipe == "own":
        figures = _own({name: given[name] for name in set(given) - {"cache"}}, data, run, cache)
        metrics = progress.figures | {name: [(0, value)] for name, value in figures.items()}
        mlflow_runs.record(context, out.name, began, metrics, mlflow_runs.hashes(out), {})
        return 0
    if recipe in in_code:
        train_in_code, plan = in_code[recipe]
        tables = {"sources": groups.VOICES if recipe == "voice" else groups.SOURCES}
        held_out = groups.names((tables | {"kinds": groups.KINDS})[folds]) if folds else ()
        own = {name: given[name] for name in ("begin", "cache") if name in given}
        saved = train_in_code(plan(**changes), data, run, folds=held_out, **own)
    else:
        settings = read_recipe(recipe).model_copy(update=changes)
        saved = train_recipe(
            settings, data, run, cache=cache, begin=begin, weights=weights or [], tune=tune
        )
    mlflow_runs.record(context, out.name, began, progress.figures, mlflow_runs.hashes(out), {})
    print(saved)
    return 0


_ALWAYS = {"recipe", "data", "out", "runs", "device"}
_TAKES = {
    "clip": {"begin", "cache", "folds", "images", "rate", "resume"},
    "families": {"folds", "resume"},
    "generated": {"folds", "resume"},
    "picture": {"folds", "resume"},
    "own": {"loss", "patience", "sbi", "rate", "cache"},
    "sequences": {"cache", "folds", "images", "rate"},
    "videomae": {"cache", "folds"},
    "vit-lstm": {"folds", "images", "rate"},
    "voice": {"begin", "folds", "resume"},
}  # Options of each recipe
_PUBLISHED = {"begin", "weights", "tune", "cache", "images", "rate", "leave_out", "resume"}


def _given(context: typer.Context, takes: set[str]) -> dict[str, Any]:
    """Return the options that a person gave. UsageError where the recipe does not take one."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    named = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    if named - takes - _ALWAYS:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(takes))
        raise UsageError(
            _("The recipe {recipe} takes {options} alone.").format(
                recipe=context.params["recipe"], options=options
            )
        )
    return {name: context.params[name] for name in named - _ALWAYS}


def _own(
    settings: dict[str, Any], data: Path, run: TrainingOptions, cache: Path | None
) -> dict[str, float]:
    """Train a model of one's own, which is added at once; return its figures."""
    from lab.training import own

    spec, figures = own.train(own.OwnRecipe(**settings), data, run, cache=cache)
    told = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    tell(
        _("{title}: {told}, of files whose people training left out").format(
            title=spec.title, told=told
        ),
        error=True,
    )
    tell(
        _("Added: `unmask analyze FILE --models {id}`, or Options on the page.").format(id=spec.id),
        error=True,
    )
    print(spec.id)
    return figures


_FUSE = {"recipe", "data", "out", "parents", "at", "device", "runs"}  # Options of the recipe fuse


def _fuse(
    context: typer.Context, parents: list[str], at: float, data: Path, run: TrainingOptions
) -> dict[str, Steps]:
    """Interpolate two models and add the result; return the AUC of each ratio."""
    from lab.training import fuse

    others = {name for name, value in context.params.items() if value} - _FUSE
    if context.params["recipe"] != "fuse" or len(parents) != 2 or others:
        raise UsageError(_("Fusing is `unmask train fuse A B --at 0.3 --data FOLDER --out DIR`."))
    spec, figures = fuse.fuse((parents[0], parents[1]), at, data, run)
    for ratio, f in figures.items():
        print(f"{ratio:4g}  AUC {f.value:.3f} [{f.low:.3f}, {f.high:.3f}]", file=sys.stderr)
    tell(_("Added {id}, at {at}.").format(id=spec.id, at=f"{at:g}"), error=True)
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
