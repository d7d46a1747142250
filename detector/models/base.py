"""What a model is: data that says how to feed it (`ModelSpec`), and a class that scores.

A family is one file in this folder with a `load(spec, files, device)` function that returns a
`FrameModel` or a `ClipModel`. It knows nothing of media, faces, thresholds or the other families.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field

from detector.results import Calibration, Record

Image = np.ndarray
"""uint8 [H, W, 3] RGB."""


class CropRecipe(Record):
    """How a face is cut for a model. Data, so that models with the same recipe share the crop:
    equal recipes are one key."""

    model_config = ConfigDict(frozen=True)  # and what `Record` says

    kind: Literal["square", "whole"] = "square"
    """square: about the centre of the face box, side = scale * its longer side.
    whole: the whole frame."""
    scale: float = Field(default=1.3, gt=0)
    size: int = Field(default=224, gt=0, description="side of the crop given to the model, px")
    resize: Literal["area", "bilinear", "nearest"] = "area"
    """area: antialiased when shrinking, bilinear when growing."""
    border: Literal["replicate", "black"] = "black"
    """what stands where the square leaves the picture."""


class Normalization(Record):
    """x / 255, then (x - mean) / std, per channel R, G, B."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


class WeightFile(Record):
    """One file of weights. `path` is relative to weights/ when bundled, else to the cache."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(description="bytes")
    url: str | None = Field(default=None, description="None: bundled")


class Measured(Record):
    """A figure measured by us, with the command that measured it."""

    data: str
    metric: str = "AUC"
    value: float
    low: float = Field(description="95 % interval")
    high: float
    clips: int
    command: str


class Published(Record):
    """A figure somebody else published."""

    data: str
    metric: str
    value: float
    source: str


class ModelSpec(Record):
    """One entry of weights/manifest.toml."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str
    family: str = Field(description="module in detector/models/")
    kind: Literal["frame", "clip", "image", "audio"]
    task: Literal["face manipulation", "whole-image synthesis", "voice"] = "face manipulation"
    summary: str = Field(description="one sentence for a person")
    finding: str = Field(default="", description="what a high score points to, in a few words")
    confused_by: str = Field(
        default="", description="what else can raise the score, in a few words"
    )
    files: list[WeightFile]
    bundled: bool = False
    default: bool = Field(default=False, description="in the default ensemble")
    weight: float = Field(default=1.0, ge=0)
    fake_output: str = Field(description="which output means fake, and how that is known")
    crop: CropRecipe
    normalization: Normalization = Normalization()
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="the family's own settings (architecture, variant)"
    )
    clip_frames: int = Field(default=0, description="clip models: frames in a window")
    clip_step: float = Field(
        default=0.0, description="clip models: seconds between frames of a window"
    )
    calibration: Calibration | None = None
    measured: list[Measured] = Field(default_factory=list)
    published: list[Published] = Field(default_factory=list)
    weak_on: list[str] = Field(default_factory=list)
    license_code: str
    license_weights: str
    source: str = Field(description="paper, repository")
    card: str | None = Field(default=None, description="Markdown file in weights/")


class Model(ABC):
    """A loaded model. Thread-safe: `score` may be called from several sessions at once."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    @abstractmethod
    def score(self, batch: np.ndarray) -> np.ndarray:
        """Score crops cut by this model's recipe.

        Parameters
        ----------
        batch : uint8 array, RGB
            [N, S, S, 3] for a frame model, [N, T, S, S, 3] for a clip model, S = crop.size.

        Returns
        -------
        float32 array [N]
            Logits of P(fake), uncalibrated. Deterministic.
        """

    def explain(self, batch: np.ndarray) -> np.ndarray | None:
        """Where the model looked: float32 [N, h, w] (clip models [N, T, h, w]) in 0..1, scaled per
        item, or None when this model can't show it."""
        return None


class FrameModel(Model):
    """Scores single crops."""


class ClipModel(Model):
    """Scores windows of consecutive crops of one person."""


def check_batch(batch: np.ndarray, spec: ModelSpec) -> None:
    """Raise ValueError when `batch` is not what `spec` is fed with."""
    size = spec.crop.size
    tail = (spec.clip_frames, size, size, 3) if spec.kind == "clip" else (size, size, 3)
    if batch.dtype != np.uint8 or batch.shape[1:] != tail:
        expected = ", ".join(str(n) for n in tail)
        raise ValueError(
            f"{spec.id} takes uint8 [N, {expected}], got {batch.dtype} {list(batch.shape)}"
        )


Files = list[Path]
"""Verified weight files, in the order of `ModelSpec.files`."""
