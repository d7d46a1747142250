"""Rate limiter: counts of recent events by key.

A window is cut into slots, each with a count for a key. A count expires with the beginning of its
slot, up to a minute early: no wait is longer than the window.
"""

import hashlib
import math
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select

from service.records.database import Database, lock, upsert
from service.records.tables import RateCount

SLOTS, MAX_SLOT = 60, 60.0  # of a window at least, and the longest, s
MAX_KEYS = 20_000  # keys in memory; beyond it, those that came first are forgotten

_Opened = tuple[float, Mapping[str, Counter[int]]]


@dataclass(frozen=True)
class Refusal:
    """The key that has `most` events, and the wait until there is room, s; infinite if there never
    is."""

    key: str
    most: int
    wait: float


class RateLimiter:
    """Counter of the events of the last `span` seconds by key: in memory, or, after `share`, in a
    database with all servers that count under the same `name`. Thread-safe."""

    def __init__(self, span: int, name: str = "") -> None:
        self.span, self._name = span, name
        self._width = min(MAX_SLOT, span / SLOTS)
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[int]] = {}
        self._database: Database | None = None

    def share(self, database: Database | None) -> None:
        """Count in a database from now on, by its clock; None: in memory. If the database fails,
        raise RecordsError."""
        self._database = database

    def sweep(self) -> None:
        """Delete expired slots of all limiters in a database."""
        if (database := self._database) is not None:
            database.run(delete(RateCount).where(RateCount.expires < database.now))

    def take(self, allowed: Mapping[str, int], count: int = 1) -> Refusal | None:
        """Add `count` to each key if all of them have room, and return None; else count nothing,
        and return the refusal with the longest wait."""
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

    def undo(self, keys: Iterable[str], count: int = 1) -> None:
        """Undo the last events."""
        with self._opened([*keys]) as (_now, counts):
            for slots in counts.values():
                left = count
                for slot in sorted(slots, reverse=True):
                    taken = min(left, slots[slot])
                    slots[slot] -= taken
                    left -= taken

    def clear(self) -> None:
        """Delete all counts."""
        with self._lock:
            self._counts.clear()

    def _opened(self, keys: Collection[str]) -> AbstractContextManager[_Opened]:
        """Lock the counts of keys; yield the time, s, and the mutable counts by slot."""
        database = self._database
        return self._in_memory(keys) if database is None else self._in_database(database, keys)

    @contextmanager
    def _in_memory(self, keys: Collection[str]) -> Iterator[_Opened]:
        with self._lock:
            now = time.monotonic()
            known = {key: self._counts.pop(key, Counter()) for key in keys}
            counts = {key: self._within(slots, now) for key, slots in known.items()}
            yield now, counts
            self._counts |= {key: kept for key, slots in counts.items() if (kept := +slots)}
            while len(self._counts) > MAX_KEYS:
                del self._counts[next(iter(self._counts))]

    @contextmanager
    def _in_database(self, database: Database, keys: Collection[str]) -> Iterator[_Opened]:
        hashes = {self._hash(key): key for key in keys}
        with database.writing(durable=False) as session:
            lock(session, hashes)
            now = session.execute(select(database.now)).scalar_one().timestamp()
            found: dict[str, dict[int, int]] = {key: {} for key in keys}
            lasting = RateCount.key.in_(hashes), RateCount.expires > database.now
            for row in session.scalars(select(RateCount).where(*lasting)):
                found[hashes[row.key]][row.slot] = row.count
            counts = {key: self._within(slots, now) for key, slots in found.items()}
            yield now, counts
            for hash, key in hashes.items():
                for slot, count in counts[key].items():
                    if found[key].get(slot) != count:
                        end = datetime.fromtimestamp(self._end(slot), UTC)
                        row = RateCount(key=hash, slot=slot, count=count, expires=end)
                        upsert(session, row)

    def _hash(self, key: str) -> str:
        """Return the hash of a key for a database, which holds no network address."""
        return hashlib.sha256(f"{self._name}:{key}".encode()).hexdigest()[:32]

    def _within(self, slots: Mapping[int, int], now: float) -> Counter[int]:
        """Return the counts in the window."""
        return Counter({slot: n for slot, n in slots.items() if self._end(slot) > now})

    def _end(self, slot: int) -> float:
        """Return when a slot leaves the window."""
        return slot * self._width + self.span

    def _wait(self, slots: Counter[int], most: int, count: int, now: float) -> float | None:
        """Return the time until `count` more fit, s; None: now, infinite: never."""
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
