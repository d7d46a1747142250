"""Who is in view, frame by frame: the faces and the people of `detector.vision`, as in a file."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detector import vision
from detector.vision import Detection

FACE_TTL_SECONDS = 0.6  # after which a face that is not found any more is no longer drawn
HIDDEN = 3.0
"""s for which a hand or a cup may hide a face: who is then in its place is the same person"""
MAX_DETECTIONS = 40
"""searches by which a face is distinguished from an earring (`vision.is_face_track`): one that the
detector is never sure of has to be there in half as many"""
VELOCITY_WEIGHT = 0.4  # weight of the newest movement in a face's velocity


@dataclass
class TrackedFace:
    """One face in view."""

    number: int  # The tracker's
    face: Detection  # In the newest frame it was found in
    time: float  # Of that frame
    velocity: tuple[float, float] = (0.0, 0.0)  # px/s of the center
    detections: deque[Detection | None] = field(
        default_factory=lambda: deque(maxlen=MAX_DETECTIONS)
    )
    """The newest searches'; None of one that missed it."""

    @property
    def confirmed(self) -> bool:
        """Return whether it is a person, not something that looked like a face."""
        found = [face for face in self.detections if face is not None]
        return vision.is_face_track(found, MAX_DETECTIONS)

    @property
    def width(self) -> float:
        """px of the box."""
        return self.face.box[2] - self.face.box[0]

    def move(self, face: Detection, time: float) -> None:
        """Bring up to date where it is."""
        gap = time - self.time
        if gap > 0:
            moved = [
                (face.box[k] + face.box[k + 2] - self.face.box[k] - self.face.box[k + 2]) / 2
                for k in (0, 1)
            ]
            x, y = (
                (1 - VELOCITY_WEIGHT) * old + VELOCITY_WEIGHT * m / gap
                for old, m in zip(self.velocity, moved, strict=True)
            )
            self.velocity = (x, y)
        self.face, self.time = face, time


class FaceTracker:
    """Faces of one viewer. Used by one thread at a time, fed in order of time. `min_face`: px, of
    the narrowest face that is judged."""

    def __init__(self, detector: vision.FaceDetector, min_face: int) -> None:
        self._finder = vision.FaceSearch(detector, min_face)
        # Searches are too close together to tell by their number who is gone.
        self._tracker = vision.Tracker(lost=HIDDEN, forgotten=math.inf)
        self._people: dict[int, TrackedFace] = {}

    def search(self, rgb: np.ndarray, time: float) -> list[TrackedFace]:
        """Return a frame's faces, the same objects again."""
        detections = self._finder.find(time, rgb)
        found = dict(zip(self._tracker.update(time, rgb, detections), detections, strict=True))
        for number, face in found.items():
            self._people.setdefault(number, TrackedFace(number, face, time)).move(face, time)
        for number, person in list(self._people.items()):
            person.detections.append(found.get(number))
            if time - person.time > FACE_TTL_SECONDS:
                del self._people[number]
        return [self._people[number] for number in found]

    def in_view(self) -> Sequence[TrackedFace]:
        """Everybody who is drawn."""
        return [person for person in self._people.values() if person.confirmed]
