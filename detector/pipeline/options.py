"""Options of a repeated run, and progress reports."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detector.media import Shot
from detector.schema.analysis import Analysis, FrameSegment, Media, Modality
from detector.vision import Detection

Seen = tuple[Detection | None, FrameSegment]
"""A face and its segment of a frame, scored in an earlier run."""
SeenAt = Mapping[float, Sequence[Seen]]
"""By time of the frame, s, as results store it (`at`)."""


def at(time: float) -> float:
    """Return a time as results store it, s."""
    return round(time, 4)


@dataclass
class RunOptions:
    """Known results that a run reuses, and the perturbation of its frames."""

    media: Media | None = None  # probed
    source: Media | None = None  # the file to decode, where `media` describes the changed one
    shots: list[Shot] | None = None  # detected, with `media`
    timestamps: tuple[float, ...] | None = None  # of the frames to sample, s
    known: Mapping[Modality, SeenAt] = field(default_factory=dict)  # scored segments
    frames_only: bool = False  # leave out video models
    every_moment: bool = False  # score all moments, also where fewer give the same answer
    faces_at: Callable[[float], list[Detection] | None] | None = None
    """Time of a frame, s -> its known faces; None where they have to be detected."""
    speech: Sequence[tuple[float, float]] | None = None  # known spans of speech, s
    change: Callable[[np.ndarray], np.ndarray] | None = None
    """Perturbation of each decoded frame, uint8 [H, W, 3] -> [H', W', 3]."""


OBSERVE_EVERY, OBSERVE_SHARE = 0.25, 0.02
"""s between two progress reports, and the largest share of a run's time that they may take: with
20 people in 2,000 frames a report is expensive."""

Stage = Literal["read", "faces", "sound", "score", "signals", "verdict"]


@dataclass
class Progress:
    """Results so far; a new object each time, safe to keep."""

    stage: Stage
    fraction: float  # 0..1 of the whole run; never falls
    seconds: dict[str, float]  # spent by stage, and "total" so far
    sampled: int = 0  # frames sampled
    sampled_total: int = 0
    models: dict[str, tuple[int, int]] = field(default_factory=dict)  # id -> (scored, known so far)
    media: Media | None = None
    partial: Analysis | None = None  # subjects and scores so far; no verdict
    round: int = 0
    """of scoring, from 1: the last that `reading` includes; 0 before the first has ended"""
    moments: int = 0  # of each subject that the slow models have scored by then, at most
    moments_total: int = 0  # moments that they score in all, at most
    note: str = ""
    """why frames are read again: a loop, or a picture that has to be turned"""
    reading: Analysis | None = None
    """the decision on the scores of these rounds, which further ones may change"""


Observer = Callable[[Progress], None]


class ProgressReporter:
    """Calls an observer with the progress of a run that `begun` then (`time.perf_counter`).
    `most`: largest number of frames of a run in two passes; 0: one pass."""

    def __init__(self, observe: Observer | None, begun: float, most: int = 0) -> None:
        self._observe, self.begun = observe, begun
        self._now = self._next = self._fraction = 0.0
        self.planned = 0
        """number of frames to sample"""
        self._most, self._first_share = most, 0.0
        self._last: Progress | None = None

    def again(self, frames: int) -> None:
        """Begin the second pass, with `frames` in all."""
        self._most, self._first_share = 0, 0.5
        if self._last is not None:
            self._first_share = min(0.5, self._last.sampled / max(frames, 1))

    def due(self, *, done: bool) -> bool:
        """Return True if a report is due; the final one always is."""
        self._now = time.perf_counter()
        return self._observe is not None and (done or self._now > self._next)

    def report(self, progress: Progress, *, done: bool) -> None:
        """Complete a progress and pass it to the observer. The second pass reports the results of
        the first until it has more."""
        if self._observe is None:
            return
        shares = [scored / known for scored, known in progress.models.values() if known]
        scored = sum(shares) / len(shares) if shares else 1.0
        looked = progress.sampled / self.planned if self.planned else float(bool(shares))
        fraction = 1.0 if done else min(0.99, 0.02 + 0.97 * looked * (0.5 + 0.5 * scored))
        progress.sampled_total = progress.sampled if done else self.planned
        sound = progress.media is not None and progress.media.kind == "audio"
        if self._most and not sound:
            fraction *= min(0.5, max(progress.sampled_total, 1) / self._most)
            progress.sampled_total = self._most
        fraction = self._first_share + (1 - self._first_share) * fraction
        if last := self._last:
            if self._first_share and progress.sampled < last.sampled and not done:
                progress.sampled, progress.models = last.sampled, last.models
                progress.partial = last.partial
            progress.partial = progress.partial or last.partial
        self._fraction = progress.fraction = max(self._fraction, fraction)
        progress.seconds["total"] = self._now - self.begun
        self._last = progress
        self._observe(progress)
        end = time.perf_counter()
        self._next = end + max(OBSERVE_EVERY, (end - self._now) / OBSERVE_SHARE)
