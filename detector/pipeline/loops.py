"""Detection of a clip that loops a short stretch, so that each of its moments counts once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from detector.pipeline.frozen import averaged

LONGEST = 12.0  # s of a period; two are decoded frame by frame to find it
SHORTEST = 0.15  # s
LEAST = 3  # repetitions
ALIKE = 0.35
"""difference of the same frame re-encoded, as a share of that within a period: 0.1 to 0.3 at CRF
35. In slow motion, frames a period apart differ more than frames half a period apart."""
MOVES = 16.0  # gray levels at any px by which a period changes, at least
SHARE = 0.95  # of the frames that have to repeat
MOST = 1500  # frames that are compared with each other, at most


@dataclass(frozen=True)
class Loop:
    """A repeated stretch."""

    period: float  # s
    timestamps: tuple[float, ...]  # each of its moments once, ascending, s


class LoopCheck:
    """Compares the sampled frames of a clip with each other."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._pictures: list[np.ndarray] = []

    def add(self, time: float, small: np.ndarray) -> None:
        """Add a sampled frame at `time`, s, as `averaged` returns it."""
        self._times.append(time)
        self._pictures.append(_halved(small))

    @property
    def suspected(self) -> bool:
        """Return True if the clip moves, and yet some distant frames are the same."""
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
        """Return the loop by all frames of the first seconds (time in s, uint8 [H, W, 3]), with at
        most `most` timestamps; None where there is no loop."""
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
        known: dict[int, float] = {}  # frame of the period -> timestamp sampled already
        for time, near in zip(self._times, found, strict=True):
            known.setdefault(int(near.argmin()), time)
        count = min(frames, most)
        edges = [int(n * frames / count) for n in range(count + 1)]
        chosen = []
        for first, end in pairwise(edges):  # of each part a frame that was read, if there is one
            read = [known[n] for n in range(first, end) if n in known]
            chosen.append(read[len(read) // 2] if read else times[(first + end) // 2])
        return Loop(period, tuple(sorted(chosen)))


def _period(pictures: np.ndarray, times: Sequence[float]) -> int:
    """Return after how many frames the clip repeats; 0: never."""
    for frames in range(2, len(pictures) // 2 + 1):
        if times[frames] - times[0] < SHORTEST:
            continue
        again = _shifted(pictures, frames) <= ALIKE * _usual(pictures, frames)
        if again.mean() >= SHARE and _moves(pictures[:frames]):
            return frames
    return 0


def _usual(pictures: np.ndarray, frames: int) -> float:
    # Also at a third and a quarter: a loop of 32.5 frames repeats only after two periods.
    return max(float(np.median(_shifted(pictures, max(1, frames // n)))) for n in (2, 3, 4))


def _shifted(pictures: np.ndarray, frames: int) -> np.ndarray:
    return np.abs(pictures[frames:] - pictures[:-frames]).mean(axis=(1, 2))


def _moves(pictures: np.ndarray) -> bool:
    most = np.abs(pictures - pictures[0]).max(axis=(1, 2))
    return bool(np.percentile(most, 75) > MOVES)


def _distance(picture: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.abs(others - picture).mean(axis=(1, 2))


def _halved(small: np.ndarray) -> np.ndarray:
    return cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
