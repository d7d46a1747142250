"""Perceptual hashes of the faces in frames, by which footage is known again that was cropped,
framed anew or laid into another picture.

The PDQ hash of a whole picture is another one once a tenth of it is cut off. Of a face that is
turned upright and brought to one size little changes, whatever is left around it.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from detector.comparison.pdq import pdq
from detector.vision.alignment import similarity
from detector.vision.mtcnn import Mtcnn
from detector.vision.types import Detection, widest

MIN_FACE = 20
"""px"""
MAX_FACES = 2
"""of a frame, the widest: a copy may show one of two who talk"""
SEARCH_SECONDS = 4.0
"""Between two searches of whole frames, of what is kept."""
POINTS = ((0.385, 0.425), (0.615, 0.425), (0.5, 0.552), (0.407, 0.676), (0.593, 0.676))
"""Where eyes, nose and mouth corners of a face are brought, in shares of the hashed square, which
is one and a half times as wide as its box. Of 24 real clips, 20 % of whose width and height was cut
off on each side, 16 are known again by it, by squares of 2 to 3 boxes 7 to 11."""
_SIDE = 128


class FaceHasher:
    """Hashes the faces of one file's frames, in the order of these.

    Parameters
    ----------
    to_keep : bool
        They are kept and not looked for, and have to be had fast: faces are mostly refined where
        they were. Else each frame is searched, and its mirror image is looked at too, since a
        detector's points are not the mirrored ones in that.
    """

    def __init__(self, *, to_keep: bool) -> None:
        self._to_keep = to_keep
        self._faces: list[Detection] = []
        self._searched = -SEARCH_SECONDS

    def __call__(self, rgb: np.ndarray, time: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the PDQ hash of each face and that of its mirror image, the widest face first.

        Parameters
        ----------
        rgb : uint8 [H, W, 3]
        time : float
            s
        """
        found = self._found(rgb, time)
        found.sort(key=lambda face: face.box[0] - face.box[2])
        self._faces = found[:MAX_FACES]
        return [self._hashes(rgb, face) for face in self._faces]

    def _found(self, rgb: np.ndarray, time: float) -> list[Detection]:
        if self._to_keep and time - self._searched < SEARCH_SECONDS:
            refined = detector().refine(rgb, self._faces)
            if len(refined) == len(self._faces):
                return refined
        self._searched = time
        return detector().detect(rgb, MIN_FACE)

    def _hashes(self, rgb: np.ndarray, face: Detection) -> tuple[np.ndarray, np.ndarray]:
        hash, turned = _hashed(rgb, face)
        if not self._to_keep:
            other = np.ascontiguousarray(rgb[:, ::-1])
            there = widest(detector().refine(other, [_turned(face, rgb.shape[1])]))
            turned = _hashed(other, there)[0] if there is not None else turned
        return hash, turned


def _hashed(rgb: np.ndarray, face: Detection) -> tuple[np.ndarray, np.ndarray]:
    onto = similarity(np.array(face.landmarks), np.array(POINTS) * _SIDE)
    edge = cv2.BORDER_REPLICATE
    hash, mirrored, _quality = pdq(cv2.warpAffine(rgb, onto, (_SIDE, _SIDE), borderMode=edge))
    return hash, mirrored


def _turned(face: Detection, width: int) -> Detection:
    left, top, right, bottom = face.box
    points = [(width - x, y) for x, y in face.landmarks]
    swapped = tuple(points[i] for i in (1, 0, 2, 4, 3))
    return Detection((width - right, top, width - left, bottom), swapped, face.confidence)


@cache
def detector() -> Mtcnn:
    """Return the detector whose last network says where a face went; loaded once."""
    return Mtcnn()
