"""A recipe: everything that decides what a training run gives, as data in a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from detector.errors import UsageError
from detector.evaluation.groups import HoldOut
from detector.models.base import CropRecipe
from detector.schema.base import StrictModel

FOLDER = Path(__file__).parent / "recipes"
FOLDERS = [FOLDER]
"""Where a recipe is looked for by its name."""

Change = Literal["color", "size", "blur", "noise", "jpeg"]
"""A way in which the pictures of a pair are changed alike (`augment.draw_look`)."""


class Part(StrictModel):
    """Some of the files of the labels, and how they teach.

    A file belongs to the part if it is of `kind` and its name or source holds one of `match`
    (any file if empty) and none of `skip`.
    """

    name: str
    match: list[str] = []
    skip: list[str] = []
    kind: Literal["image", "video"]
    mode: Literal["pairs", "blend", "people", "source", "any"] = "pairs"
    """pairs: an original and a fake of it. blend: an untouched file and a self-blending of it.
    people: an untouched file and the face of somebody else blended into it. source, any: an
    original and a fake that need not show the same footage, of one source or of any, brought to the
    same size: for faces that are synthetic as a whole, which have no original."""
    share: float = Field(gt=0, description="of the pairs that are drawn")
    tight: bool = False
    each: Literal["person", "source"] = "person"
    """What is drawn equally often, however many files there are of it."""
    aligned: bool = True
    """Fakes show the very frames of their originals."""
    optional: bool = False
    """The labels need not hold such files."""

    @property
    def matched(self) -> bool:
        """Whether a pair differs in nothing but the manipulation."""
        return self.mode not in ("source", "any")

    @property
    def makes_fakes(self) -> bool:
        """Whether the fakes are made from originals while training."""
        return self.mode in ("blend", "people")


MadeKind = Literal["pasted", "self", "neighbor", "mouth"]
"""What is laid into an original: see `pasted`, and `hulls` for the others."""


class Pretrain(StrictModel):
    """Learning without labels before the pairs: a VideoMAE guesses what is masked."""

    images: int = Field(gt=0, description="clips seen in all")
    clips: int = Field(32, gt=1, description="in one step")
    pool: int = Field(1000, gt=0, description="windows of clips that are drawn from")
    rate: float = Field(gt=0, description="learning rate at its highest")
    masked: float = Field(0.9, gt=0, lt=1, description="share of the places that are hidden")


class Recipe(HoldOut):
    """One training run of a frame model or a clip model."""

    name: str
    family: str
    """A key of `run.TRAINERS`. published: what a frame model's recipe becomes when a published
    detector is trained on."""
    summary: str = ""
    start: str = ""
    """Weights to start from, relative to the current folder; empty: untrained."""
    seed: int = 1
    images: int = Field(gt=0, description="pictures (or clips) seen in all, originals and fakes")
    pairs: int = Field(24, gt=0, description="in one step")
    rate: float = Field(gt=0, description="learning rate at its highest")
    decay: float = Field(0.02, ge=0, description="AdamW weight decay")
    warmup: float = Field(0.05, description="share of the steps over which the rate rises")
    smoothing: float = Field(0.05, ge=0, lt=0.5, description="of the labels")
    loss: Literal["bce", "focal"] = "bce"
    focus: float = Field(2.0, ge=0, description="gamma of the focal loss (Lin et al. 2017)")
    pair_weight: float = Field(0.5, ge=0, description="of the pairwise ranking loss")
    made: list[MadeKind] = Field(
        [], description="fakes that are made of each original: its face drawn smaller and pasted "
        "back; itself, the face of a neighboring frame or the mouth of one blended into it"
    )  # fmt: skip
    made_weight: float = Field(1.2, ge=0, description="of all of these, where the clips weigh 1")
    bound: float | None = Field(
        None, gt=0, description="deviations, about, that a described number counts at most"
    )
    align_weight: float = Field(0, ge=0, description="of alignment, on normalized features")
    uniform_weight: float = Field(0, ge=0, description="of uniformity, on normalized features")
    contrast_weight: float = Field(0, ge=0, description="of the supervised contrastive loss")
    temperature: float = Field(0.1, gt=0, description="of the contrastive loss")
    soften: float = Field(0.3, ge=0, le=1, description="share of originals that lose sharpness")
    clean: float = Field(0, ge=0, le=1, description="share of pairs that only change in color")
    h264: float = Field(0, ge=0, le=1, description="share of pairs re-encoded as video is")
    without: list[Change] = Field([], description="changes that are not made")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    check_every: int = Field(250, gt=0, description="steps between looks at the held-out part")
    crop: CropRecipe
    clip_frames: int = 16
    pretrain: Pretrain | None = None
    options: dict[str, str | int | float | bool] = {}
    parts: list[Part]

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return max(1, self.images // (2 * self.pairs))

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if (self.family == "texture") != (self.bound is not None):
            raise ValueError("A recipe of family `texture`, and no other, names a `bound`.")
        return self


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe by its name (one of ours) or its path.

    Raises
    ------
    UsageError
        If there is none, or it does not hold what a recipe holds.
    """
    path, hint = Path(name), ""
    if path.suffix != ".toml":
        ours = {file.stem: file for folder in FOLDERS for file in folder.glob("*.toml")}
        path = ours.get(str(name), path)
        hint = f"Known: {', '.join(sorted(ours))}."
    if not path.is_file():
        raise UsageError(f"There is no recipe {str(name)!r}.", hint=hint)
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise UsageError(f"The recipe {path} can't be used: {error}") from error
