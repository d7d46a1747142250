"""Rate limits: counting what happened lately, by who did it."""

import math
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from limits.storage import MemoryStorage

MAX_KEYS = 20_000  # keys remembered; beyond it, those that came first are forgotten


@dataclass(frozen=True)
class Refusal:
    """Who has had `most` already, and the s until there is room."""

    key: str
    most: int
    wait: float


class SlidingWindowRateLimiter:
    """Counts what happened in the last `span` seconds, by key. Safe to use from several threads.

    The window is that of the library `limits`. Several keys that count together or not at all, the
    wait for several places, and giving back are not in it.
    """

    def __init__(self, span: int) -> None:
        self.span = span
        self._lock = threading.Lock()
        self._storage = MemoryStorage()

    def take(self, allowed: Mapping[str, int], count: int = 1) -> Refusal | None:
        """Count so many for each key if all of them have that many left, and return None; else
        count nothing, and return the refusal with the longest wait."""
        with self._lock:
            full = [
                Refusal(key, most, wait)
                for key, most in allowed.items()
                if (wait := self._wait(key, most, count)) is not None
            ]
            if full:
                return max(full, key=lambda refusal: refusal.wait)
            for key, most in allowed.items():
                self._storage.acquire_entry(key, most, self.span, count)
            while len(self._storage.events) > MAX_KEYS:
                self._storage.clear(next(iter(self._storage.events)))
            return None

    def give_back(self, keys: Iterable[str], count: int = 1) -> None:
        """Uncount the last ones: nothing came of them."""
        with self._lock:
            for key in keys:
                with self._storage.locks[key]:  # its own thread drops what is over
                    del self._storage.events.get(key, [])[:count]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._storage.reset()

    def _wait(self, key: str, most: int, count: int) -> float | None:
        """Return the s until `count` more fit; None: they do now, infinite: never."""
        if count > most:
            return math.inf
        newest_first = self._storage.events.get(key, [])
        in_the_way = newest_first[most - count : most - count + 1]
        wait = in_the_way[0].expiry - time.time() if in_the_way else -1.0
        if wait > self.span:  # the clock was set back: it would be a lock-out of that long
            self._storage.clear(key)
            return None
        return wait if wait >= 0 else None
