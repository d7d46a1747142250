"""Define recipes: all settings that determine the result of a training run, as data.

Recipes without common settings are defined beside their code (`own`, `picture`, …)."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from detector.errors import UsageError
from detector.models.base import CropRecipe
from detector.schema.base import StrictModel
from detector.sentences import _
from lab.evaluation.groups import HoldOut

TAKES: dict[str, set[str]] = {
    "clip": {"begin", "cache", "folds", "images", "rate", "resume"},
    "families": {"folds", "resume"},
    "finetune": {"begin", "weights", "tune", "cache", "images", "rate", "leave_out", "resume"},
    "fuse": {"parents", "at"},
    "generated": {"folds", "resume"},
    "own": {"loss", "patience", "sbi", "rate", "cache"},
    "picture": {"folds", "resume"},
    "sequences": {"cache", "folds", "images", "rate"},
    "texture": {"begin", "cache", "folds"},
    "videomae": {"cache", "folds"},
    "vit-lstm": {"folds", "images", "rate"},
    "voice": {"begin", "folds", "resume"},
}
"""All recipes, with the options of `unmask train` that each accepts."""


class TrainingSchedule(StrictModel):
    """Length of a training, and schedule of its learning rate and averaged weights."""

    seed: int = 1
    images: int = Field(gt=0, description="pictures seen in total, originals and fakes")
    batch: int = Field(48, gt=1, description="pictures in one step, originals and fakes")
    rate: float = Field(gt=0, description="learning rate at its highest")
    warmup: float = Field(0.05, description="share of the steps over which the rate rises")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    gradient: float = Field(5.0, gt=0, description="norm to which gradients are clipped")
    check_every: int = Field(250, gt=0, description="steps between evaluations")
    patience: int | None = Field(None, gt=0, description="steps without a better held-out loss")

    @property
    def steps(self) -> int:
        """Return the number of steps of the whole run."""
        return max(1, self.images // self.batch)


class ClipRecipe(TrainingSchedule):
    """Settings of `unmask train clip`."""

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


class FinetuneRecipe(HoldOut, TrainingSchedule):
    """Settings of fine-tuning (`published`): few people, small steps."""

    seed: int = 7
    images: int = Field(9_600, gt=0)
    batch: int = Field(24, gt=1)
    rate: float = Field(1e-4, gt=0)
    average: float = Field(0.99, ge=0, lt=1)
    check_every: int = Field(50, gt=0)
    holdout: float = Field(0.25, ge=0, lt=1)
    holdout_images: float = Field(0.25, ge=0, lt=1)
    decay: float = Field(0.02, ge=0, description="AdamW weight decay")
    smoothing: float = Field(0.05, ge=0, lt=0.5, description="of the labels")
    pair_weight: float = Field(0.5, ge=0, description="of the pairwise ranking loss")
    soften: float = Field(0.2, ge=0, le=1, description="share of originals that lose sharpness")
    h264: float = Field(0.3, ge=0, le=1, description="share of pairs re-encoded as video is")
    shares: dict[str, float] = {"video": 0.8, "image": 0.2}
    """Of the pairs that are drawn, by kind of file."""
    begun: str = Field("", description="architecture of the detector; set by a run")
    tune: str = Field("", description="what may change of it; set by a run")

    @property
    def pairs(self) -> int:
        """Return the number of pairs of an original and its fake in one step."""
        return self.batch // 2


class TextureRecipe(StrictModel):
    """Settings of Texture's layer (`texture`) on statistics of the first stages of
    EfficientNet-Lite0 over the face and around it: two minutes on one core."""

    pair_weight: float = Field(1.0, ge=0, description="of the pairwise ranking loss")
    decay: float = Field(0.01, ge=0, description="ridge of the fit")
    bound: float = Field(2.0, gt=0, description="deviations that a number counts at most")
    made_weight: float = Field(
        0.3, ge=0, description="of fakes pasted from originals, where the clips weigh 1"
    )
    crop: CropRecipe = CropRecipe(scale=1.5, border="mirror", size=256, resize="area")


P = TypeVar("P", bound=StrictModel)


def read_recipe(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the changed settings of a recipe, given by its name or by a TOML file
    with the key `recipe` and settings; raise UsageError."""
    settings: dict[str, Any] = {"recipe": text}
    if Path(text).suffix == ".toml" and Path(text).is_file():
        try:
            settings |= {"recipe": ""} | tomllib.loads(Path(text).read_text())
        except tomllib.TOMLDecodeError as error:
            raise _unusable(text, error) from error
    if (name := settings.pop("recipe")) not in TAKES:
        hint = _("Known: {names}.").format(names=", ".join(sorted(TAKES)))
        raise UsageError(_("There is no recipe {name}.").format(name=repr(name or text)), hint=hint)
    return name, settings


def planned(plan: type[P], name: str, settings: Mapping[str, Any]) -> P:
    """Validate the settings of a recipe; raise UsageError."""
    try:
        return plan.model_validate(settings)
    except ValidationError as error:
        raise _unusable(name, error) from error


def hold_out(text: str) -> HoldOut:
    """Return the settings by which a recipe holds people out of training; raise UsageError."""
    name, settings = read_recipe(text)
    if name != "finetune":
        raise UsageError(_("The recipe {name} keeps no people out.").format(name=repr(name)))
    return planned(FinetuneRecipe, text, settings)


def _unusable(path: str, error: Exception) -> UsageError:
    text = _("The recipe {path} can't be used: {error}")
    return UsageError(text.format(path=path, error=error))
