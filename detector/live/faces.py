"""Faces of a live session tracked from frame to frame, by the detector and tracker of a file."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detector import vision
from detector.live.rates import Schedule
from detector.schema.analysis import FrameSegment
from detector.vision import Detection

FACE_TTL_SECONDS = 0.6  # from its last detection until a face is no longer drawn
HIDDEN = 3.0
"""s for which a hand or a cup may hide a face and the track still continues"""
MAX_DETECTIONS = 40
"""newest searches by which a face is distinguished from an earring (`vision.is_face_track`): one of
low confidence has to be detected in half of them"""
VELOCITY_WEIGHT = 0.4  # weight of the newest movement in a face's velocity


@dataclass
class LiveFrame:
    """A frame of a session, filled in from push to score."""

    rgb: np.ndarray  # uint8 [H, W, 3]
    time: float  # s of the viewer's clock
    arrived: float  # s of the engine's clock
    people: dict[int, Detection] = field(default_factory=dict)  # to judge, by track number
    count: int = 0  # of all people in it
    schedule: Schedule = field(default_factory=Schedule)
    segments: dict[int, FrameSegment] = field(default_factory=dict)  # by track number
    models: set[str] = field(default_factory=set)  # ids of those that gave a score


@dataclass
class TrackedFace:
    """One face in view."""

    number: int  # of its track
    face: Detection  # the newest
    time: float  # of its frame
    velocity: tuple[float, float] = (0.0, 0.0)  # px/s of the center
    detections: deque[Detection | None] = field(
        default_factory=lambda: deque(maxlen=MAX_DETECTIONS)
    )
    """of the newest searches; None where it was missed"""

    @property
    def confirmed(self) -> bool:
        """Return True if it is a person, not a false detection."""
        found = [face for face in self.detections if face is not None]
        return vision.is_face_track(found, MAX_DETECTIONS)

    @property
    def width(self) -> float:
        """Return the width of the box, px."""
        return self.face.box[2] - self.face.box[0]

    def move(self, face: Detection, time: float) -> None:
        """Update position and velocity."""
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
    """Tracker of one viewer's faces, for one thread at a time and frames in order of time.
    `min_face`: px of the narrowest face that is judged."""

    def __init__(self, detector: vision.FaceDetector, min_face: int) -> None:
        self._finder = vision.FaceSearch(detector, min_face)
        # Tracks end by time alone: searches follow each other too closely to count misses.
        self._tracker = vision.Tracker(lost=HIDDEN, forgotten=math.inf)
        self._people: dict[int, TrackedFace] = {}

    def search(self, rgb: np.ndarray, time: float) -> list[TrackedFace]:
        """Detect the faces of a frame and return their tracks, the same objects each time."""
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
        """Return the faces to draw."""
        return [person for person in self._people.values() if person.confirmed]
