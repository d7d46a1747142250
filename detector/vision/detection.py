"""Face detectors: the interface, the registry, and measured figures of each."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from detector import weights
from detector.errors import UsageError
from detector.schema.analysis import Box, Point
from detector.sentences import _


@dataclass(frozen=True)
class Detection:
    """One face in one frame, in pixels of the upright frame."""

    box: Box  # x0, y0, x1, y1; may reach past the frame
    landmarks: tuple[Point, ...]
    """Left eye, right eye, nose, left and right mouth corner, as seen in the picture."""
    confidence: float  # 0..1, the detector's own

    @classmethod
    def of(cls, box: np.ndarray, points: np.ndarray, confidence: float) -> Detection:
        """Return a detection of a box [4] and points [5, 2]."""
        x0, y0, x1, y1 = box.tolist()
        return cls((x0, y0, x1, y1), tuple((x, y) for x, y in points.tolist()), confidence)


def from_left_to_right(faces: Iterable[Detection]) -> list[Detection]:
    """Sort faces by the centers of their boxes."""
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1]))


def widest(faces: Iterable[Detection]) -> Detection | None:
    """Return the face with the widest box; None without faces."""
    return max(faces, key=lambda face: face.box[2] - face.box[0], default=None)


def iou(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a box [4] with others [N, 4]: [N] in 0..1."""
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:], many[:, 2:])
    common = (high - low).clip(0).prod(1)
    union = (many[:, 2:] - many[:, :2]).prod(1) + (one[2:] - one[:2]).prod() - common
    overlap: np.ndarray = common / np.maximum(union, np.finfo(float).tiny)
    return overlap


class FaceDetector(Protocol):
    """Face detector. Deterministic and thread-safe: sessions share one."""

    name: str  # Key in `DETECTORS`

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        """Return the faces of an upright uint8 [H, W, 3] frame that are at least `min_face` px
        wide, from left to right by their centers."""
        ...

    def follow(self, rgb: np.ndarray, min_face: int, faces: Sequence[Detection]) -> list[Detection]:
        """Detect as `detect`, where it is faster only near `faces`, those of a recent frame: faces
        that moved far are missed, and other faces nearby may be returned too."""
        return self.detect(rgb, min_face)


DETECTORS = {
    "mtcnn": "detector.vision.mtcnn:Mtcnn",
    "blazeface": "detector.vision.blazeface:BlazeFace",
    "yunet": "detector.vision.yunet:YuNet",
}
"""Name -> class, imported on use: `import detector.vision` does not import torch."""


class DetectorFigures(NamedTuple):
    """Measured results on a frame of each of 90 clips, faces from 40 px."""

    title: str
    found: int  # Of `FACES`
    alone: int  # Detections without a match by the others
    milliseconds: int  # Of one core of a processor, a frame (median)


FACES = 92  # Faces that two of the three detectors agree on (IoU over 0.4)
MEASURED = {
    "mtcnn": DetectorFigures("MTCNN", 90, 0, 29),
    "blazeface": DetectorFigures("BlazeFace", 90, 18, 15),
    "yunet": DetectorFigures("YuNet", 92, 2, 18),
}


def ready(name: str) -> bool:
    """Return whether a detector's weights are on this computer."""
    fetched = weights.auxiliary().get(name)
    return fetched is None or weights.available(fetched)


def load_detector(name: str = "mtcnn", device: str = "cpu") -> FaceDetector:
    """Return a new face detector; raise UsageError for an unknown name, WeightsError without
    weights."""
    if name not in DETECTORS:
        raise UsageError(
            _("There is no face detector named {name!r}.").format(name=name),
            code="unknown_detector",
            hint=_("Known: {names}.").format(names=", ".join(sorted(DETECTORS))),
        )
    detector: FaceDetector = pkgutil.resolve_name(DETECTORS[name])(device)
    return detector
