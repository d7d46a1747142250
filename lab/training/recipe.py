"""A recipe: everything that decides what a training run gives, as data in a TOML file."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from detector.errors import UsageError
from detector.models.base import CropRecipe
from detector.schema.base import StrictModel
from detector.sentences import _
from lab.evaluation.groups import HoldOut

FOLDER = Path(__file__).parent / "recipes"
OF_CODE = (
    "clip", "families", "fuse", "generated", "own", "picture", "sequences", "videomae", "vit-lstm",
    "voice",
)  # fmt: skip
"""Recipes whose settings stand in code, beside the TOML files of `FOLDER`."""


class TrainingSchedule(StrictModel):
    """How long a network is trained and how its learning rate and averaged weights develop."""

    seed: int = 1
    images: int = Field(gt=0, description="pictures seen in total, originals and fakes")
    batch: int = Field(48, gt=1, description="pictures in one step, originals and fakes")
    rate: float = Field(gt=0, description="learning rate at its highest")
    warmup: float = Field(0.05, description="share of the steps over which the rate rises")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    gradient: float = Field(5.0, gt=0, description="norm to which gradients are clipped")
    check_every: int = Field(250, gt=0, description="steps between evaluations")

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return max(1, self.images // self.batch)


class ClipRecipe(TrainingSchedule):
    """What decides the result of `unmask train clip`."""

    seed: int = 7
    images: int = Field(107_000, gt=0)
    batch: int = Field(128, ge=16)
    rate: float = Field(4e-4, gt=0)
    head_rate: float = Field(4e-3, gt=0)
    head_decay: float = 0.01
    warmup: float = 0.04
    average: float = 0.985
    gradient: float = 1.0
    check_every: int = 50
    pseudo: int = Field(3, gt=0, description="pseudo-fakes, sixteenths of a batch")
    altered: int = Field(3, description="altered faces, sixteenths of a batch")
    generated: int = Field(3, description="generated heads, sixteenths of a batch")
    smoothing: float = 0.03
    binary: float = Field(0.5, description="weight of the loss on fake or not")
    metric: float = Field(0.1, description="weight of the loss on distances between features")
    into: list[str] = ["q_proj", "v_proj", "fc1"]
    rank: int = 8
    size: int = Field(224, description="px of a view; a multiple of 16")
    wide: tuple[float, float] = (115.0, 172.0)  # Template units across a view in training
    close: tuple[float, float] = (84.0, 102.0)
    """The same for files that show too little around the face."""
    seen: float = 140.0  # Template units across a view in use
    judged: int = Field(8, description="frames of a clip that left-out logits are the mean of")


class Part(StrictModel):
    """The files of a kind among the labels, where there are any."""

    name: str
    kind: Literal["image", "video"]
    share: float = Field(gt=0, description="of the pairs that are drawn")


class Recipe(HoldOut, TrainingSchedule):
    """A run that fine-tunes a detector (`published`) or fits Texture's layer (`texture`)."""

    name: str
    family: Literal["published", "texture"]
    decay: float = Field(0.02, ge=0, description="AdamW weight decay; ridge of a layer's fit")
    smoothing: float = Field(0.05, ge=0, lt=0.5, description="of the labels")
    pair_weight: float = Field(0.5, ge=0, description="of the pairwise ranking loss")
    made_weight: float = Field(
        0, ge=0, description="of fakes pasted from originals, where the clips weigh 1"
    )
    bound: float = Field(
        2.0, gt=0, description="deviations that a described number counts at most, approximately"
    )
    soften: float = Field(0.3, ge=0, le=1, description="share of originals that lose sharpness")
    h264: float = Field(0, ge=0, le=1, description="share of pairs re-encoded as video is")
    crop: CropRecipe = CropRecipe()
    options: dict[str, str] = {}
    parts: list[Part]

    @property
    def pairs(self) -> int:
        """Originals in one step, each with a fake."""
        return self.batch // 2


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe by its name (a shipped one) or its path; raise UsageError."""
    path, hint = Path(name), ""
    if path.suffix != ".toml":
        ours = {file.stem: file for file in FOLDER.glob("*.toml")}
        path = ours.get(str(name), path)
        names = ", ".join(sorted([*ours, *OF_CODE]))
        hint = _("Known: {names}.").format(names=names)
    if not path.is_file():
        raise UsageError(_("There is no recipe {name}.").format(name=repr(str(name))), hint=hint)
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise UsageError(
            _("The recipe {path} can't be used: {error}").format(path=path, error=error)
        ) from error
