"""Cache CLIP features of windows of consecutive frames of one face."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from detector import media, runtime, vision
from detector.errors import MediaError
from detector.evaluation.labels import Item, read_labels
from detector.models import registry
from detector.models.families.sequence_heads import FRAMES, PATCH, REDUCED, FrameFeatures
from detector.models.pictures import normalized
from detector.pipeline.windows import ANCHOR_EVERY
from detector.vision.detection import Detection
from lab.evaluation.features import Arrays, cached, widest_track
from lab.training.clip.run import load_trunk
from lab.training.fit import TrainingOptions

STEP = 0.08  # Seconds between two frames of a window: a clip of 0.6 s is long enough
SMALLEST = 24  # px of a face
PROJECTION = "projection.npz"
PROJECTED = 150  # Clips to which the projection is fitted, one frame each


class Window(NamedTuple):
    """One window of a clip."""

    face: np.ndarray  # float16 [FRAMES, 3072], of the crop of *CLIP*
    around: np.ndarray  # float16 [FRAMES, 3072], of the crop of *CLIP, generated*
    grid: np.ndarray  # float16 [FRAMES, 7, 7, REDUCED], of the crop of *CLIP*


def read_clips(data: Path) -> list[Item]:
    """Return the clips of a CSV of labelled files."""
    return [item for item in read_labels(data) if item.kind == "video"]


def read(
    items: Sequence[Item], folder: Path, run: TrainingOptions
) -> tuple[list[Item], list[Window]]:
    """Return the clips with a face in a whole window, and their windows, cached in a folder.

    The projection of patch tokens is fitted once, to clips spread over the labels, and stored
    beside the windows."""

    def reader() -> Callable[[Item], Arrays]:
        features = CropReader(run.device)
        if not (folder / PROJECTION).is_file():
            _project(items, features, folder / PROJECTION)
        mean, basis = projection(folder)
        return lambda item: _window(item, features, mean, basis)

    arrays = cached(items, folder, "window", reader, partial(run.report, "windows"))
    found = [(item, Window(**known)) for item, known in zip(items, arrays, strict=True) if known]
    return [item for item, _ in found], [window for _, window in found]


def projection(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return mean [PATCH] and basis [PATCH, REDUCED] of the projection of patch tokens."""
    with np.load(folder / PROJECTION) as stored:
        return stored["mean"], stored["basis"]


class CropReader:
    """Computes class and patch tokens of crops by the published trunk."""

    def __init__(self, device: str) -> None:
        network = FrameFeatures(load_trunk()).eval().requires_grad_(False).to(device)
        example = torch.zeros(2, 3, 224, 224, device=device)
        self._run = runtime.compile(network, example, device, bf16=True)
        self._spec = registry.get_spec("clip")

    def __call__(self, crops: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        tokens, grid = self._run(normalized(np.stack(crops), self._spec))
        return tokens, grid


def _project(items: Sequence[Item], features: CropReader, file: Path) -> None:
    """Fit a projection of patch tokens by principal components."""
    step = max(1, len(items) // PROJECTED)
    tokens: list[np.ndarray] = []
    for item in items[::step]:
        if shown := faces(item, count=1):
            rgb, face = shown[0]
            tokens.append(features([_cut(rgb, face, "clip")])[1].reshape(-1, PATCH))
    every = np.concatenate(tokens).astype(np.float64)
    mean = every.mean(0)
    _, vectors = np.linalg.eigh(np.cov(every - mean, rowvar=False))
    basis = vectors[:, ::-1][:, :REDUCED]
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, mean=mean.astype(np.float32), basis=basis.astype(np.float32))


def _window(item: Item, features: CropReader, mean: np.ndarray, basis: np.ndarray) -> Arrays:
    """Return the fields of a window; nothing without a face in all its frames."""
    shown = faces(item)
    if not shown:
        return {}
    tokens, patches = features([_cut(*one, "clip") for one in shown])
    around, _ = features([_cut(*one, "clip-generated") for one in shown])
    window = Window(tokens, around, (patches - mean) @ basis)
    return {name: values.astype(np.float16) for name, values in window._asdict().items()}


def _cut(rgb: np.ndarray, face: Detection, id: str) -> np.ndarray:
    return vision.cut(rgb, face.box, registry.get_spec(id).crop, face.landmarks)


def faces(
    item: Item, count: int = FRAMES, step: float = STEP
) -> list[tuple[np.ndarray, Detection]]:
    """Return the frames of a window in the middle of a clip with the face of the widest person;
    nothing if the clip is shorter or no person is visible in all of them."""
    span = (count - 1) * step
    try:
        info = media.probe(item.file)
        begin = ((info.duration or 0.0) - span) / 2
        if begin < 0:
            return []
        times = [begin + number * step for number in range(count)]
        frames = list(media.decode(item.file, info, times, notes=[]))
    except MediaError:
        return []
    track = widest_track(frames, ANCHOR_EVERY, SMALLEST)
    shown = []
    for time in times:
        frame = next((f for f in reversed(frames) if f.time <= time + 1e-6), frames[0])
        located = vision.interpolate(track, frame.time)
        if located is None:
            return []
        shown.append((frame.rgb, located))
    return shown
