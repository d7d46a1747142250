"""The recipe of VideoMAE: clips of a face, their labels, and what CLIP tells of the same frames.

Labels of so few clips are not enough to learn seeing from. A layer on the mean of the CLIP
features, fitted without the clip's fold of sources, gives a second label; the features' principal
components are further outputs, which are cut off in the end.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save_file
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional as F

from detector import vision
from detector.errors import UsageError
from detector.evaluation import groups
from detector.evaluation.labels import Item, hash_of
from detector.models import registry
from detector.models.families.hub import positions
from detector.models.network import normalize
from detector.schema.analysis import Question
from detector.training import augment, left_out
from detector.training.fit import TrainingOptions, fit, half_precision
from detector.training.layer import fit_rows, source_weights
from detector.training.left_out import LeftOutLogit
from detector.training.recipe import TrainingSchedule
from detector.training.sequences import windows

ID = "videomae"


class VideoMaeRecipe(TrainingSchedule):
    """How VideoMAE is trained."""

    images: int = Field(7_200, gt=0, description="windows seen")
    batch: int = Field(8, gt=1)
    rate: float = Field(5e-4, gt=0)
    average: float = Field(0.99, ge=0, lt=1)
    gradient: float = 1.0
    check_every: int = 50
    decay: float = Field(0.05, ge=0, description="AdamW weight decay")
    smoothing: float = Field(0.05, ge=0, lt=0.5, description="of the labels")
    taught: float = Field(0.5, ge=0, le=1, description="of the layer's answer beside the label")
    ridge: float = Field(0.1, ge=0, description="of the layer")
    components: int = Field(32, gt=0, description="principal components of the features")
    visible: float = Field(0.5, gt=0, le=1, description="share of the tokens that a step reads")
    leave_out: str = Field("", description="a fold of sources that is judged")


def train(
    plan: VideoMaeRecipe, data: Path, run: TrainingOptions, *, cache: Path | None = None
) -> Path:
    """Train on labelled clips; write the weights and, with `plan.leave_out`, `left_out.csv`,
    `left_out.md` and `calibration.toml` of the fold that nothing was learned from.

    Parameters
    ----------
    data : Path
        CSV of labelled files.
    cache : Path, optional
        Folder of cached windows, shared between runs. Default: `run.out`/windows.

    Raises
    ------
    InputError, UsageError
        The labels can't be used.
    """
    run.out.mkdir(parents=True, exist_ok=True)
    folder = cache or run.out / "windows"
    items, shown = windows.read(windows.read_clips(data), folder, run)
    clips = [_pixels(item, folder) for item in items]
    seen = [number for number, clip in enumerate(clips) if len(clip)]
    items, shown = [items[i] for i in seen], [shown[i] for i in seen]
    clips = [clips[i] for i in seen]
    known, held = groups.leave_out(items, plan.leave_out) if plan.leave_out else (items, [])
    if len({item.label for item in known}) < 2:
        raise UsageError("The recipe videomae needs real and fake clips with a face.")
    # The calibration is fitted to some of the sources left out and judged on the others.
    sources = sorted({item.source for item in held})
    parts = {source: f"part {number % 4}" for number, source in enumerate(sources)}
    if len(sources) == 1:
        raise UsageError(f"{plan.leave_out} holds one source; a calibration needs two.")
    place = {item.name: number for number, item in enumerate(items)}
    rows = [place[item.name] for item in known]
    features = np.stack([shown[i].face.astype(np.float64).mean(0) for i in rows])
    targets = torch.from_numpy(np.column_stack([
        _answers(known, features, plan), _components(features, plan.components)
    ])).float()  # fmt: skip
    network = fitted(plan, known, [clips[i] for i in rows], targets.to(run.device), run)
    state = network.state_dict()
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name][:1]
    half = {name: (v.half() if v.ndim > 1 else v).contiguous() for name, v in state.items()}
    save_file(half, run.out / f"{ID}.safetensors")
    if held:
        answers = logits(network, [clips[place[item.name]] for item in held], run.device)
        judged = [
            LeftOutLogit(parts[item.source], ID, item, float(z))
            for item, z in zip(held, answers, strict=True)
        ]
        left_out.write(judged, run.out, ID, Question.MANIPULATION, "clips")
    return run.out / f"{ID}.safetensors"


def _pixels(item: Item, folder: Path) -> np.ndarray:
    """Return the crops of a clip, uint8 [T, S, S, 3], or nothing, from a file of the folder."""
    file = folder / f"{hash_of(str(item.file))[:24]}.npy"
    if not file.is_file():
        spec = registry.get_spec(ID)
        frames = windows.faces(item, spec.clip_frames, spec.clip_step)
        crops = [vision.cut(rgb, face.box, spec.crop, face.landmarks) for rgb, face in frames]
        np.save(file, np.array(crops, np.uint8))
    clip: np.ndarray = np.load(file)
    return clip


def _answers(known: Sequence[Item], features: np.ndarray, plan: VideoMaeRecipe) -> np.ndarray:
    """Return P(fake) that each clip is taught: its label, and a layer that never saw its fold,
    where the other folds have both labels."""
    labels = np.array([item.label for item in known], np.float64)
    answers = labels * (1 - 2 * plan.smoothing) + plan.smoothing
    folds = np.array([groups.fold_of(item, groups.SOURCES) for item in known])
    for fold in set(folds) if plan.taught else ():
        rest = np.flatnonzero(folds != fold).tolist()
        if len({known[i].label for i in rest}) < 2:
            continue
        weights, bias = fit_rows([known[i] for i in rest], [features[rest]], plan.ridge)
        told = expit(features[folds == fold] @ weights + bias)
        answers[folds == fold] += plan.taught * (told - answers[folds == fold])
    return answers


def _components(features: np.ndarray, count: int) -> np.ndarray:
    """Return the first principal components, each with deviation 1."""
    left, _, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    components: np.ndarray = left[:, :count] * np.sqrt(len(left))
    return components


def network_of(outputs: int) -> Any:
    """Return an untrained network as the entry's options shape it."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification
    from transformers.models.videomae import modeling_videomae

    modeling_videomae.get_sinusoid_encoding_table = positions
    shape = registry.get_spec(ID).options | {"num_labels": outputs}
    return VideoMAEForVideoClassification(VideoMAEConfig(**shape))


def fitted(
    plan: VideoMaeRecipe,
    known: Sequence[Item],
    clips: Sequence[np.ndarray],
    targets: Tensor,
    run: TrainingOptions,
) -> nn.Module:
    """Return a network trained on clips to give `targets`: [clips, 1 + components]."""
    torch.manual_seed(plan.seed)
    network = network_of(targets.shape[1]).to(run.device)
    chance = torch.from_numpy(source_weights(known))
    tokens = network.videomae.embeddings.num_patches
    hidden = round(tokens * (1 - plan.visible))

    def draw(step: int) -> tuple[Tensor, Tensor]:
        places = torch.multinomial(chance, plan.batch, replacement=True).tolist()
        rng = np.random.default_rng((plan.seed, step))
        pictures = np.stack([_changed(clips[i], rng) for i in places])
        return normalize(pictures, registry.get_spec(ID)).to(run.device), targets[places]

    def loss(network: nn.Module, pixels: Tensor, wanted: Tensor) -> Tensor:
        order = torch.rand(len(pixels), tokens, device=pixels.device).argsort(1)
        with half_precision(pixels.device):
            given = network(pixels, bool_masked_pos=order < hidden).logits.float()
        labels = F.binary_cross_entropy_with_logits(given[:, 0], wanted[:, 0])
        return labels + 0.5 * F.smooth_l1_loss(given[:, 1:], wanted[:, 1:])

    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim < 2]
    own = [{"params": matrices, "lr": plan.rate, "weight_decay": plan.decay},
           {"params": vectors, "lr": plan.rate, "weight_decay": 0.0}]  # fmt: skip
    return fit(network, plan, draw, loss, run, groups=own)


def _changed(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a clip seen and encoded otherwise, all frames alike."""
    side, count = clip.shape[1], len(clip)
    if rng.random() < 0.3:  # slower, as with repeated frames
        first = int(rng.integers(0, 5))
        clip = clip[np.linspace(first, first + count - 5, count).round().astype(int)]
    middle = (side - 1) / 2 + rng.uniform(-4, 4, 2)
    scale = side * rng.uniform(0.85, 1.0)
    view = augment.view(middle, scale, side, rng.uniform(-0.1, 0.1), bool(rng.random() < 0.5))
    seed = int(rng.integers(2**32))
    alike = [np.random.default_rng(seed) for _ in range(count)]
    frames = [augment.resample(np.ascontiguousarray(frame), view, side) for frame in clip]
    return np.stack([augment.degraded(f, r) for f, r in zip(frames, alike, strict=True)])


@torch.inference_mode()
def logits(network: nn.Module, clips: Sequence[np.ndarray], device: str) -> np.ndarray:
    """Return the logits of P(fake) of clips."""
    spec = registry.get_spec(ID)
    found = [network(normalize(clip[None], spec).to(device)).logits[0, 0].cpu() for clip in clips]
    return np.array(found, np.float64)
