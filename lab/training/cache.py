"""Cache crops of faces, so that later steps read pixels instead of files.

Crops are cut with the same `cut` as at inference, only wider so that training can shift and zoom
them. They show people's faces: keep a cache outside the repository, and delete it when done.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from detector import media, vision
from detector.errors import MediaError
from detector.evaluation.labels import Item
from detector.models.base import CropRecipe
from detector.vision.alignment import placement
from lab.evaluation.features import Arrays, compute, path_of, widest_track
from lab.training.fit import TrainingOptions

log = logging.getLogger(__name__)
FACES = "faces"
"""Name of the arrays of a file: `crops`, uint8 [n, side, side, 3]; `places`, float [n, 7, 2],
corners of the box and landmarks in px of the crop; `faces`, float [frames, 7, 2], the same in px of
the frame, NaN without a face; `shape`, int [2], height and width of a frame; `room`."""
SMALLEST = 40  # px of a face


@dataclass(frozen=True)
class Faces(Item):
    """Cached faces of one labelled file."""

    stored: Path = Path()
    """File with their crops."""
    room: float = 1.0
    """Side of the largest square about the first face in the frame, in sides of the crop."""
    places: np.ndarray = field(default_factory=lambda: np.zeros((0, 7, 2)), compare=False)
    """Corners of the box and landmarks, px of the crop."""

    @property
    def count(self) -> int:
        """Return the number of crops."""
        return len(self.places)

    def landmarks(self, frame: int) -> np.ndarray:
        """Return the landmarks of the `frame`-th crop: float [5, 2]."""
        return self.places[frame, 2:]

    def crop(self, frame: int) -> np.ndarray:
        """Read the `frame`-th crop: uint8 [side, side, 3]."""
        with safe_open(self.stored, "numpy") as arrays:
            return np.asarray(arrays.get_slice("crops")[frame : frame + 1])[0]


@dataclass(frozen=True)
class CacheSpec:
    """Content of a cache for a network."""

    name: str  # of its folder
    crop: CropRecipe  # A square about the face (`square` or `upright`), wider than the network sees
    seconds: float  # that are cached of a clip, from its start
    step: float = 0.08  # s between frames
    most: int | None = None  # frames at most, evenly spread
    every: int = 3  # Faces are detected in every third frame and interpolated between
    as_original: bool = True
    """Cut a fake with the boxes of its original, so that both crops show the same pixels."""


def open_cache(
    folder: Path, spec: CacheSpec, items: Sequence[Item], run: TrainingOptions
) -> list[Faces]:
    """Return the faces of files that show one, cached in a folder of caches."""
    folder = folder / spec.name
    items = sorted(items, key=lambda item: item.label)
    originals = {(item.source, item.group): item for item in reversed(items) if not item.label}

    def read(item: Item) -> Arrays:
        frames = _frames(item, spec)
        if not frames:
            return {}
        original = originals.get((item.source, item.group))
        if original and item.label and spec.as_original:
            known = load_file(path_of(original, folder, FACES))
            # In a fake of another frame size, the original's boxes would miss the face.
            if known and tuple(known["shape"]) == frames[0].rgb.shape[:2]:
                return _cut(frames, known["faces"], spec.crop)
        return _cut(frames, _faces(frames, spec.every), spec.crop)

    files = compute(items, folder, FACES, lambda: read, partial(run.report, FACES))
    entries = (_entry(item, file) for item, file in zip(items, files, strict=True))
    return [entry for entry in entries if entry.count]


def _entry(item: Item, file: Path) -> Faces:
    with safe_open(file, "numpy") as arrays:
        if not arrays.keys():
            return Faces(**vars(item))
        room, places = (arrays.get_tensor(name) for name in ("room", "places"))
    return Faces(**vars(item), stored=file, room=room.item(), places=places)


def _frames(item: Item, spec: CacheSpec) -> list[media.Frame]:
    """Decode frames of a file; none if it can't be read."""
    try:
        info = media.probe(item.file)
        seconds = min(info.duration or 0.0, spec.seconds)
        times = np.arange(0.0, max(seconds, spec.step / 2), spec.step)
        if spec.most and len(times) > spec.most:
            times = times[np.linspace(0, len(times) - 1, spec.most).round().astype(int)]
        return list(media.decode(item.file, info, times.tolist(), notes=[]))
    except MediaError as error:
        log.warning("%s is left out: %s", item.name, error.message)
        return []


def _faces(frames: Sequence[media.Frame], every: int) -> np.ndarray:
    """Return the face of the widest person in each frame, float [frames, 7, 2]; NaN without one."""
    track = widest_track(frames, every, SMALLEST)
    faces = np.full((len(frames), 7, 2), np.nan)
    for place, frame in zip(faces, frames, strict=True):
        if (face := vision.interpolate(track, frame.time)) is not None:
            place[:] = [face.box[:2], face.box[2:], *face.landmarks]
    return faces


def _cut(frames: Sequence[media.Frame], faces: np.ndarray, crop: CropRecipe) -> Arrays:
    """Return the arrays of a file; none if less than half of its frames show a face."""
    # A fake may be shorter than its original.
    pairs = [(f, face) for f, face in zip(frames, faces, strict=False) if np.isfinite(face).all()]
    if len(pairs) < 0.5 * len(frames) or not pairs:
        return {}
    height, width = frames[0].rgb.shape[:2]
    x, y, side = _square(pairs[0][1], crop)
    crops = [
        vision.cut(frame.rgb, (*face[:2].ravel().tolist(),), crop, face[2:].tolist())
        for frame, face in pairs
    ]
    return {
        "crops": np.stack(crops),
        "places": np.stack([_in_crop(face, crop) for _, face in pairs]),
        "faces": faces,
        "shape": np.array([height, width]),
        "room": np.array(2 * min(x, y, width - x, height - y) / side),
    }


def _square(face: np.ndarray, crop: CropRecipe) -> tuple[float, float, float]:
    """Return center x, y and side of a crop, px of the frame."""
    if crop.kind == "upright":
        x, y, unit = placement(face[2:], crop)
        return x, y, crop.scale * unit
    x, y = face[:2].mean(0).tolist()
    return x, y, crop.scale * float(np.ptp(face[:2], axis=0).max())


def _in_crop(face: np.ndarray, crop: CropRecipe) -> np.ndarray:
    """Return the box and the landmarks of a face in px of its crop: float [7, 2]."""
    x, y, side = _square(face, crop)
    return (face - (x, y)) * crop.size / side + crop.size / 2
