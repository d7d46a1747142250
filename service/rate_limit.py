"""Rate limits: counting what happened lately, by who did it.

A window is cut into slots, each with a count for a key. A count expires with the beginning of its
slot, up to a minute early: no wait is longer than the window.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

SLOTS, MAX_SLOT = 60, 60.0  # of a window at least, and the longest, s
MAX_KEYS = 20_000  # keys remembered; beyond it, those that came first are forgotten


@dataclass(frozen=True)
class Refusal:
    """Who has had `most` already, and the s until there is room; infinite: there never is."""

    key: str
    most: int
    wait: float


class RateLimiter:
    """Counts what happened in the last `span` seconds, by key, in memory. Safe to use from several
    threads."""

    def __init__(self, span: int) -> None:
        self.span = span
        self._width = min(MAX_SLOT, span / SLOTS)
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[int]] = {}

    def take(self, allowed: Mapping[str, int], count: int = 1) -> Refusal | None:
        """Count so many for each key if all of them have that many left, and return None; else
        count nothing, and return the refusal with the longest wait."""
        with self._opened(allowed) as (now, counts):
            full = [
                Refusal(key, most, wait)
                for key, most in allowed.items()
                if (wait := self._wait(counts[key], most, count, now)) is not None
            ]
            if full:
                return max(full, key=lambda refusal: refusal.wait)
            for slots in counts.values():
                slots[math.floor(now / self._width)] += count
        return None

    def give_back(self, keys: Iterable[str], count: int = 1) -> None:
        """Uncount the last ones: nothing came of them."""
        with self._opened([*keys]) as (_now, counts):
            for slots in counts.values():
                left = count
                for slot in sorted(slots, reverse=True):
                    taken = min(left, slots[slot])
                    slots[slot] -= taken
                    left -= taken

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._counts.clear()

    @contextmanager
    def _opened(self, keys: Collection[str]) -> Iterator[tuple[float, Mapping[str, Counter[int]]]]:
        """Lock the counts of keys; yield the time, s, and the counts by slot, to be changed."""
        with self._lock:
            now = time.monotonic()
            known = {key: self._counts.pop(key, Counter()) for key in keys}
            counts = {key: self._within(slots, now) for key, slots in known.items()}
            yield now, counts
            self._counts |= {key: kept for key, slots in counts.items() if (kept := +slots)}
            while len(self._counts) > MAX_KEYS:
                del self._counts[next(iter(self._counts))]

    def _within(self, slots: Mapping[int, int], now: float) -> Counter[int]:
        """Return what of the counts is in the window."""
        return Counter({slot: n for slot, n in slots.items() if self._end(slot) > now})

    def _end(self, slot: int) -> float:
        """Return when a slot leaves the window."""
        return slot * self._width + self.span

    def _wait(self, slots: Counter[int], most: int, count: int, now: float) -> float | None:
        """Return the s until `count` more fit; None: they do now, infinite: never."""
        if count > most:
            return math.inf
        over = slots.total() + count - most
        wait = None
        for slot in sorted(slots):
            if over <= 0:
                break
            over -= slots[slot]
            wait = self._end(slot) - now
        return wait
