"""Scoring pace of a live session: whether enough frames with a face are scored for a reading."""

from collections import Counter, deque
from collections.abc import Collection, Mapping

from detector.decision.session import WINDOW
from detector.schema.analysis import SlowScoring
from detector.schema.live import TooSlow

LEAST_RATE = 1.0  # scored frames a second, all models together
SLOW_CAMERA = 0.5  # share of a slower camera's frames that suffices
LEAST_SHARE = 0.3  # frames a second that each frame model should score
CLEAR = 1.5  # hysteresis: multiple of both from which a session is fast enough again
LEAST_SECONDS = 5.0  # with a face in view before slowness is reported: first frames are slow
CLEAR_SECONDS = 7.0  # with a face in view before the report is withdrawn
ABSENT = 2.0  # s without a face after which nothing is reported
LONGEST_STEP = 1.0  # s that one frame interval may count: a camera may have paused


class Pace:
    """Pace of one viewer. Times are s of the session."""

    def __init__(self) -> None:
        self.slow: TooSlow | None = None
        self.seconds = self.slow_seconds = 0.0
        """with a face in view, and the part of these that was too slow"""
        self._frames: deque[tuple[float, float]] = deque()  # time, s with a face in view before it
        self._scored: deque[tuple[float, Collection[str]]] = deque()  # time, models
        self._last: float | None = None
        self._seen = self._cleared = float("-inf")

    def add_score(self, time: float, models: Collection[str]) -> None:
        """Count a frame that models scored; more may join `models` later."""
        self._scored.append((time, models))

    def add_frame(self, time: float, *, in_view: bool, titles: Mapping[str, str]) -> None:
        """Count a pushed frame; `in_view`: a face that can be scored is in view, as far as known.
        `titles`: of the frame models that should score, by id."""
        step = 0.0 if self._last is None else min(time - self._last, LONGEST_STEP)
        self._last = time
        if in_view:
            self._seen = time
            self._frames.append((time, step))
            self.seconds += step
        for counted in (self._frames, self._scored):
            while counted and counted[0][0] <= time - WINDOW:
                counted.popleft()
        before, self.slow = self.slow, self._judge(time, titles)
        if self.slow is not None and before is None:
            self.slow_seconds += sum(s for t, s in self._frames if t > self._cleared)
        elif self.slow is not None and in_view:
            self.slow_seconds += step
        elif before is not None and self.slow is None:
            self._cleared = time

    def _judge(self, time: float, titles: Mapping[str, str]) -> TooSlow | None:
        seconds = sum(step for _, step in self._frames)
        if time - self._seen > ABSENT:
            return None
        if seconds < (CLEAR_SECONDS if self.slow else LEAST_SECONDS):
            return self.slow
        more = CLEAR if self.slow else 1.0
        since = self.slow.since if self.slow else time
        every = min(LEAST_RATE * seconds, SLOW_CAMERA * len(self._frames))
        if len(self._scored) < more * every:
            return TooSlow(len(self._scored), seconds, since)
        by = Counter(id for _, models in self._scored for id in models)
        id = min(titles, key=lambda id: by[id], default=None)
        if id is not None and by[id] < more * LEAST_SHARE * min(seconds, len(self._frames)):
            return TooSlow(by[id], seconds, since, titles[id])
        return None

    @property
    def mostly_slow(self) -> bool:
        """Return True if the session was too slow for most of its time, or is so now."""
        return self.slow is not None or self.slow_seconds > self.seconds / 2

    @property
    def slow_scoring(self) -> SlowScoring | None:
        """Return how long the session was too slow, if that leaves it without a verdict."""
        seconds, slow = round(self.seconds, 1), round(self.slow_seconds, 1)
        return SlowScoring(seconds=seconds, slow_seconds=slow) if self.mostly_slow else None
