"""How a run differs from a usual one, where a file is gone through more than once, and what it
tells while it goes on."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from detector.media import Shot
from detector.schema.analysis import Analysis, FrameSegment, Media, Modality, Settings
from detector.vision import Detection

Seen = tuple[Detection | None, FrameSegment]
"""A frame's segment that was scored before, and the face it is of."""
SeenAt = Mapping[float, Sequence[Seen]]  # Time of a frame, s -> what was seen there


@dataclass
class RunOptions:
    """What a run need not find out, and what it does otherwise."""

    media: Media | None = None  # probed already
    source: Media | None = None  # what is decoded, where `media` says what it is changed to
    shots: list[Shot] | None = None  # searched already, with `media`
    timestamps: tuple[float, ...] | None = None  # of the frames to sample, chosen already, s
    known: Mapping[Modality, SeenAt] = field(default_factory=dict)  # found and scored before
    frames_only: bool = False  # leave out the models of clips
    faces_at: Callable[[float], list[Detection] | None] | None = None
    """Time of a frame -> its faces, where they need not be searched, or None where they must."""
    speech: Sequence[tuple[float, float]] | None = None  # where somebody speaks, s, if known
    change: Callable[[np.ndarray], np.ndarray] | None = None
    """What happens to each decoded picture, uint8 [H, W, 3] to [H', W', 3]: a perturbation."""


OBSERVE_EVERY, OBSERVE_SHARE = 0.25, 0.02
"""s between two progress reports, and the most of a run's time that they may take: with 20 people
in 2,000 frames a report is no small thing."""

Stage = Literal["read", "faces", "sound", "score", "signals", "verdict"]


@dataclass
class Progress:
    """What is known so far; a fresh object each time, safe to keep."""

    stage: Stage
    fraction: float  # 0..1 of the whole run; never falls
    seconds: dict[str, float]  # spent by stage, and "total" so far
    sampled: int = 0  # frames sampled
    sampled_total: int = 0
    models: dict[str, tuple[int, int]] = field(default_factory=dict)  # id -> (scored, known so far)
    media: Media | None = None
    partial: Analysis | None = None  # subjects and scores so far; no verdict


Observer = Callable[[Progress], None]


class RemoteAnalyzer(Protocol):
    """What analyzes files for a batch or a server: in this process or on other machines. Another
    executor is another class of these."""

    slots: int
    """Analyses that it takes at a time; 0: as many as the cores of this computer allow."""

    def analyze(
        self,
        path: Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        """Analyze one file; `observe` is called from this thread."""

    def warm_up(self, *, voices: bool | None = None) -> None:
        """Make what the first analysis would wait for: of a voice alone, of all else, or all."""

    def close(self) -> None:
        """End what runs elsewhere."""


class ProgressReporter:
    """Tells an observer now and then how far a run is, that `begun` then (`time.perf_counter`).
    `most`: frames of a file that is gone through twice, at most; 0: once."""

    def __init__(self, observe: Observer | None, begun: float, most: int = 0) -> None:
        self._observe, self.begun = observe, begun
        self._now = self._next = self._fraction = 0.0
        self.planned = 0
        """frames that will be sampled"""
        self._most, self._first_share = most, 0.0
        self._last: Progress | None = None

    def again(self, frames: int) -> None:
        """Begin the second time through, with so many frames in all."""
        self._most, self._first_share = 0, 0.5
        if self._last is not None:
            self._first_share = min(0.5, self._last.sampled / max(frames, 1))

    def due(self, *, done: bool) -> bool:
        """Return whether it is time for a report; one of the end always is."""
        self._now = time.perf_counter()
        return self._observe is not None and (done or self._now > self._next)

    def report(self, progress: Progress, *, done: bool) -> None:
        """Tell it, where `due`; fills in the fraction and the totals. Of a second time through,
        what is known from the first is shown until there is more."""
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
