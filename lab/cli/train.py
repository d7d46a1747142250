"""`unmask train`: a model by a recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli import runs as mlflow_runs
from cli.common import ProgressBar, tell
from cli.options import Device, arg, opt
from detector.errors import UsageError
from detector.pipeline.analyzer import pick_device
from detector.schema.base import StrictModel
from detector.sentences import _
from lab.evaluation import groups
from lab.training.recipe import (
    TAKES,
    ClipRecipe,
    FinetuneRecipe,
    TextureRecipe,
    planned,
    read_recipe,
)


def train(
    context: typer.Context,
    recipe: Annotated[str, arg(f"{', '.join(TAKES)}, or a TOML", "RECIPE")],
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
            f"{', '.join(name for name in TAKES if 'folds' in TAKES[name])}: leave out each fold "
            "of sources in turn, save its logits"
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
    name, changes = read_recipe(recipe)
    given = _given(context, name)
    # These import torch.
    from lab.training import fit, fuse, own, picture, published, texture, voice
    from lab.training.clip import families, generated
    from lab.training.clip import run as clip
    from lab.training.sequences import recipe as sequences
    from lab.training.sequences import videomae, vit_lstm

    in_code: dict[str, tuple[Callable[..., Any], type[StrictModel]]] = {
        "clip": (clip.train, ClipRecipe),
        "families": (families.train, families.FamilyRecipe),
        "finetune": (published.train, FinetuneRecipe),
        "fuse": (fuse.train, fuse.FuseRecipe),
        "generated": (generated.train, generated.GeneratedRecipe),
        "own": (own.train, own.OwnRecipe),
        "picture": (picture.train, picture.PictureRecipe),
        "sequences": (sequences.train, sequences.SequenceRecipe),
        "texture": (texture.train, TextureRecipe),
        "videomae": (videomae.train, videomae.VideoMaeRecipe),
        "vit-lstm": (vit_lstm.train, vit_lstm.VitLstmRecipe),
        "voice": (voice.train, voice.VoiceRecipe),
    }
    train_in_code, kind = in_code[name]
    if folds == "kinds" and name != "clip":
        raise UsageError(_("--folds kinds is for the recipe clip."))
    if folds:
        tables = {"sources": groups.VOICES if name == "voice" else groups.SOURCES}
        given["folds"] = groups.names((tables | {"kinds": groups.KINDS})[folds])
    plan = planned(kind, recipe, changes | {n: given[n] for n in given if n in kind.model_fields})
    others = {n: given[n] for n in given if n not in {*kind.model_fields, "resume"}}
    began, progress = datetime.now(UTC), TrainingProgressBar()
    run = fit.TrainingOptions(out, resume=resume, device=pick_device(device), on_progress=progress)
    made, metrics = train_in_code(plan, data, run, **others), dict(progress.figures)
    if isinstance(made, fit.AddedModel):
        metrics |= {metric: [(0, value)] for metric, value in made.figures.items()}
        for line in made.lines:
            tell(line, error=True)
        made = made.id
    print(made)
    mlflow_runs.record(context, out.name, began, metrics, mlflow_runs.hashes(out), {})
    return 0


_ALWAYS = {"recipe", "data", "out", "runs", "device"}


def _given(context: typer.Context, recipe: str) -> dict[str, Any]:
    """Return the options of the command line; raise UsageError for one that the recipe lacks."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    named = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    if named - TAKES[recipe] - _ALWAYS:
        takes = sorted(TAKES[recipe] - {"parents"})
        options = ", ".join(f"--{name.replace('_', '-')}" for name in takes)
        raise UsageError(
            _("The recipe {recipe} takes {options} alone.").format(recipe=recipe, options=options)
        )
    return {name: context.params[name] for name in named - _ALWAYS}


COUNTED = {"faces": "files searched for faces", "training": "steps"}
"""Units of the stages of a run whose name is not the unit."""


class TrainingProgressBar:
    """Progress of a run: a bar for each stage, and a line of figures at each evaluation."""

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
