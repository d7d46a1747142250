"""Train *CLIP, generated* (recipe `generated`): a linear layer on the published trunk.

Crops show a face in its surroundings, as it is and as a smaller, recompressed copy. Altered faces
in real footage are excluded: they belong to the other question.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from detector import runtime, vision
from detector.errors import MediaError
from detector.evaluation.labels import Item, hash_of, read_labels
from detector.models import registry
from detector.models.families import clip_vit
from detector.models.pictures import fit as fit_picture
from detector.models.pictures import normalized
from detector.schema.analysis import Question
from detector.schema.base import StrictModel
from lab.evaluation import left_out
from lab.evaluation.features import Arrays, cached, widest_faces
from lab.training import results
from lab.training.augment import jpeg
from lab.training.clip.feed import ALTERED, GENERATED, REAL, class_of
from lab.training.clip.run import load_trunk
from lab.training.crossfit import Split, by_fold
from lab.training.fit import TrainingOptions, begin_run
from lab.training.linear import FrozenLayer, LinearHead, fit_rows

ID = "clip-generated"
NEVER = -30.0  # Logit of the class of fakes that a layer does not tell


class GeneratedRecipe(StrictModel):
    """Settings of the layer's fit."""

    places: tuple[float, ...] = (0.1, 0.5, 0.85)  # Of a clip's length, where its face is read
    smallest: int = 24  # px of a face
    tightest: float = 1.7
    """Pictures with less room around a face, in shares of the wanted square, are excluded."""
    stills: int = 200  # At most so many pictures of a source and label
    smaller: tuple[float, float] = (0.4, 1.0)  # The copy's size, drawn evenly
    quality: tuple[int, int] = (35, 90)  # The copy's JPEG quality, drawn evenly
    decay: float = 0.1


class _BlockFeatures(nn.Module):
    """Class tokens alone: float [N, 3, 224, 224] -> [N, 3072]."""

    def __init__(self, network: clip_vit.ClipBlocks) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.features(x)


def compiled_features(network: clip_vit.ClipBlocks, device: str) -> runtime.Runner:
    """Compile the class tokens of a network."""
    features = _BlockFeatures(network).eval().requires_grad_(False).to(device)
    return runtime.compile(features, torch.zeros(2, 3, 224, 224, device=device), device, bf16=True)


def train(
    plan: GeneratedRecipe, data: Path, run: TrainingOptions, *, folds: Sequence[str] = ()
) -> Path:
    """Fit the layer on the labelled clips and pictures of a CSV with a face; return
    `run.out`/model.safetensors, fitted to all files. Raise InputError, UsageError.

    `folds` of sources are left out in turn, and then all pictures together: cross-fitted logits go
    to `run.out`/left_out.csv, their calibration to calibration.toml."""
    begin_run(plan, run)
    items = chosen(read_labels(data), plan)
    plain, copies, owner = read_features(items, plan, run)
    plain, copies = plain.astype(np.float32), copies.astype(np.float32)
    of_rows = [items[i] for i in owner]
    layer = FrozenLayer("generated", of_rows, [plain, copies], partial(fit_rows, decay=plan.decay))
    if folds:
        splits = [*by_fold(of_rows, folds)]
        still = np.array([item.kind == "image" for item in of_rows])
        moving, pictures = (np.flatnonzero(rows).tolist() for rows in (~still, still))
        if moving and pictures:
            splits.append(Split(left_out.PICTURES, moving, pictures))
        every = range(len(of_rows))
        versions = {"as it is": (every, plain), "copy": (every, copies)}
        judged = left_out.averaged(layer.judge(splits, versions))
        results.write(judged, run.out, ID, Question.SYNTHESIS)
    target = run.out / "model.safetensors"
    save_file(class_head(GENERATED, layer.fit()), target)
    return target


def class_head(cls: int, layer: LinearHead) -> dict[str, torch.Tensor]:
    """Return the tensors of a CLIP head that separates one class of fakes from real."""
    head = torch.zeros(len(clip_vit.CLASSES), len(layer.weights))
    offset = torch.full((3,), NEVER)
    head[cls] = torch.from_numpy(layer.weights.astype(np.float32))
    offset[REAL], offset[cls] = 0.0, layer.bias
    return {"head.weight": head, "head.bias": offset, "scale": torch.zeros(())}


def chosen(items: Sequence[Item], plan: GeneratedRecipe) -> list[Item]:
    """Return the files of the question."""
    stills: Counter[tuple[str, int]] = Counter()
    found = []
    for item in items:
        if class_of(item) == ALTERED:
            continue
        stills[item.source, item.label] += item.kind == "image"
        if item.kind != "image" or stills[item.source, item.label] <= plan.stills:
            found.append(item)
    return found


def read_features(
    items: Sequence[Item], plan: GeneratedRecipe, run: TrainingOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features of faces and of their copies, float16 [rows, 3072], and the index of the item
    of each, int [rows]; cached for each file in the run's folder."""

    def reader() -> Callable[[Item], Arrays]:
        features, spec = compiled_features(load_trunk(), run.device), registry.get_spec(ID)

        def read(item: Item) -> Arrays:
            crops = list(_crops(item, plan))
            if not crops:
                return {"faces": np.zeros((2, 0, 0), np.float16)}
            chance = np.random.default_rng(int(hash_of(item.name), 16) % 2**32)
            crops += [_copy(crop, plan, chance) for crop in crops]
            pictures = np.stack([fit_picture(crop, spec.crop) for crop in crops])
            rows = features(normalized(pictures, spec))[0].astype(np.float16)
            return {"faces": rows.reshape(2, -1, rows.shape[1])}

        return read

    found = cached(items, run.out / "features", "faces", reader, partial(run.report, "faces"))
    faces = [arrays["faces"] for arrays in found]
    plain, copies = np.concatenate([rows for rows in faces if rows.size], 1)
    return plain, copies, np.repeat(np.arange(len(items)), [rows.shape[1] for rows in faces])


def _copy(crop: np.ndarray, plan: GeneratedRecipe, chance: np.random.Generator) -> np.ndarray:
    """Return a smaller JPEG copy of a crop, at times mirrored."""
    side = max(plan.smallest, round(len(crop) * chance.uniform(*plan.smaller)))
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    turned = small[:, ::-1] if chance.random() < 0.5 else small
    return jpeg(np.ascontiguousarray(turned), int(chance.integers(*plan.quality)))


def _crops(item: Item, plan: GeneratedRecipe) -> Iterator[np.ndarray]:
    """Yield the widest face of some frames in its surroundings, at its original size."""
    recipe = registry.get_spec(ID).crop.model_copy(update={"size": 0})
    try:
        shown = list(widest_faces(item.file, plan.places, plan.smallest))
    except MediaError:
        return
    for frame, face in shown:
        wanted = recipe.scale * max(face.box[2] - face.box[0], face.box[3] - face.box[1])
        if wanted <= plan.tightest * min(frame.rgb.shape[:2]):
            yield vision.cut(frame.rgb, face.box, recipe)
