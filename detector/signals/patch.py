"""Face patch: one face in one frame with its surroundings, the input of signals and views."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from detector.schema.analysis import Box, Point

ROOM = 2.0  # Side of the patch in longer sides of the face box: the ring around the face fits in
MOST = 400
"""px. Larger patches are shrunk to bound the cost: a face of 200 px has all that is measured."""


@dataclass(frozen=True)
class FacePatch:
    """A face as in the frame: cropped, not resized unless it is very large."""

    patch: np.ndarray  # uint8 [H, W, 3] RGB, the part of the frame around the face that exists
    box: Box  # of the face, px of the patch
    points: np.ndarray  # landmarks, float [5, 2], px of the patch; empty [0, 2] if unknown
    time: float  # s

    @property
    def side(self) -> float:
        """Longer side of the face box, px."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @cached_property
    def luma(self) -> np.ndarray:
        """float32 [H, W], 0..255."""
        return cv2.cvtColor(self.patch, cv2.COLOR_RGB2GRAY).astype(np.float32)


def cut_patch(
    rgb: np.ndarray, box: Box, landmarks: Sequence[Point] = (), time: float = 0.0
) -> FacePatch:
    """Crop a face and its surroundings from an upright frame, as a copy."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = box
    half = ROOM * max(x1 - x0, y1 - y0) / 2
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    left, top = (int(np.clip(middle[i] - half, 0, (width, height)[i] - 1)) for i in (0, 1))
    right = int(np.clip(np.ceil(middle[0] + half), left + 1, width))
    bottom = int(np.clip(np.ceil(middle[1] + half), top + 1, height))
    patch = rgb[top:bottom, left:right]
    scale = min(1.0, MOST / (2 * half))
    if scale < 1:
        size = (max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale)))
        patch = cv2.resize(patch, size, interpolation=cv2.INTER_AREA)
    else:
        patch = patch.copy()
    corner = np.array([left, top])
    points = (np.asarray(landmarks, float).reshape(-1, 2) - corner) * scale
    (a, b), (c, d) = (np.array(p) - corner for p in ((x0, y0), (x1, y1)))
    return FacePatch(patch, (a * scale, b * scale, c * scale, d * scale), points, time)
