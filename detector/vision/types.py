"""What finds faces, and what is found: the seam between detectors and whoever asks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

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
