"""Faces cut once, so that every later step reads pixels and not files.

A cache is a folder: `index.json` (one entry a face sequence) and `crops.npy` (uint8
[N, side, side, 3], all sequences one after another). Crops are cut with the same `cut` as in use,
only wider so that training can move and zoom within them. It holds other people's faces:
keep it outside the repository, and delete it when done.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from detector import media
from detector.errors import MediaError
from detector.evaluation.labels import Item
from detector.models.base import Border, CropRecipe
from detector.schema.analysis import Box
from detector.vision import Detection, FaceDetector, cut, load_detector

log = logging.getLogger(__name__)

STEP = 0.08
"""Seconds between cached frames of a clip."""
LOOK = 3
"""A face is looked for in every third cached frame; boxes between are interpolated."""
SECONDS = 3.0
"""Of a clip, from its start."""
TOLD = ("label", "method", "group", "source", "person")
"""What labels tell of a file, and may tell otherwise later."""


@dataclass(frozen=True)
class Faces:
    """Faces of one file, consecutive in `crops.npy`.

    Attributes
    ----------
    start, count : int
        Rows of `crops.npy`.
    places : list of 14 floats for each crop
        The face box (x0, y0, x1, y1) and five landmarks, px of the crop.
    """

    name: str
    label: int
    kind: str
    method: str
    group: str
    source: str
    person: str
    start: int
    count: int
    places: list[list[float]] = field(default_factory=list)


class FaceCache:
    """A cache opened for reading.

    Parameters
    ----------
    items : sequence of Item, optional
        Files whose entries are used, with their labels of now: a person who was named since the
        faces were cut must not be on both sides of a split. Default: all, as they were cut.

    Attributes
    ----------
    entries : list of Faces
    crops : uint8 memory map [N, side, side, 3]
    """

    def __init__(self, folder: Path, items: Sequence[Item] | None = None) -> None:
        self.folder = folder
        self.entries = [Faces(**entry) for entry in json.loads((folder / "index.json").read_text())]
        self.crops = np.load(folder / "crops.npy", mmap_mode="r")
        if items is not None:
            now = {item.name: item for item in items}
            self.entries = [
                replace(entry, **{name: getattr(now[entry.name], name) for name in TOLD})
                for entry in self.entries
                if entry.name in now
            ]

    def frames(self, entry: Faces) -> np.ndarray:
        """uint8 [count, side, side, 3], a view of the file."""
        crops: np.ndarray = self.crops[entry.start : entry.start + entry.count]
        return crops


@dataclass(frozen=True)
class CacheSpec:
    """What a cache holds for a network.

    Attributes
    ----------
    name : str
        Of its folder.
    margin : float
        Side of a cached crop in longer sides of the face box.
    side : int
        px of a cached crop.
    seconds : float
        So much of a clip is cached, from its start.
    border : "black", "replicate" or "mirror"
        What stands where a crop leaves the frame.
    """

    name: str
    margin: float
    side: int
    seconds: float = SECONDS
    border: Border = "black"


def build(
    items: Sequence[Item],
    folder: Path,
    spec: CacheSpec,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> FaceCache:
    """Cut the faces of many files into a cache.

    A fake is cut with the boxes of its original, so that both crops show the same pixels.

    Parameters
    ----------
    items : sequence of Item
        Files without a face are left out.
    folder : Path
        Made; an existing cache in it is replaced.
    progress : callable
        Called with (files done, files in all).
    """
    folder.mkdir(parents=True, exist_ok=True)
    detector, side = load_detector(), spec.side
    recipe = CropRecipe(scale=spec.margin, size=side, border=spec.border)
    boxes: dict[tuple[str, str], tuple[list[Detection], tuple[int, ...]]] = {}
    order = sorted(items, key=lambda item: item.label)
    entries: list[Faces] = []
    written = 0
    scratch = folder / "crops.raw"
    with scratch.open("wb") as stream:
        for done, item in enumerate(order):
            frames = frames_of(item, spec.seconds)
            key = (item.source, item.group)
            shape = frames[0].shape if frames else ()
            # In a fake of another frame size, the original's boxes would miss the face.
            same = item.label == 1 and key in boxes and boxes[key][1] == shape
            faces = boxes[key][0] if same else follow(frames, detector)
            if item.label == 0 and faces:
                boxes.setdefault(key, (faces, shape))
            n = min(len(frames), len(faces))
            crops = [cut(frames[i], faces[i].box, recipe) for i in range(n)]
            if crops:
                stream.write(np.stack(crops).tobytes())
                entries.append(
                    Faces(
                        name=item.name, label=item.label, kind=item.kind, method=item.method,
                        group=item.group, source=item.source, person=item.person, start=written,
                        count=n,
                        places=[_in_crop(face, side, spec.margin) for face in faces[:n]],
                    )
                )  # fmt: skip
                written += len(crops)
            if progress:
                progress(done + 1, len(order))
    finish(scratch, folder / "crops.npy", (written, side, side, 3))
    (folder / "tried.json").write_text(json.dumps(sorted(item.name for item in items)))
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in entries]))
    return FaceCache(folder)


def tried(folder: Path) -> set[str]:
    """Return the names of the files that a cache was built from, with a face or without."""
    if not (folder / "index.json").is_file():
        return set()
    return set(json.loads((folder / "tried.json").read_text()))


def finish(scratch: Path, target: Path, shape: tuple[int, ...]) -> None:
    """Give raw bytes the header of a .npy file without holding them in memory."""
    raw = np.memmap(scratch, np.uint8, "r", shape=shape) if shape[0] else np.zeros(shape, np.uint8)
    np.save(target, raw)  # in pieces, as NumPy writes what is larger than its buffer
    del raw
    scratch.unlink()


def frames_of(
    item: Item, seconds: float, step: float = STEP, most: int | None = None
) -> list[np.ndarray]:
    """Decode frames of a file, `step` s apart or evenly at most so many: uint8 [H, W, 3] each; none
    if it can't be read."""
    try:
        info = media.probe(item.file)
        times = np.arange(0.0, max(min(info.duration or 0.0, seconds), step / 2), step)
        if most and len(times) > most:
            times = times[np.linspace(0, len(times) - 1, most).round().astype(int)]
        return [frame.rgb for frame in media.decode(item.file, info, times.tolist(), notes=[])]
    except MediaError as error:
        log.warning("%s is left out: %s", item.name, error.message)
        return []


def follow(
    frames: Sequence[np.ndarray], detector: FaceDetector, every: int = LOOK
) -> list[Detection]:
    """Track the largest face of a clip; return one detection a frame, or none if it is detected in
    less than half of them.

    The detector runs on every `every`-th frame; detections between are interpolated.
    """
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
            near = [(_far(face.box, last.box), face) for face in faces]
            distance, now = min(near, key=lambda pair: pair[0])
            if distance > 0.6 * _side(last.box):
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


def _in_crop(face: Detection, side: int, margin: float) -> list[float]:
    """Return the box and the landmarks of a face in the crop that was cut about it: 14 numbers."""
    x0, y0, x1, y1 = face.box
    k = side / (margin * _side(face.box))
    left, top = (x0 + x1) / 2 - side / k / 2, (y0 + y1) / 2 - side / k / 2
    points = [(x0, y0), (x1, y1), *face.landmarks]
    return [round(v, 2) for x, y in points for v in ((x - left) * k, (y - top) * k)]


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _far(a: Box, b: Box) -> float:
    return float(np.hypot((a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2))
