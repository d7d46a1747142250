"""Finding faces in one frame, behind a seam that other detectors can stand behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from detector.errors import UsageError
from detector.results import Box, Point

MIN_SIDE = 12
"""px. A frame narrower than P-Net's field of view has no pyramid, and facenet-pytorch raises."""

NETWORK_FACE = 24
"""px. The smallest face looked for is at least this wide where R-Net (24 px) looks at it, when the
frame has it."""

CONFIDENCE = 0.95
"""A face below this is not one."""


@dataclass(frozen=True)
class Detection:
    """One face in one frame, in pixels of the upright frame.

    Attributes
    ----------
    box : Box
        x0, y0, x1, y1; may reach past the frame.
    landmarks : tuple of Point
        Left eye, right eye, nose, left and right mouth corner, as seen in the picture.
    confidence : float
        0..1, the detector's own.
    """

    box: Box
    landmarks: tuple[Point, ...]
    confidence: float


class FaceDetector(Protocol):
    """Finds faces. Deterministic and thread-safe: several sessions share one."""

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        """Find the faces of one frame.

        Parameters
        ----------
        rgb : uint8 array [H, W, 3]
            Upright frame.
        min_face : int
            Width in px of the frame of the narrowest face to look for.

        Returns
        -------
        list of Detection
            From left to right (by the box's centre), at most one per face.
        """
        ...


class Mtcnn:
    """MTCNN (Zhang et al. 2016) as ported and trained in facenet-pytorch (MIT)."""

    def __init__(self, device: str = "cpu") -> None:
        import torch
        from facenet_pytorch import MTCNN

        self._network = MTCNN(keep_all=True, device=torch.device(device)).eval()
        # MTCNN keeps the minimum face size as state.
        self._lock = threading.Lock()

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        height, width = rgb.shape[:2]
        scale = min(1.0, NETWORK_FACE / min_face)
        small = rgb
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        if min(small.shape[:2]) < MIN_SIDE:
            return []
        with self._lock:
            self._network.min_face_size = max(MIN_SIDE, min_face * scale)
            boxes, confidences, points = self._network.detect(small, landmarks=True)
        if boxes is None:
            return []
        stretch = np.array([width / small.shape[1], height / small.shape[0]])
        found = [
            Detection(
                box=tuple((np.asarray(box, float).reshape(2, 2) * stretch).ravel().tolist()),
                landmarks=tuple(map(tuple, (np.asarray(five, float) * stretch).tolist())),
                confidence=float(confidence),
            )
            for box, confidence, five in zip(boxes, confidences, points, strict=True)
            if confidence >= CONFIDENCE
        ]
        return sorted(found, key=lambda face: (face.box[0] + face.box[2], face.box[1]))


DETECTORS: dict[str, Callable[[str], FaceDetector]] = {"mtcnn": Mtcnn}
"""Name -> how it is made for a device. Another detector is one more entry."""


def load_detector(name: str = "mtcnn", device: str = "cpu") -> FaceDetector:
    """Make a face detector by name.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in DETECTORS:
        raise UsageError(
            f"There is no face detector named {name!r}.",
            code="unknown_detector",
            hint=f"Known: {', '.join(sorted(DETECTORS))}.",
        )
    return DETECTORS[name](device)
