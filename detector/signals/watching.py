"""Signals on request for one person: blinks, lip sync, identity.

They take more frames, or a larger network, than an analysis has time for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from detector import media
from detector.models.mesh import LEFT_EYE, RIGHT_EYE, load_mesh
from detector.schema.analysis import Analysis, FrameSegment, Media, Signal, Subject
from detector.signals.measure import merged
from detector.signals.measures import blinks, identity, lips
from detector.vision import between

RATE = 25.0
"""frames a second: a blink lasts 0.1 to 0.4 s (Schiffman 2001), a phone of speech about 0.08 s"""
LONGEST = 60.0  # s of a clip that are read
ROOM = 1.5  # Side of the network's input, in longer sides of the face box

OnProgress = Callable[[float], object]  # Called with the fraction done, 0..1


@dataclass(frozen=True)
class Watched:
    """How open a person's eyes and mouth are over time."""

    times: np.ndarray  # float [N], s; only times at which the face was detected
    eyes: np.ndarray  # float [N], height over width, mean of both
    mouth: np.ndarray  # float [N], gap between the lips over the height of the face


def watch(
    path: str | Path,
    about: Media,
    person: Subject,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> Watched:
    """Watch a face `RATE` times a second for at most `LONGEST` s; raise MediaError, WeightsError
    or Canceled."""
    mesh = load_mesh()
    end = min(person.end, person.start + LONGEST)
    times = np.arange(person.start, end, 1 / RATE).tolist() or [person.start]
    found: list[tuple[float, float, float]] = []
    points: np.ndarray | None = None
    for frame in media.decode(path, about, times, notes=[], cancel=cancel):
        expected = _square(person.frames, frame.time)
        places = [expected]
        if points is not None and _near(around := _around(points), expected):
            places.insert(0, around)
        seen = (mesh.find(frame.rgb, *place) for place in places)
        points = next((one for one in seen if one is not None), None)
        if points is not None:
            found.append((frame.time, blinks.openness(points), lips.openness(points)))
        if on_progress:
            on_progress((frame.index + 1) / len(times))
    return Watched(*np.array(found).reshape(-1, 3).T)


def signals(
    path: str | Path, about: Media, person: Subject, seen: Watched, cancel: Event | None = None
) -> list[Signal]:
    """Return identity drift, blink rate and lip sync of a person; raise MediaError or Canceled."""
    return [
        identity.signal(path, about, person, cancel),
        blinks.signal(seen.times, seen.eyes, person.id),
        lips.signal(path, about, seen.times, seen.mouth, person, cancel),
    ]


def added(
    path: str | Path,
    analysis: Analysis,
    person: Subject,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> Analysis:
    """Return a result with a person's signals on request, replacing earlier ones; raise as
    `watch`."""
    seen = watch(path, analysis.media, person, on_progress, cancel)
    return merged(analysis, signals(path, analysis.media, person, seen, cancel))


Square = tuple[np.ndarray, float, float]
"""center and side of a square, px, and the tilt of the eyes, radians"""


def _around(points: np.ndarray) -> Square:
    """Predict the face's square in the next frame from its 478 points."""
    low, high = points.min(0), points.max(0)
    across, down = points[list(LEFT_EYE)].mean(0) - points[list(RIGHT_EYE)].mean(0)
    return (low + high) / 2, ROOM * float((high - low).max()), float(np.arctan2(down, across))


def _near(square: Square, expected: Square) -> bool:
    """Return True if a square is near the one interpolated from the sampled frames."""
    return float(np.linalg.norm(square[0] - expected[0])) < expected[1] / 2


def _square(faces: Sequence[FrameSegment], time: float) -> Square:
    (x0, y0, x1, y1), points = between(faces, time)
    tilt = 0.0
    if len(points) >= 2:
        (lx, ly), (rx, ry) = points[:2]
        tilt = float(np.arctan2(ry - ly, rx - lx))
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    return middle, ROOM * max(x1 - x0, y1 - y0), tilt
