"""Cache crops of faces, so that later steps read pixels instead of files.

A cache is a folder: `index.json` (one entry a face sequence) and `crops.npy` (uint8
[N, side, side, 3], all sequences one after another). Crops are cut with the same `cut` as at
inference, only wider so that training can shift and zoom them. They show people's faces: keep a
cache outside the repository, and delete it when done.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from detector import media
from detector.errors import MediaError
from detector.evaluation.labels import Item
from detector.models.base import CropRecipe
from detector.schema.analysis import Box
from detector.vision import Detection, FaceDetector, cut, load_detector
from detector.vision.alignment import placement
from lab.training.fit import TrainingOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Faces(Item):
    """Faces of one labelled file, consecutive in `crops.npy`."""

    start: int = 0  # row of `crops.npy`
    count: int = 0
    room: float = 1.0
    """Side of the largest square about the first face in the frame, in sides of the crop."""
    places: list[list[float]] = field(default_factory=list)
    """14 numbers a crop: the face box (x0, y0, x1, y1) and five landmarks, px of the crop."""

    def landmarks(self, frame: int) -> np.ndarray:
        """Return the landmarks of the `frame`-th crop: float [5, 2]."""
        return np.reshape(self.places[frame][4:], (5, 2))


STORED = ("start", "count", "room", "places")


class FaceCache:
    """A readable cache of some files: `crops` is a uint8 memory map [N, side, side, 3].

    Labels are the current ones, so that a person who was named later is on one side of a split."""

    def __init__(self, folder: Path, items: Sequence[Item]) -> None:
        self.folder = folder
        self.crops = np.load(folder / "crops.npy", mmap_mode="r")
        now = {item.name: vars(item) for item in items}
        self.entries = [
            Faces(**now[row["name"]], **{name: row[name] for name in STORED})
            for row in json.loads((folder / "index.json").read_text())
            if row["name"] in now
        ]

    def frames(self, entry: Faces) -> np.ndarray:
        """Return the crops of a file, uint8 [count, side, side, 3], a view of `crops`."""
        return self.crops[entry.start : entry.start + entry.count]


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
) -> FaceCache:
    """Open the cache of some files in a folder of caches; build it if any are missing."""
    folder = folder / spec.name
    tried = folder / "tried.json"
    if not tried.is_file() or {i.name for i in items} - set(json.loads(tried.read_text())):
        _build(items, folder, spec, run)
        tried.write_text(json.dumps(sorted(item.name for item in items)))
    return FaceCache(folder, items)


def _build(items: Sequence[Item], folder: Path, spec: CacheSpec, run: TrainingOptions) -> None:
    """Cut the faces of files; those without a face are omitted."""
    folder.mkdir(parents=True, exist_ok=True)
    detector, size = load_detector(), spec.crop.size
    boxes: dict[tuple[str, str], tuple[list[Detection], tuple[int, ...]]] = {}
    order = sorted(items, key=lambda item: item.label)
    rows: list[dict[str, object]] = []
    written = 0
    scratch = folder / "crops.raw"
    with scratch.open("wb") as stream:
        for done, item in enumerate(order):
            frames = _frames(item, spec)
            key = (item.source, item.group)
            shape = frames[0].shape if frames else ()
            # In a fake of another frame size, the original's boxes would miss the face.
            same = spec.as_original and item.label == 1 and key in boxes and boxes[key][1] == shape
            faces = boxes[key][0] if same else follow(frames, detector, spec.every)
            if item.label == 0 and faces:
                boxes.setdefault(key, (faces, shape))
            pairs = list(zip(frames, faces, strict=False))  # an original may be shorter
            for frame, face in pairs:
                stream.write(cut(frame, face.box, spec.crop, face.landmarks).tobytes())
            if pairs:
                x, y, side = _square(faces[0], spec.crop)
                room = 2 * min(x, y, shape[1] - x, shape[0] - y) / side
                places = [_in_crop(face, spec.crop) for _, face in pairs]
                values = item.name, written, len(pairs), room, places
                rows.append(dict(zip(("name", *STORED), values, strict=True)))
                written += len(pairs)
            run.on_progress("faces", done + 1, len(order), {})
    # The raw bytes are copied behind the header of a .npy file without loading them.
    shape = (written, size, size, 3)
    raw = np.memmap(scratch, np.uint8, "r", shape=shape) if written else np.zeros(shape, np.uint8)
    np.save(folder / "crops.npy", raw)
    del raw
    scratch.unlink()
    (folder / "index.json").write_text(json.dumps(rows))


def _frames(item: Item, spec: CacheSpec) -> list[np.ndarray]:
    """Decode frames of a file, uint8 [H, W, 3] each; none if it can't be read."""
    try:
        info = media.probe(item.file)
        seconds = min(info.duration or 0.0, spec.seconds)
        times = np.arange(0.0, max(seconds, spec.step / 2), spec.step)
        if spec.most and len(times) > spec.most:
            times = times[np.linspace(0, len(times) - 1, spec.most).round().astype(int)]
        return [frame.rgb for frame in media.decode(item.file, info, times.tolist(), notes=[])]
    except MediaError as error:
        log.warning("%s is left out: %s", item.name, error.message)
        return []


def follow(frames: Sequence[np.ndarray], detector: FaceDetector, every: int) -> list[Detection]:
    """Track the largest face of a clip; return one detection a frame, or none if it is detected in
    less than half of the sampled frames: every `every`-th."""
    seen: dict[int, Detection] = {}
    last: Detection | None = None
    sampled = range(0, len(frames), every)
    for index in sampled:
        faces = detector.detect(frames[index], 40)
        if not faces:
            continue
        if last is None:
            now = max(faces, key=lambda face: _side(face.box))
        else:
            middle = np.reshape(last.box, (2, 2)).mean(0)
            offsets = [np.reshape(face.box, (2, 2)).mean(0) - middle for face in faces]
            distances = np.linalg.norm(offsets, axis=1)
            now = faces[int(distances.argmin())]
            if distances.min() > 0.6 * _side(last.box):
                continue
        seen[index] = last = now
    if last is None or len(seen) < 0.5 * len(sampled):
        return []
    values = np.array([[*face.box, *np.ravel(face.landmarks)] for face in seen.values()])
    interpolated = [np.interp(range(len(frames)), list(seen), column) for column in values.T]
    return [
        replace(
            next(iter(seen.values())),
            box=tuple(row[:4].tolist()),
            landmarks=tuple(map(tuple, row[4:].reshape(-1, 2).tolist())),
        )
        for row in np.stack(interpolated, 1)
    ]


def _square(face: Detection, crop: CropRecipe) -> tuple[float, float, float]:
    """Return center x, y and side of a crop, px of the frame."""
    if crop.kind == "upright":
        x, y, unit = placement(np.array(face.landmarks), crop)
        return x, y, crop.scale * unit
    x0, y0, x1, y1 = face.box
    return (x0 + x1) / 2, (y0 + y1) / 2, crop.scale * _side(face.box)


def _in_crop(face: Detection, crop: CropRecipe) -> list[float]:
    """Return the box and the landmarks of a face in px of its crop: 14 numbers."""
    x, y, side = _square(face, crop)
    points = np.array([face.box[:2], face.box[2:], *face.landmarks])
    moved = (points - (x, y)) * crop.size / side + crop.size / 2
    return [float(v) for v in moved.ravel().round(2)]


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])
