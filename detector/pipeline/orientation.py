"""Detection of a file with a wrong or missing rotation tag, by its faces.

Frames without an upright face of high confidence are searched turned as well. A file whose faces
all agree is turned and run again; where some are upright or few are turned, the person decides
(`Settings.rotate`)."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from detector import media, vision
from detector.large_frames import halved

Turn = Literal[90, 180, 270]
TURNS: tuple[Turn, ...] = (180, 90, 270)  # Degrees clockwise that are tried
SURE = 0.995
"""Confidence of a sure face. Of 48 frames of 24 clips with a face 45 reach it upright, three
turned by 180 degrees do and three by 90 or 270."""
LIKELY = 0.95
"""Confidence that suffices to offer a turn where the file shows no upright face."""
LEANS = 40.0  # Degrees by which an upright head may lean
ENOUGH = 3  # frames with a sure face in one orientation, and none upright, for a turn
OFFERED = 2  # frames with a sure face in one orientation, for an offer
LOOKS = 8
"""frames that are searched turned, at most: of those without a sure face the first, those after a
turned one, and some of the rest, evenly"""
COARSE = 8  # Shorter side by the narrowest face searched for: takes a fifth of the time
CLEAR = 640_000  # px of a turned frame, in which such a face of a 16:9 frame is 37 px wide


class WrongOrientation(Exception):
    """Raised to turn the file by `degrees`, clockwise, and run again."""

    def __init__(self, degrees: int) -> None:
        super().__init__(degrees)
        self.degrees = degrees


class OrientationCheck:
    """Counts the orientations of the faces in `frames` frames of a file; faces narrower than
    `least` px don't count."""

    def __init__(self, detector: vision.FaceDetector, least: int, frames: int) -> None:
        self._detector, self._least = detector, least
        self._step = max(1, math.ceil((frames - ENOUGH) / (LOOKS - ENOUGH)))
        self._seen = self._upright = self._looks = 0
        self._turned: Counter[Turn] = Counter()
        self._likely: Counter[Turn] = Counter()
        self._faces = False

    def check(self, rgb: np.ndarray, faces: Sequence[vision.Detection]) -> None:
        """Count a frame's faces; raise WrongOrientation once it is certain."""
        number, self._seen = self._seen, self._seen + 1
        self._faces = self._faces or sure(faces, LIKELY)
        if sure(faces):
            self._upright += 1
            return
        eager = not self._upright and (self._looks < ENOUGH or self._turned)
        if self._looks >= LOOKS or not (eager or number % self._step == 0):
            return
        self._looks += 1
        small = halved(rgb, CLEAR)
        least = max(self._least * len(small) // len(rgb), min(small.shape[:2]) // COARSE)
        for degrees in TURNS:
            found = self._detector.detect(media.turn(small, degrees), least)
            self._likely[degrees] += sure(found, LIKELY)
            if sure(found):
                self._turned[degrees] += 1
                if self._turned[degrees] >= ENOUGH and not self._upright:
                    raise WrongOrientation(degrees)

    def end(self) -> tuple[Turn, int] | None:
        """Return the turn to offer, degrees, and its number of frames, or None; raise
        WrongOrientation if all frames agree."""
        for degrees, count in self._turned.most_common(1):
            if count == self._seen:
                raise WrongOrientation(degrees)
            if count >= OFFERED and 2 * count > self._turned.total():
                return degrees, count
        for degrees, count in self._likely.most_common(1):
            enough = min(OFFERED, self._seen)
            if not self._faces and count >= enough and 2 * count > self._likely.total():
                return degrees, count
        return None


def sure(faces: Sequence[vision.Detection], least: float = SURE) -> bool:
    """Return True if one of these faces is upright and has at least this confidence."""
    return any(face.confidence >= least and abs(lean(face)) <= LEANS for face in faces)


def lean(face: vision.Detection) -> float:
    """Return the roll of a head in degrees, -180..180: 180 with the eyes below the mouth."""
    points = np.asarray(face.landmarks, float)
    down = (points[3] + points[4] - points[0] - points[1]) / 2
    return math.degrees(math.atan2(down[0], down[1]))
