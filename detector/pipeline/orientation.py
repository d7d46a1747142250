"""Whether a file stands on its head, as where a rotation tag was lost on the way.

Faces are searched anyway. Where the first frames have no sure face, the same frames are searched
turned; a file whose faces are all found the same way around is turned as a whole and gone through
again. A file with a face in its first frames costs nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from detector import media, vision

TURNS = (180, 90, 270)
"""Degrees clockwise that are tried."""
SURE = 0.995
"""Confidence of the face detector. Of 48 frames of 24 clips with a face 45 reach it upright, three
turned by 180 degrees do and three by 90 or 270."""
LEANS = 40.0
"""Degrees by which a head may lean and still be upright."""
ENOUGH = 3
"""frames with a sure face the same way around, and none upright, for a turn"""
LOOKS = 8
"""frames that are searched turned, at most"""
COARSE = 8
"""The narrowest face searched for, as a part of the shorter side: a fifth of the time."""


class WrongOrientation(Exception):
    """The file has to be turned by `degrees`, clockwise, and gone through again."""

    def __init__(self, degrees: int) -> None:
        super().__init__(degrees)
        self.degrees = degrees


class OrientationCheck:
    """Counts, over the first frames of a file, which way around its faces are found.

    Parameters
    ----------
    least : int
        px; narrower faces don't count.
    """

    def __init__(self, detector: vision.FaceDetector, least: int) -> None:
        self._detector, self._least = detector, least
        self._upright = 0
        self._turned: Counter[int] = Counter()
        self._left = LOOKS

    def check(self, rgb: np.ndarray, faces: Sequence[vision.Detection]) -> None:
        """Take notice of a frame and of its faces.

        Raises
        ------
        WrongOrientation
            It is sure by now.
        """
        if self._left <= 0 or self._upright:
            return
        if sure(faces):
            self._upright += 1
            return
        self._left -= 1
        least = max(self._least, min(rgb.shape[:2]) // COARSE)
        for degrees in TURNS:
            if sure(self._detector.detect(media.turn(rgb, degrees), least)):
                self._turned[degrees] += 1
                if self._turned[degrees] >= ENOUGH:
                    raise WrongOrientation(degrees)

    def end(self, sampled: int) -> None:
        """Judge a file with fewer sampled frames than are usually enough by all of them.

        Raises
        ------
        WrongOrientation
        """
        if self._upright or sampled >= ENOUGH:
            return
        for degrees, count in self._turned.most_common(1):
            if 0 < sampled == count:
                raise WrongOrientation(degrees)


def sure(faces: Sequence[vision.Detection]) -> bool:
    """Whether a face among them is one for certain, and upright."""
    return any(face.confidence >= SURE and abs(lean(face)) <= LEANS for face in faces)


def lean(face: vision.Detection) -> float:
    """Return the degrees by which a head leans, -180..180: 180 with the eyes below the mouth."""
    points = np.asarray(face.landmarks, float)
    down = (points[3] + points[4] - points[0] - points[1]) / 2
    return math.degrees(math.atan2(down[0], down[1]))
