"""Where to look for faces in the frames of a clip: everywhere now and then, else where they were.

Most of what a search costs is P-Net over the whole pyramid. Between two frames of one shot that lie
close together nearly every face is where it was, or beside it.
"""

from collections.abc import Sequence

import numpy as np

from detector import colors
from detector.vision.types import Detection, FaceDetector, iou

EVERYWHERE_SECONDS = 2.0  # A face that comes into a shot is found after so long at the latest
EVERYWHERE_LOOKS = 8  # The same in frames, where they lie close together
SAME_PLACE = 0.2  # Overlap with where a face was from which one that is found is taken for it


class FaceSearch:
    """Finds the faces of one clip's frames. Used by one thread, fed in order of time."""

    def __init__(self, detector: FaceDetector, min_face: int) -> None:
        self._detector, self._min_face = detector, min_face
        self._faces: list[Detection] = []
        self._colors: np.ndarray | None = None
        self._everywhere_at, self._looks = 0.0, 0

    def find(self, time: float, rgb: np.ndarray) -> list[Detection]:
        """Return a frame's faces (upright uint8 RGB), left to right; `time`, s, never decreases."""
        palette, before = colors.of(colors.small(rgb)), self._colors
        cut = before is None or colors.affinity(palette, before) < colors.CUT
        self._colors = palette
        self._looks += 1
        recent = self._looks < EVERYWHERE_LOOKS and time - self._everywhere_at < EVERYWHERE_SECONDS
        if self._faces and recent and not cut:
            faces = self._detector.follow(rgb, self._min_face, self._faces)
            if _all_there(self._faces, faces):
                self._faces = faces
                return faces
        self._everywhere_at, self._looks = time, 0
        self._faces = self._detector.detect(rgb, self._min_face)
        return self._faces


def _all_there(before: Sequence[Detection], now: Sequence[Detection]) -> bool:
    """Whether nobody was lost: each face has one of its own about where it was."""
    left = [np.array(face.box) for face in now]
    for face in before:
        overlaps = iou(np.array(face.box), np.array(left)) if left else np.zeros(1)
        best = int(overlaps.argmax())
        if overlaps[best] < SAME_PLACE:
            return False
        del left[best]
    return True
