"""Faces cut once around their landmarks, with their labels and class: a cache on disk.

A cut shows `UNITS` units of ArcFace's template (112 units wide) in `SIDE` px, upright as in the
frame, mirrored beyond the frame's edge. It holds other people's faces: keep it outside the
repository, and delete it when done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from detector.errors import InputError
from detector.evaluation.labels import Item
from detector.training.cache import finish, follow, frames_of
from detector.vision import load_detector
from detector.vision.alignment import TEMPLATES, similarity

SIDE, UNITS = 320, 235.0
TEMPLATE = np.array(TEMPLATES["arcface"]) * 112
CENTER = np.array([56.0, 64.0, 1.0])
"""Middle of a cut, in template units (homogeneous)."""
FRAMES, SECONDS, STEP = 20, 4.0, 0.04
"""Frames of a clip: at most so many, evenly over its first seconds, `STEP` s apart or more."""
TIGHT = 115.0
"""A file that shows fewer units around the face is tight: it is trained on as a closer view."""

REAL, ALTERED, GENERATED = 0, 1, 2
_GENERATED = (
    "sadtalker", "hallo", "emo", "aniportrait", "echomimic", "avatar", "portrait", "talk", "animat",
    "head", "nerf", "gan", "fomm", "vid2vid", "video model", "t2v", "i2v", "wan", "sora", "veo",
    "kling", "hunyuan", "ovi", "goku", "phantom", "stylegan", "diffusion", "whole",
)  # fmt: skip
_ALTERED = (
    "swap", "faceapp", "lip", "wav2lip", "dub", "edit", "anonym", "deepfakes", "face2face",
    "neuraltextures", "faceshifter", "inswapper", "simswap", "roop", "dinet", "latentsync", "gaze",
    "aging", "makeup", "relight", "fsgan", "deepfacelive", "deepfacelab",
)  # fmt: skip


def class_of(item: Item) -> int:
    """Return `REAL`, `ALTERED` (a face in real footage) or `GENERATED` (the whole head or picture).

    The label's note decides where it begins with "region" or "whole", else the method's name.
    """
    note, method = item.note.lower(), item.method.lower()
    if item.label == 0:
        return REAL
    if note.startswith("whole"):
        return GENERATED
    if note.startswith("region") or any(word in method for word in _ALTERED):
        return ALTERED
    return GENERATED if any(word in method for word in _GENERATED) else ALTERED


@dataclass(frozen=True)
class Cuts:
    """Faces of one file, rows `start` to `start + count` of the cache's arrays."""

    name: str
    kind: str
    method: str
    group: str
    source: str
    person: str
    cls: int
    start: int
    count: int
    tight: bool

    @property
    def label(self) -> int:
        """1 manipulated, 0 untouched."""
        return int(self.cls != REAL)


class CutCache:
    """A cache opened for reading.

    Attributes
    ----------
    entries : list of Cuts
        Of the files that the labels name, as they name them now.
    cuts : uint8 memory map [N, SIDE, SIDE, 3]
    points : float32 [N, 5, 2]
        Landmarks, px of the cut.
    """

    def __init__(self, folder: Path, items: Sequence[Item]) -> None:
        now = {item.name: _told(item) for item in items}
        index = json.loads((folder / "index.json").read_text())
        self.entries = [
            Cuts(**(entry | now[entry["name"]])) for entry in index if entry["name"] in now
        ]
        self.cuts = np.load(folder / "cuts.npy", mmap_mode="c")
        self.points = np.load(folder / "points.npy")


def _told(item: Item) -> dict[str, object]:
    """Return what the labels say of a file."""
    return {
        "name": item.name, "kind": item.kind, "method": item.method, "group": item.group,
        "source": item.source, "person": item.person, "cls": class_of(item),
    }  # fmt: skip


def open_cache(
    folder: Path, items: Sequence[Item], on_progress: Callable[[int, int], None]
) -> CutCache:
    """Return the cache of these files, built first if files are missing in it.

    Raises
    ------
    InputError
        No face was detected in any file.
    """
    items = [item for item in items if item.kind in ("image", "video")]
    tried = folder / "tried.json"
    if not tried.is_file() or not {item.name for item in items} <= set(
        json.loads(tried.read_text())
    ):
        _build(items, folder, on_progress)
    cache = CutCache(folder, items)
    if not cache.entries:
        raise InputError("No face was detected in the labelled files.")
    return cache


def _build(items: Sequence[Item], folder: Path, on_progress: Callable[[int, int], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    detector = load_detector()
    entries: list[Cuts] = []
    points: list[np.ndarray] = []
    scratch = folder / "cuts.raw"
    with scratch.open("wb") as stream:
        for done, item in enumerate(items):
            frames = frames_of(item, SECONDS, STEP, FRAMES)
            faces = follow(frames, detector, every=1)
            if faces:
                landmarks = np.array([face.landmarks for face in faces])
                places = smooth(landmarks)
                for frame, place in zip(frames, places, strict=True):
                    stream.write(cut(frame, *place).tobytes())
                told = {"start": len(points), "count": len(faces), "tight": _tight(frames, places)}
                entries.append(Cuts(**(_told(item) | told)))  # type: ignore[arg-type]
                points += [
                    (shape - (x, y)) * SIDE / (UNITS * k) + SIDE / 2
                    for shape, (x, y, k) in zip(landmarks, places, strict=True)
                ]
            on_progress(done + 1, len(items))
    finish(scratch, folder / "cuts.npy", (len(points), SIDE, SIDE, 3))
    np.save(folder / "points.npy", np.array(points, np.float32).reshape(-1, 5, 2))
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in entries]))
    (folder / "tried.json").write_text(json.dumps(sorted(item.name for item in items)))


def place(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Return the center of a cut (x, y) and px per template unit, from landmarks [5, 2]."""
    matrix = similarity(TEMPLATE, np.asarray(landmarks, float))
    x, y = matrix @ CENTER
    return float(x), float(y), max(float(np.hypot(*matrix[:, 0])), 1e-3)


def smooth(landmarks: np.ndarray) -> np.ndarray:
    """Return the places [T, 3] of a clip's landmarks [T, 5, 2], the scale a median of 7 frames."""
    places = np.array([place(points) for points in landmarks])
    scales = [np.median(places[max(0, i - 3) : i + 4, 2]) for i in range(len(places))]
    return np.column_stack([places[:, :2], scales])


def _tight(frames: Sequence[np.ndarray], places: np.ndarray) -> bool:
    height, width = frames[0].shape[:2]
    x, y, k = places[0]
    return bool(2 * min(x, y, width - x, height - y) / k < TIGHT)


def cut(frame: np.ndarray, x: float, y: float, k: float) -> np.ndarray:
    """Return the cut around (x, y) of a frame, `k` px per unit: uint8 [SIDE, SIDE, 3]."""
    side = UNITS * k
    left, top, factor = x - side / 2, y - side / 2, SIDE / side
    if factor > 0.8:
        matrix = np.array([[factor, 0, -left * factor], [0, factor, -top * factor]])
        return _warped(frame, matrix, cv2.INTER_CUBIC)
    # Averaging over areas first avoids aliasing.
    height, width = frame.shape[:2]
    x0, y0 = (int(max(0, np.floor(edge - 4))) for edge in (left, top))
    x1, y1 = (
        int(min(most, np.ceil(edge + side + 4))) for edge, most in ((left, width), (top, height))
    )
    if x1 - x0 < 8 or y1 - y0 < 8:
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    size = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
    small = cv2.resize(frame[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    fx, fy = size[0] / (x1 - x0), size[1] / (y1 - y0)
    matrix = np.array([[1, 0, (x0 - left) * fx], [0, 1, (y0 - top) * fy]])
    return _warped(small, matrix, cv2.INTER_LINEAR)


def _warped(frame: np.ndarray, matrix: np.ndarray, interpolation: int) -> np.ndarray:
    return cv2.warpAffine(
        frame, matrix, (SIDE, SIDE), flags=interpolation, borderMode=cv2.BORDER_REFLECT_101
    )
