"""Counting what happened lately, by who did it."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

MOST_KEYS = 20_000
"""keys remembered; beyond it, those that asked longest ago are forgotten."""


@dataclass(frozen=True)
class Refusal:
    """Who has had `most` already, and the s until there is one more."""

    key: str
    most: int
    wait: float


class SlidingWindowRateLimiter:
    """Counts what happened in the last `span` seconds, by key. Safe to use from several threads.

    Parameters
    ----------
    span : float
        s.
    clock : callable
        s, from any beginning.
    """

    def __init__(self, span: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.span = span
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, allowed: Mapping[str, int], count: int = 1) -> Refusal | None:
        """Count so many for each key, if all of them have that many left.

        Parameters
        ----------
        allowed : mapping
            Key to how many it may have in a span.
        count : int

        Returns
        -------
        Refusal or None
            None when it was counted. Else none was counted, and this is the key that takes longest.
        """
        with self._lock:
            now = self._clock()
            full = [
                Refusal(key, most, wait)
                for key, most in allowed.items()
                if (wait := self._wait(key, most, count, now))
            ]
            if full:
                return max(full, key=lambda refusal: refusal.wait)
            for key in allowed:
                self._seen.setdefault(key, deque()).extend([now] * count)
                self._seen.move_to_end(key)
            while len(self._seen) > MOST_KEYS:
                self._seen.popitem(last=False)
            return None

    def give_back(self, keys: Iterable[str], count: int = 1) -> None:
        """Uncount the last ones: nothing came of them."""
        with self._lock:
            for key in keys:
                times = self._seen.get(key, deque[float]())
                for _ in range(min(count, len(times))):
                    times.pop()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._seen.clear()

    def _wait(self, key: str, most: int, count: int, now: float) -> float:
        times = self._seen.get(key, deque[float]())
        while times and times[0] <= now - self.span:
            times.popleft()
        if count > most:
            return math.inf
        over = len(times) + count - most
        return times[over - 1] + self.span - now if over > 0 else 0.0
