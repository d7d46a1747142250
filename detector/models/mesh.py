"""Face landmarks: MediaPipe's landmarker of 478 points (Grishchenko et al. 2020, "Attention Mesh",
arXiv:2006.10962)."""

from functools import lru_cache

import cv2
import numpy as np

from detector import runtime, weights

SIDE = 256  # px of the network's input: a face with level eyes and half as much again around it
SURE = 0.0  # Log odds that a face is there, above which its points are taken
RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)  # The corners of the eyes, left to right in the picture


class Mesh:
    """Face landmarker. Thread-safe. Raise WeightsError for a damaged file."""

    def __init__(self) -> None:
        (path,) = weights.resolve(weights.auxiliary()["face-landmarks"])
        self._run = runtime.read(path, (1, SIDE, SIDE, 3))

    def find(
        self, rgb: np.ndarray, middle: np.ndarray, side: float, turn: float
    ) -> np.ndarray | None:
        """Return 478 points, px, float [478, 2], of the face in a square of a picture rotated by
        `turn` radians, or None."""
        scale = SIDE / side
        matrix = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        shift = SIDE / 2 - matrix @ middle
        face = cv2.warpAffine(
            rgb, np.hstack([matrix, shift[:, None]]), (SIDE, SIDE), flags=cv2.INTER_LINEAR
        )
        points = self.points(face)
        return None if points is None else (points - shift) @ np.linalg.inv(matrix).T

    def points(self, face: np.ndarray) -> np.ndarray | None:
        """Return 478 points, px, float [478, 2], of a uint8 [256, 256, 3] picture, or None."""
        outputs = self._run(face[None].astype(np.float32) / 255)
        points = next(o for o in outputs if o.size == 478 * 3)
        sure = next(o for o in outputs if o.size == 1)
        if float(sure.ravel()[0]) < SURE:
            return None
        return points.reshape(-1, 3)[:, :2]


@lru_cache(maxsize=1)
def load_mesh() -> Mesh:
    """Return the landmarker, loaded once. Raise WeightsError for a damaged file."""
    return Mesh()
