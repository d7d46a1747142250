"""Finding faces in one frame, behind a seam that other detectors can stand behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detector.errors import UsageError
from detector.schema.analysis import Box, Point


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

    name: str
    """As in `DETECTORS`: whose boxes these are."""

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


def _mtcnn(device: str) -> FaceDetector:
    # Here, so that `import detector.vision` brings no torch.
    from detector.vision.mtcnn import Mtcnn

    return Mtcnn(device)


def _blazeface(device: str) -> FaceDetector:
    from detector.vision.blazeface import BlazeFace

    return BlazeFace(device)


DETECTORS: dict[str, Callable[[str], FaceDetector]] = {
    "mtcnn": _mtcnn,
    "blazeface": _blazeface,
}
"""Name -> how it is made for a device. Another detector is one more entry."""


def load_detector(name: str = "mtcnn", device: str = "cpu") -> FaceDetector:
    """Make a face detector by name.

    Raises
    ------
    UsageError
        If there is none of that name.
    WeightsError
        Its weights have to be fetched first.
    """
    if name not in DETECTORS:
        raise UsageError(
            f"There is no face detector named {name!r}.",
            code="unknown_detector",
            hint=f"Known: {', '.join(sorted(DETECTORS))}.",
        )
    return DETECTORS[name](device)
