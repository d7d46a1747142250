"""Model interface: `ModelSpec`, the data that describes a model and its input, and `Model`.

A family is one file in `families/` or in a plugin with a `load(spec, files, device)` function that
returns a `Model`. It is independent of media, faces, thresholds and the other families."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from detector.errors import ModelError
from detector.schema.analysis import QUESTION_OF, Alone, Calibration, LabelOrder, Modality, Task
from detector.schema.base import StrictModel
from detector.sentences import _
from detector.weights.entry import WRAPPERS, StoredEntry

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 256  # Side of the pictures that a new model is tried on, px

Image = np.ndarray  # uint8 [H, W, 3] RGB, of any size

Border = Literal["replicate", "black", "mirror", "inside"]


class CropRecipe(StrictModel):
    """Crop recipe of a model: the crop (`kind` and its settings), then its resize to `size` (`fit`,
    `resize`). Data, so that models with equal recipes share the crops."""

    model_config = ConfigDict(frozen=True)  # and the settings of `StrictModel`

    kind: Literal["square", "box", "points", "upright", "whole"] = "square"
    """square: centered on the face box, side = scale * its longer side.
    box: the face box, widened by `margins`, within the picture.
    points: five landmarks mapped onto `template` by a similarity.
    upright: the square of `points` without its rotation: only center and scale are fitted.
    whole: the whole frame."""
    scale: float = Field(default=1.3, gt=0)
    """square: relative to the box. points, upright: relative to the template's square."""
    border: Border = "black"
    """fill of a square beyond the picture: nearest pixel, black, or reflection, which preserves
    noise. inside (square): it is moved into the picture, and no larger than it."""
    margins: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """box: left, top, right, bottom, in fractions of the box's width and height."""
    margin_of: Literal["sides", "height"] = "sides"
    """box: `height` takes all four in fractions of the height; the smallest is rounded to whole
    pixels, the others are its multiples."""
    boxes: Literal["mtcnn", "blazeface"] = "mtcnn"
    """box: the detector of the training crops; boxes of another detector are converted first."""
    around: float = Field(default=0.0, ge=0)
    """upright: scale, relative to the face box, of a second square to the right of the face, moved
    into the picture; 0: the face alone."""
    template: Literal["arcface", "gend"] = "arcface"
    """points, upright: target positions, see `vision.alignment`."""
    landmarks: Literal["centers", "dlib"] = "centers"
    """points: the template's points: eye centers and mouth corners, or dlib's landmarks 37, 44, 30,
    49 and 55 (lids and lips beside them)."""
    native: bool = False
    """points: crop at the face's own size, then fit; else align at `size`."""
    size: int = Field(default=224, ge=0, description="side of the picture, px; 0: as it was cut")
    fit: Literal["stretch", "pad", "pad-small", "cover", "middle", "even"] = "stretch"
    """stretch: to the square, ignoring aspect. pad: the longer side to `size`, zeros around.
    pad-small: zeros around a picture smaller than `size`, then stretch.
    cover: the shorter side to `short`, then a center crop.
    middle: a center crop without resizing, zeros around smaller pictures.
    even: unchanged; stretched only if a side is odd."""
    short: int = Field(default=0, ge=0)
    """cover: the shorter side before the center crop, px; 0: `size`."""
    longer: Literal["down", "nearest"] = "down"
    """cover: rounding of the longer side: down (transformers, torchvision), or to the nearest
    pixel."""
    tile: int = Field(default=0, ge=0)
    """middle: pictures with a side below this are tiled first, px; 0: never."""
    odd: Literal["down", "even"] = "down"
    """cover, middle: rounding of a center crop between two pixels: half down (transformers), or
    half to even (torchvision)."""
    resize: Literal[
        "area", "bilinear", "nearest", "cubic", "area-cubic", "inter-area", "antialias", "bicubic",
        "float",
    ] = "area"  # fmt: skip
    """area: antialiased when shrinking, bilinear when growing. bilinear, cubic: OpenCV's, never
    antialiased. area-cubic: area when shrinking, cubic when growing. inter-area: OpenCV's
    INTER_AREA at any size; where an axis grows, it repeats pixels with narrow seams. antialias,
    bicubic: Pillow's bilinear and bicubic. float: as antialias, without rounding to whole
    levels."""

    @property
    def whole(self) -> bool:
        """Return True if the crop is the full frame, not a face."""
        return self.kind == "whole"

    @property
    def final(self) -> bool:
        """Return True if a crop already has the model's input size; else the model crops its
        center."""
        return bool(self.size) and self.fit != "even" and not (self.short or self.tile)


class SoundRecipe(StrictModel):
    """Audio input of a model: mono samples, -1..1."""

    model_config = ConfigDict(frozen=True)

    sample_rate: Literal[16000] = 16000
    samples: int = Field(default=64_600, gt=0)  # of a window; shorter speech is repeated to fill it
    normalize: bool = False
    """Normalize each window to mean 0 and variance 1, as transformers' Wav2Vec2FeatureExtractor
    does."""
    spectra: bool = False
    """The network is fed Timbre's spectra of a window (`detector.models.sounds`)."""

    @property
    def seconds(self) -> float:
        """Length of a window, s."""
        return self.samples / self.sample_rate


def repeated(samples: np.ndarray, length: int) -> np.ndarray:
    """Truncate or repeat samples to float32 [length]."""
    return np.resize(samples, length).astype(np.float32, copy=False)


class Normalization(StrictModel):
    """x / 255, then (x - mean) / std, per channel R, G, B."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


GUESSING = 0.55
"""AUC below which a model is no better than chance"""


class Measured(StrictModel):
    """A figure measured by this project, with the command that measured it."""

    data: str
    left_out: bool = Field(
        default=False, description="nothing of the clips' sources was trained on: it flatters least"
    )
    metric: str = "AUC"
    value: float
    low: float | None = Field(default=None, description="95 % interval, where it was resampled")
    high: float | None = None
    clips: int
    command: str

    @property
    def text(self) -> str:
        """Format for a table: "0.94 [0.91, 0.96]"."""
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


class PublishedMetric(StrictModel):
    """A figure published by others."""

    data: str
    metric: str
    value: float
    source: str


class ModelSpec(StoredEntry):
    """One entry of weights/manifest.toml or of a catalog."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*(:[a-z0-9][a-z0-9_.-]*)?$")]
    """The architecture, then the variant of the weights after a colon if there are several."""
    plain: str = Field(default="", description="what it looks for, as a short name for a person")
    family: str = Field(description="module in detector/models/families/ or a plugin")
    kind: Literal["frame", "video", "image", "audio"]
    task: Task = "face manipulation"
    summary: str = Field(description="one sentence for a person")
    finding: str = Field(default="", description="what a high score points to, in a few words")
    confused_by: str = Field(
        default="", description="what else can raise the score, in a few words"
    )
    wrappers: tuple[str, ...] = WRAPPERS
    default: bool = Field(default=False, description="in the default ensemble")
    weight: float = Field(default=1.0, ge=0)
    fake_output: str = Field(description="which output means fake, and how that is known")
    fake_index: int = Field(default=1, ge=0)
    """The output that means fake. Of a single logit: 1 for a logit of fake, 0 for one of real."""
    real_index: int | None = Field(default=None, ge=0)
    """Of several outputs the one that means real, if all others mean fake."""
    label_order: LabelOrder = "documented"
    operating_point: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="P(fake) above which its authors say fake, of these very weights; where they "
        "state none, 0.5. None: calibrated here, or nobody knows which output is fake",
    )
    operating_point_source: str = Field(
        default="", description="where the authors say so, or that they don't: a sentence"
    )
    crop: CropRecipe = Field(default=CropRecipe(), description="of a model that sees")
    sound: SoundRecipe | None = Field(default=None, description="of a model that hears")
    normalization: Normalization = Normalization()
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="the family's own settings (architecture, variant)"
    )
    moments: int = Field(
        default=0, ge=0, description="sampled frames that it scores, spread evenly; 0: all"
    )
    clip_frames: int = Field(default=0, description="video models: frames in a window")
    clip_step: float = Field(
        default=0.0, description="video models: seconds between frames of a window"
    )
    clip_stride: int = Field(
        default=0,
        ge=0,
        description="instead of `clip_step`: frames of the file from one of a window to the next",
    )
    calibration: Calibration | None = None
    alone: Alone | None = Field(
        default=None,
        description="bands and AUC of this model alone, on left-out scores: by these it answers "
        "where no other is counted (`unmask calibrate --scores TABLE --alone`)",
    )
    measured: list[Measured] = Field(default_factory=list)
    published: list[PublishedMetric] = Field(default_factory=list)
    weak_on: list[str] = Field(default_factory=list)
    license_code: str
    card: str | None = Field(default=None, description="Markdown file in weights/ or the plugin")

    @property
    def votes(self) -> bool:
        """Return True if it runs by default and has a weight; another of the default set is shown
        and never counted."""
        return self.default and self.weight > 0

    @property
    def left_out(self) -> Measured | None:
        """Return its AUC on all sources left out of training, by which it is known everywhere."""
        return next((m for m in self.measured if m.left_out and m.metric.endswith("AUC")), None)

    @property
    def auc(self) -> float | None:
        """Return the same as a number."""
        return self.left_out.value if self.left_out else None

    @property
    def guesses(self) -> bool:
        """Return True if it is hardly better than chance on any sources left out."""
        aucs = [m.value for m in self.measured if m.left_out and m.metric.endswith("AUC")]
        return min(aucs, default=1.0) < GUESSING

    @property
    def modality(self) -> Modality:
        """Return the modality that it judges, the only input it gets."""
        judged = QUESTION_OF[self.task].spec.modalities
        whole = self.crop.whole and Modality.FULL_FRAME in judged
        return Modality.FULL_FRAME if whole else judged[0]

    @property
    def network(self) -> str:
        """Return the cache key of the network and its input."""
        fed = {"family", "kind", "crop", "sound", "normalization", "options"}
        files = [file.sha256 or file.path for file in self.files]
        return f"{files} {self.model_dump_json(include=fed)}"

    @model_validator(mode="after")
    def _complete(self) -> ModelSpec:
        self.architecture = self.architecture or self.id.split(":")[0]
        if self.kind == "audio":
            self.sound = self.sound or SoundRecipe()
        elif "crop" not in self.model_fields_set:
            raise ValueError("crop: how its pictures are cut must be stated")
        return self


class Model(ABC):
    """A loaded model. Thread-safe. `preprocess`, `forward` and `p_fake` are the original's own
    steps, so that it can be compared with the original; `score` runs all three on a batch of
    crops."""

    BATCH = 16  # More per batch gain nothing on a CPU and cost memory
    run: Any = None
    """The compiled network, a `runtime.Runner`; None: PyTorch's own runs"""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def whole(self) -> Model:
        """Return the fully loaded model, by default this one."""
        return self

    @property
    def side_by_side(self) -> bool:
        """Return True if several threads can score with it concurrently."""
        return False

    @abstractmethod
    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """Convert a crop (uint8 [H, W, 3] RGB; a video model takes a sequence of them) to the
        network's input: float32 on the CPU, without the batch axis, exactly as the original
        does."""

    @abstractmethod
    def forward(self, batch: Tensor) -> Tensor:
        """Return the original's raw logits: float32 [N], [N, 1], [N, 2] …"""

    def log_odds(self, logits: Tensor) -> Tensor:
        """Return natural-log odds of P(fake), [N], of `forward`'s logit or softmax."""
        import torch

        spec = self.spec
        flat = logits.reshape(len(logits), -1).float()
        if flat.shape[1] == 1:
            return flat[:, 0] if spec.fake_index else -flat[:, 0]
        one = spec.fake_index if spec.real_index is None else spec.real_index
        others = torch.cat([flat[:, :one], flat[:, one + 1 :]], 1)
        odds = flat[:, one] - others.logsumexp(1)
        return odds if spec.real_index is None else -odds

    def p_fake(self, logits: Tensor) -> Tensor:
        """Return P(fake) in 0..1, [N], as the original computes it from its logits."""
        return self.log_odds(logits).sigmoid()

    def score(self, batch: np.ndarray) -> np.ndarray:
        """Return uncalibrated logits of P(fake), float32 [N], of crops by this model's recipe:
        uint8 RGB [N, S, S, 3], for a video model [N, T, S, S, 3]. Deterministic."""
        import torch

        check_batch(batch, self.spec)
        found = []
        for start in range(0, len(batch), self.BATCH):
            x = torch.stack([self.preprocess(item) for item in batch[start : start + self.BATCH]])
            found.append(self._infer(x).float().cpu().numpy())
        if not found:
            return np.zeros(0, np.float32)
        return np.asarray(self.log_odds(torch.from_numpy(np.concatenate(found))), np.float32)

    def read(self, batch: np.ndarray) -> np.ndarray:
        """Return `score`, and behind it the features that a compiled network gives beside its
        logits (`detector.models.unlike`): float32 [N, 1 + features]."""
        return self.score(batch)[:, None]

    def trials(self) -> list[Image | Sequence[Image]]:
        """Return dissimilar inputs of `preprocess` for a dry run: noise, a drawing, a plain
        surface; for a video model with different motions."""
        if self.spec.sound:
            time = np.arange(self.spec.sound.samples) / self.spec.sound.sample_rate
            hiss = np.random.default_rng(0).normal(0, 0.1, len(time))
            tone = 0.3 * np.sin(2 * np.pi * (120 * time + 40 * time**2))
            return [x.astype(np.float32) for x in (hiss, tone, 1e-4 * hiss)]
        noise = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
        rows, columns = np.mgrid[0:_SIDE, 0:_SIDE]
        round_ = (rows - 120) ** 2 + (columns - 140) ** 2 < 70**2
        drawing = np.stack([rows, columns, np.where(round_, 230, 20)], -1).astype(np.uint8)
        plain = np.full((_SIDE, _SIDE, 3), (90, 110, 130), np.uint8)
        pictures = (noise, drawing, plain)
        if self.spec.kind != "video":
            return list(pictures)
        frames = range(self.spec.clip_frames)
        return [
            [np.roll(p, step * n, axis=1) for n in frames]
            for p, step in zip(pictures, (17, 3, 0), strict=True)
        ]

    def _infer(self, batch: Tensor) -> Tensor:
        """Run `forward` by the fastest available runtime."""
        return self.forward(batch)

    def explain(self, batch: np.ndarray) -> np.ndarray | None:
        """Return the model's own maps, float32 [N, h, w] in 0..1, or None."""
        return None


T = TypeVar("T")


def option(spec: ModelSpec, name: str, known: Mapping[str, T]) -> T:
    """Return the value in `known` named by an option of an entry; raise ModelError for another
    name."""
    chosen = str(spec.options.get(name))
    if chosen not in known:
        raise ModelError(
            _("{title} has no {name} {chosen}, only {known}.").format(
                title=spec.title, name=name, chosen=repr(chosen), known=", ".join(known)
            )
        )
    return known[chosen]


def check_batch(batch: np.ndarray, spec: ModelSpec) -> None:
    """Raise ValueError for a batch that is no input of `spec`."""
    if spec.sound:
        if batch.dtype != np.float32 or batch.shape[1:] != (spec.sound.samples,):
            raise ValueError(
                f"{spec.id} takes float32 [N, {spec.sound.samples}], "
                f"got {batch.dtype} {list(batch.shape)}"
            )
        return
    wide = spec.crop.size * (2 if spec.crop.around else 1)
    sides = (spec.crop.size, wide) if spec.crop.final else batch.shape[-3:-1]
    tail = (spec.clip_frames, *sides, 3) if spec.kind == "video" else (*sides, 3)
    if batch.dtype != np.uint8 or batch.shape[1:] != tail:
        expected = ", ".join(str(n) for n in tail)
        raise ValueError(
            f"{spec.id} takes uint8 [N, {expected}], got {batch.dtype} {list(batch.shape)}"
        )


Files = list[Path]  # Verified weight files, in the order of `ModelSpec.files`
