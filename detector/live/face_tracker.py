"""Who is in view, frame by frame: searched now and then, followed in between."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from detector import vision
from detector.vision import Detection

# Faces are followed by pyramidal Lucas-Kanade flow of points in their boxes (Bouguet 2000), forward
# and back, and the median of what the points say (Kalal et al., Forward-Backward Error, ICPR 2010):
# a third of a millisecond a frame, where a search takes ten. A face that is lost is said to be.

SIDE = 320  # px. The longer side of the picture that flow is measured in.
POINTS = 7  # Each way in a face's box: 49 points
INSET = 0.15  # Share of the box at each edge without points: background shows there
BACK = 1.0  # px of the small picture. A point that does not come back to where it began is dropped.
LEAST = 0.4  # Share of the points that must come back, or the face is lost
GROWTH = 1.25  # A box that changes by more in one step is a mistake


@dataclass(frozen=True)
class FlowFrame:
    """A frame as flow sees it: gray, and how many of its px are one of the frame's."""

    gray: np.ndarray
    scale: float

    @classmethod
    def of(cls, rgb: np.ndarray) -> FlowFrame:
        """Shrink a frame, uint8 [H, W, 3]."""
        height, width = rgb.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        return cls(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), scale)


def track_faces(
    before: FlowFrame, now: FlowFrame, faces: list[Detection]
) -> list[Detection | None]:
    """Return each face moved and scaled into the next frame; None for a lost one."""
    if not faces or before.gray.shape != now.gray.shape:
        return [None] * len(faces)
    start = np.concatenate([_grid(face, before.scale) for face in faces])
    there, status = _flow(before.gray, now.gray, start)
    back, again = _flow(now.gray, before.gray, there)
    good = (status.ravel() == 1) & (again.ravel() == 1)
    good &= np.linalg.norm(back - start, axis=1) <= BACK
    moved = []
    for i, face in enumerate(faces):
        part = slice(i * POINTS**2, (i + 1) * POINTS**2)
        moved.append(_moved(face, start[part], there[part], good[part], before.scale))
    return moved


def _flow(one: np.ndarray, other: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where points [N, 2] of one picture are in the other, and whether they were found."""
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
    there, status, _ = cv2.calcOpticalFlowPyrLK(
        one, other, points, np.empty_like(points), winSize=(13, 13), maxLevel=3, criteria=until
    )
    return there, status


def _grid(face: Detection, scale: float) -> np.ndarray:
    x0, y0, x1, y1 = (edge * scale for edge in face.box)
    dx, dy = (x1 - x0) * INSET, (y1 - y0) * INSET
    x, y = np.meshgrid(np.linspace(x0 + dx, x1 - dx, POINTS), np.linspace(y0 + dy, y1 - dy, POINTS))
    return np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)


def _moved(
    face: Detection, start: np.ndarray, there: np.ndarray, good: np.ndarray, scale: float
) -> Detection | None:
    if good.mean() < LEAST:
        return None
    start, there = start[good], there[good]
    middle = np.median(start, axis=0)
    shift = np.median(there - start, axis=0)
    # Distances between the k-th and a far point, before and after, give the growth.
    half = len(start) // 2
    apart = np.linalg.norm(start[half:] - start[: len(start) - half], axis=1)
    apart_now = np.linalg.norm(there[half:] - there[: len(there) - half], axis=1)
    growth = float(np.median(apart_now / np.maximum(apart, 1e-3)))
    if not 1 / GROWTH < growth < GROWTH:
        return None
    points = np.array([face.box[:2], face.box[2:], *face.landmarks])
    points = (points - middle / scale) * growth + (middle + shift) / scale
    return Detection.of(points[:2].ravel(), points[2:], face.confidence)


FACE_TTL_SECONDS = 0.6  # s without being found or followed, after which a face is no longer drawn
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
    face: Detection  # In the newest frame it was found or followed in
    time: float  # Of that frame
    searched: bool = True  # It was found in that frame, not followed into it
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
