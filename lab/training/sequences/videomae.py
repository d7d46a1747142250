"""Train VideoMAE (recipe `videomae`): a layer on the class token of clips, by labels and
distillation.

The teacher is a layer on the mean CLIP features of the same frames at 224 px, fitted without the
clip's fold of sources. The blocks were trained on none of the labelled files, so a source is left
out by fitting the layer without its fold.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save_file
from scipy.special import expit
from torch import nn

from detector import paths, runtime, vision
from detector.evaluation.labels import Item
from detector.models import registry
from detector.models.families.clip_vit import CLIP_B16, read_trunk
from detector.models.families.videomae import build
from detector.models.network import normalize
from detector.schema.analysis import Question
from detector.schema.base import StrictModel
from lab.evaluation import groups
from lab.evaluation.features import Arrays, cached
from lab.training import results
from lab.training.crossfit import by_fold
from lab.training.fit import TrainingOptions, begin_run
from lab.training.linear import FrozenLayer, LinearHead, fit_rows
from lab.training.sequences import windows

ID = "videomae"


class VideoMaeRecipe(StrictModel):
    """Settings of the layer's fit."""

    smoothing: float = Field(default=0.05, ge=0, lt=0.5, description="of the labels")
    taught: float = Field(
        default=0.5, ge=0, le=1, description="share of CLIP's answer in the target"
    )
    clip_ridge: float = Field(default=0.1, ge=0, description="of the layer that teaches")
    ridge: float = Field(default=0.5, ge=0)


def train(
    plan: VideoMaeRecipe,
    data: Path,
    run: TrainingOptions,
    *,
    cache: Path | None = None,
    folds: Sequence[str] = (),
) -> Path:
    """Fit the layer to labelled clips; write its weights and, with `folds`, `left_out.csv`,
    `left_out.md` and `calibration.toml` of folds of sources that are left out in turn. `data` is a
    CSV, `cache` a folder of cached windows that runs share (default: `run.out`/windows). Raise
    InputError, UsageError."""
    begin_run(plan, run)
    folder = cache or run.out / "windows"
    items, shown = windows.read(windows.read_clips(data), folder, run)
    tokens = _tokens(items, folder, run)
    seen = [number for number, token in enumerate(tokens) if token.size]
    items = [items[i] for i in seen]
    features = np.stack([shown[i].face.astype(np.float64).mean(0) for i in seen])
    read = np.stack([tokens[i] for i in seen]).astype(np.float64)

    def learn(known: Sequence[Item], values: Sequence[np.ndarray]) -> LinearHead:
        """Fit a layer to class tokens, with labels and a teacher on CLIP features as targets."""
        of_clip, of_frames = values
        targets = answers(plan, known, of_frames)
        return fit_rows(known, [of_clip], plan.ridge, targets=targets)

    layer = FrozenLayer("videomae", items, [read, features], learn)
    if folds:
        judged = layer.judge(by_fold(items, folds), {ID: (range(len(items)), read)})
        results.write(judged, run.out, ID, Question.MANIPULATION)
    head = layer.fit()
    tensors = {"classifier.weight": head.weights[None], "classifier.bias": np.array([head.bias])}
    file = run.out / f"{ID}.safetensors"
    save_file({name: torch.from_numpy(value).float() for name, value in tensors.items()}, file)
    return file


def answers(plan: VideoMaeRecipe, known: Sequence[Item], features: np.ndarray) -> np.ndarray:
    """Return the target P(fake) of each clip: its label mixed with the cross-fitted teacher, where
    the other folds have both labels."""
    labels = np.array([item.label for item in known], np.float64)
    targets = labels * (1 - 2 * plan.smoothing) + plan.smoothing
    folds = np.array([groups.fold_of(item, groups.SOURCES) for item in known])
    for fold in set(folds) if plan.taught else ():
        rest = np.flatnonzero(folds != fold).tolist()
        if len({known[i].label for i in rest}) < 2:
            continue
        head = fit_rows([known[i] for i in rest], [features[rest]], plan.clip_ridge)
        told = expit(head(features[folds == fold]))
        targets[folds == fold] += plan.taught * (told - targets[folds == fold])
    return targets


def _tokens(items: Sequence[Item], folder: Path, run: TrainingOptions) -> list[np.ndarray]:
    """Return the class token of each clip [C], or nothing, from files of the folder."""

    def reader() -> Callable[[Item], Arrays]:
        spec = registry.get_spec(ID)
        trunk = read_trunk(paths.bundled_file("clip_b16.safetensors"))
        layer = {
            "classifier.weight": torch.zeros(1, CLIP_B16["hidden_size"]),
            "classifier.bias": torch.zeros(1),
        }  # unused: only the network before it runs
        network = ClassToken(build(trunk, layer, spec)).to(run.device)
        side = spec.crop.size
        example = torch.zeros(2, spec.clip_frames, 3, side, side, device=run.device)
        read = runtime.compile(network, example, run.device, bf16=True)

        def token(item: Item) -> Arrays:
            clip = _pixels(item)
            known = read(normalize(clip[None], spec).numpy())[0][0] if len(clip) else np.zeros(0)
            return {"token": known.astype(np.float32)}

        return token

    found = cached(items, folder, "token", reader, partial(run.report, "clips"))
    return [arrays["token"] for arrays in found]


class ClassToken(nn.Module):
    """The network without its last layer: float [N, T, 3, S, S] -> [N, C]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.videomae = network.videomae

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.videomae(x).last_hidden_state[:, 0]


def _pixels(item: Item) -> np.ndarray:
    """Return the crops of a clip, uint8 [T, S, S, 3], or nothing."""
    spec = registry.get_spec(ID)
    frames = windows.faces(item, spec.clip_frames, spec.clip_step)
    crops = [vision.cut(rgb, face.box, spec.crop, face.landmarks) for rgb, face in frames]
    return np.array(crops, np.uint8)
