"""Whether a clip repeats a short stretch of itself again and again; its moments counted once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detector.pipeline.frozen import averaged

LONGEST = 12.0  # s of a stretch; two are decoded frame by frame to find it
SHORTEST = 0.15  # s
LEAST = 3  # times that it is shown
ALIKE = 0.35
"""as a part of the difference within a stretch, that of the same frame encoded anew: at CRF 35
0.1 to 0.3. Frames that only move slowly differ more a stretch away than half of one."""
MOVES = 16.0  # gray levels at any px by which a stretch changes, at least
SHARE = 0.95  # of the frames that have to repeat
MOST = 1500  # frames that are compared with each other, at most


@dataclass(frozen=True)
class Loop:
    """A stretch that is repeated."""

    period: float  # s
    timestamps: tuple[float, ...]  # each of its moments once, ascending, s


class LoopCheck:
    """Holds the sampled frames of a clip against each other."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._pictures: list[np.ndarray] = []

    def add(self, time: float, small: np.ndarray) -> None:
        """Take notice of a sampled frame at this s, as `averaged` gives it."""
        self._times.append(time)
        self._pictures.append(_halved(small))

    @property
    def suspected(self) -> bool:
        """Return whether the clip moves, and yet some frames far from each other are the same."""
        if len(self._pictures) <= LEAST or self._times[-1] - self._times[0] < LEAST * SHORTEST:
            return False
        pictures = np.stack(self._pictures)
        if not _moves(pictures):
            return False
        far = [_distance(pictures[n], pictures[n + 2 :]) for n in range(len(pictures) - 2)]
        distances = np.concatenate(far)
        return bool(distances.min() <= ALIKE * np.median(distances))

    def find(
        self, opening: Iterable[tuple[float, np.ndarray]], duration: float, most: int
    ) -> Loop | None:
        """Return the loop, by all frames of the first seconds (time in s, uint8 [H, W, 3]); None
        where the clip is none. `most` moments of it are chosen."""
        times, small = [], []
        for time, rgb in opening:
            times.append(time)
            small.append(_halved(averaged(rgb)))
        if len(small) < 2 * LEAST:
            return None
        pictures = np.stack(small)
        frames = _period(pictures, times)
        period, stretch = times[frames] - times[0], pictures[:frames]
        if not frames or duration < LEAST * period:
            return None
        usual = _usual(pictures, frames)
        found = [_distance(picture, stretch) for picture in self._pictures]
        if np.mean([near.min() <= ALIKE * usual for near in found]) < SHARE:
            return None
        known: dict[int, float] = {}  # frame of the stretch -> when it is looked at
        for time, near in zip(self._times, found, strict=True):
            known.setdefault(int(near.argmin()), time)
        count = min(frames, most)
        chosen = [int((n + 0.5) * frames / count) for n in range(count)]
        return Loop(period, tuple(sorted(known.get(n, times[n]) for n in chosen)))


def _period(pictures: np.ndarray, times: Sequence[float]) -> int:
    """Return after how many frames the first ones come again, whatever lies between; 0: never."""
    for frames in range(2, len(pictures) // 2 + 1):
        if times[frames] - times[0] < SHORTEST:
            continue
        again = _apart(pictures, frames) <= ALIKE * _usual(pictures, frames)
        if again.mean() >= SHARE and _moves(pictures[:frames]):
            return frames
    return 0


def _usual(pictures: np.ndarray, frames: int) -> float:
    """Return by how much frames of a stretch usually differ: those half of it apart, or a third or
    quarter, since a loop of 32.5 frames only comes again after two of it."""
    return max(float(np.median(_apart(pictures, max(1, frames // n)))) for n in (2, 3, 4))


def _apart(pictures: np.ndarray, frames: int) -> np.ndarray:
    """Return by how many gray levels frames differ from those so many later, float32 [n]."""
    return np.abs(pictures[frames:] - pictures[:-frames]).mean(axis=(1, 2))


def _moves(pictures: np.ndarray) -> bool:
    most = np.abs(pictures - pictures[0]).max(axis=(1, 2))
    return bool(np.percentile(most, 75) > MOVES)


def _distance(picture: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(others - picture).mean(axis=(1, 2))


def _halved(small: np.ndarray) -> np.ndarray:
    """Return the picture of `averaged` at half of its size: float32 [n, n]."""
    return cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
