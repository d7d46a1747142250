"""Who is in view, frame by frame: searched now and then, followed in between."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detector import vision
from detector.live.optical_flow import FlowFrame, track_faces
from detector.vision import Detection

FACE_TTL_SECONDS = 0.6
"""s without being found or followed, after which a face is no longer drawn."""
HIDDEN = 3.0
"""s for which a hand or a cup may hide a face: who is then in its place is the same person"""
MAX_DETECTIONS = 40
"""searches by which a face is told from an earring (`vision.is_face_track`): one that the detector
is never sure of has to be there in half as many"""
VELOCITY_WEIGHT = 0.4
"""weight of the newest movement in a face's velocity"""


@dataclass
class TrackedFace:
    """One face in view."""

    number: int
    """The tracker's."""
    face: Detection
    """In the newest frame it was found or followed in."""
    time: float
    """Of that frame."""
    searched: bool = True
    """It was found in that frame, not followed into it."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """px/s of the center."""
    detections: deque[Detection | None] = field(
        default_factory=lambda: deque(maxlen=MAX_DETECTIONS)
    )
    """The newest searches'; None of one that missed it."""

    @property
    def confirmed(self) -> bool:
        """A person, not something that looked like a face."""
        found = [face for face in self.detections if face is not None]
        return vision.is_face_track(found, MAX_DETECTIONS)

    @property
    def width(self) -> float:
        """px of the box."""
        return self.face.box[2] - self.face.box[0]

    def move(self, face: Detection, time: float, *, searched: bool) -> None:
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
        self.face, self.time, self.searched = face, time, searched


class FaceTracker:
    """Faces of one viewer. Used by one thread at a time, fed in order of time. `min_face`: px, of
    the narrowest face that is judged."""

    def __init__(self, detector: vision.FaceDetector, min_face: int) -> None:
        self._detector = detector
        self._min_face = min_face
        # Searches are too close together to tell by their number who is gone.
        self._tracker = vision.Tracker(lost=HIDDEN, forgotten=math.inf)
        self._people: dict[int, TrackedFace] = {}
        self._before: FlowFrame | None = None
        self._at = -math.inf  # of that frame

    @property
    def lost(self) -> bool:
        """Some face could not be followed: a search is due."""
        return any(person.time < self._at for person in self._people.values())

    def search(self, rgb: np.ndarray, time: float, coarser: float = 1.0) -> list[TrackedFace]:
        """Return a frame's faces, the same objects again; `coarser`: times the smallest size."""
        detections = self._detector.detect(rgb, max(12, round(self._min_face * coarser)))
        numbers = self._tracker.update(time, rgb, detections)
        for number, face in zip(numbers, detections, strict=True):
            if number in self._people:
                self._people[number].move(face, time, searched=True)
            else:
                self._people[number] = TrackedFace(number, face, time)
        found = dict(zip(numbers, detections, strict=True))
        for number, person in self._people.items():
            person.detections.append(found.get(number))
        self._before, self._at = FlowFrame.of(rgb), time
        self._forget(time)
        return [self._people[number] for number in numbers]

    def follow(self, rgb: np.ndarray, time: float) -> list[TrackedFace]:
        """Move the faces of the last frame into this one; those that were lost stay behind."""
        now = FlowFrame.of(rgb)
        known = [person for person in self._people.values() if person.time == self._at]
        if self._before is not None and known:
            moved = track_faces(self._before, now, [person.face for person in known])
            for person, face in zip(known, moved, strict=True):
                if face is not None:
                    person.move(face, time, searched=False)
        self._before, self._at = now, time
        self._forget(time)
        return [person for person in known if person.time == time]

    def in_view(self) -> Sequence[TrackedFace]:
        """Everybody who is drawn."""
        return [person for person in self._people.values() if person.confirmed]

    def _forget(self, time: float) -> None:
        for number in [n for n, p in self._people.items() if time - p.time > FACE_TTL_SECONDS]:
            del self._people[number]
