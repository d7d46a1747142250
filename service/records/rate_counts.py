"""Rate limits that servers share: counts in the database, by the database's clock.

The library `limits` has no SQL storage. A window is cut into `SLOTS`, with a row for each key and
slot that was used. A count expires with its slot: up to a sixtieth of the window late, never early.
Keys are stored as hashes, so that no address of a person is in the database.
"""

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from service.rate_limit import Refusal
from service.records.database import Database
from service.records.tables import rate_counts

SLOTS = 60


class SharedRateLimiter:
    """A named rate limiter of all servers of a database; raises RecordsError, never uncounted."""

    def __init__(self, database: Database, name: str, span: int) -> None:
        self.span = span
        self._database, self._name = database, name
        self._width = span / SLOTS

    def take(self, allowed: Mapping[str, int], count: int = 1) -> Refusal | None:
        """Count all keys if all have so many left; else none, and return the longest wait."""
        hashes = {key: self._hash(key) for key in allowed}
        with self._database.writing() as connection:
            self._lock(connection, hashes.values())
            now = self._now(connection)
            slots = self._slots(connection, hashes.values(), now)
            full = [
                Refusal(key, most, wait)
                for key, most in allowed.items()
                if (wait := self._wait(slots.get(hashes[key], []), most, count, now)) is not None
            ]
            if full:
                return max(full, key=lambda refusal: refusal.wait)
            for hash in hashes.values():
                self._add(connection, hash, count, now)
        return None

    def give_back(self, keys: Iterable[str], count: int = 1) -> None:
        """Uncount the last ones: nothing came of them."""
        hashes = [self._hash(key) for key in keys]
        table = rate_counts.c
        with self._database.writing() as connection:
            self._lock(connection, hashes)
            slots = self._slots(connection, hashes, self._now(connection))
            for hash in hashes:
                left = count
                for slot, number in reversed(slots.get(hash, [])):
                    taken = min(left, number)
                    this = (table.key == hash) & (table.slot == slot)
                    connection.execute(update(rate_counts).where(this).values(count=number - taken))
                    left -= taken

    def clear(self) -> None:
        """Forget everything, of all limiters."""
        self._database.run(delete(rate_counts))

    def sweep(self) -> None:
        """Delete what no window holds any more, of all limiters."""
        self._database.run(delete(rate_counts).where(rate_counts.c.expires < self._database.now))

    def _wait(
        self, slots: list[tuple[int, int]], most: int, count: int, now: float
    ) -> float | None:
        """Return the s until `count` more fit; None: they do now, infinite: never. Oldest first."""
        if count > most:
            return math.inf
        over = sum(number for _, number in slots) + count - most
        wait = None
        for slot, number in slots:
            if over <= 0:
                break
            over -= number
            wait = (slot + 1) * self._width + self.span - now
        return wait

    def _slots(
        self, connection: Connection, hashes: Collection[str], now: float
    ) -> dict[str, list[tuple[int, int]]]:
        """Return what is in the window, oldest first; nothing empty."""
        table = rate_counts.c
        first = math.floor((now - self.span) / self._width)
        query = (
            select(table.key, table.slot, table.count)
            .where(table.key.in_(list(hashes)), table.slot >= first, table.count > 0)
            .order_by(table.slot)
        )
        slots: dict[str, list[tuple[int, int]]] = {}
        for key, slot, number in connection.execute(query):
            slots.setdefault(key, []).append((slot, number))
        return slots

    def _add(self, connection: Connection, hash: str, count: int, now: float) -> None:
        table, slot = rate_counts.c, math.floor(now / self._width)
        this: ColumnElement[bool] = (table.key == hash) & (table.slot == slot)
        more = update(rate_counts).where(this).values(count=table.count + count)
        if connection.execute(more).rowcount:
            return
        end = datetime.fromtimestamp((slot + 1) * self._width + self.span, UTC)
        row = {"key": hash, "slot": slot, "count": count, "expires": end}
        connection.execute(insert(rate_counts).values(row))

    def _lock(self, connection: Connection, hashes: Collection[str]) -> None:
        """Lock the keys in sorted order to avoid deadlocks; SQLite serializes writes anyway."""
        if self._database.dialect == "sqlite":
            return
        # A crash of the database may lose counts: nobody need wait for the disk.
        connection.execute(select(func.set_config("synchronous_commit", "off", True)))
        for hash in sorted(hashes):
            connection.execute(select(func.pg_advisory_xact_lock(int(hash[:15], 16))))

    def _now(self, connection: Connection) -> float:
        moment: datetime = connection.execute(select(self._database.now)).scalar_one()
        return moment.timestamp()

    def _hash(self, key: str) -> str:
        return hashlib.sha256(f"{self._name}:{key}".encode()).hexdigest()[:32]
