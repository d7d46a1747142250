"""What finds faces, and what is found: the seam between detectors and their callers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detector.schema.analysis import Box, Point


@dataclass(frozen=True)
class Detection:
    """One face in one frame, in pixels of the upright frame."""

    box: Box  # x0, y0, x1, y1; may reach past the frame
    landmarks: tuple[Point, ...]
    """Left eye, right eye, nose, left and right mouth corner, as seen in the picture."""
    confidence: float  # 0..1, the detector's own

    @classmethod
    def of(cls, box: np.ndarray, points: np.ndarray, confidence: float) -> Detection:
        """Return the face of a box [4] and its points [5, 2]."""
        x0, y0, x1, y1 = box.tolist()
        return cls((x0, y0, x1, y1), tuple((x, y) for x, y in points.tolist()), confidence)


def from_left_to_right(faces: Iterable[Detection]) -> list[Detection]:
    """Return faces by the centers of their boxes, as `FaceDetector.detect` gives them."""
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1]))


def widest(faces: Iterable[Detection]) -> Detection | None:
    """Return the face with the widest box; None where there is none."""
    return max(faces, key=lambda face: face.box[2] - face.box[0], default=None)


def iou(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a box [4] with others [N, 4]: [N] in 0..1."""
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:], many[:, 2:])
    common = (high - low).clip(0).prod(1)
    union = (many[:, 2:] - many[:, :2]).prod(1) + (one[2:] - one[:2]).prod() - common
    overlap: np.ndarray = common / np.maximum(union, np.finfo(float).tiny)
    return overlap


class FaceDetector(Protocol):
    """Finds faces. Deterministic and thread-safe: several sessions share one."""

    name: str  # As in `DETECTORS`: whose boxes these are

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        """Return the faces of an upright uint8 [H, W, 3] frame that are at least `min_face` px
        wide, from left to right by their centers."""
        ...

    def follow(self, rgb: np.ndarray, min_face: int, faces: Sequence[Detection]) -> list[Detection]:
        """Return as `detect` the faces that a frame of a moment ago showed, searched about them
        only. Those that moved far are missing; others nearby may be among them."""
        ...
