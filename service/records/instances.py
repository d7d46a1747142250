"""Liveness of servers, to tell a task of another server from one that was lost with its server.

Two signals: a heartbeat in the database every `BEAT_SECONDS`, with a lease of `LEASE_SECONDS`, and
a lock on a file in the data folder, which the system releases even after kill -9. Only the
database's clock counts. It may jump and a server may be paused, so only a server that has itself
kept its lease without a gap declares another one dead.
"""

import logging
import secrets
import threading
import time
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select

from detector import paths
from detector.errors import InputError
from detector.threads import Supervised
from service.records.database import Database, upsert
from service.records.tables import ServerRow

log = logging.getLogger(__name__)

BEAT_SECONDS = 4.0
LEASE_SECONDS = 20.0  # Five beats: a slow process or database may miss some
STALE_SECONDS = 3600.0  # s after which a dead server's row and file are cleared away


class Server:
    """This process among those on a database. Every method raises RecordsError if the database
    can't be used."""

    def __init__(self, data: Path, database: Database) -> None:
        self._folder = data / "servers"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.id = secrets.token_hex(6)
        self._database = database
        self._lock = ExitStack()
        self._lock.enter_context(paths.locked(self._path(self.id), wait=False))
        self._closed = threading.Event()
        self._last: datetime | None = None
        self._steady_since: datetime | None = None
        self._clear()
        self.beat()
        stop = self._closed.set
        self._thread = Supervised("heartbeat", self._go_on, owner=self, stop=stop).start()

    def alive(self, id: str) -> bool:
        """Return whether a server is alive: this one, or another on any machine."""
        if id == self.id:
            return not self._closed.is_set()
        near = self._holds_its_lock(id)
        return self._beats(id) if near is None else near

    def beat(self) -> None:
        """Renew the lease of this server."""
        with self._database.writing() as session:
            upsert(session, ServerRow(id=self.id, seen=self._database.now))
            now = session.execute(
                select(ServerRow.seen).where(ServerRow.id == self.id)
            ).scalar_one()
        gap = None if self._last is None else now - self._last
        if gap is None or not timedelta(0) <= gap <= timedelta(seconds=LEASE_SECONDS):
            self._steady_since = now
        self._last = now

    def close(self) -> None:
        """Release the lease of this server."""
        self._thread.close(BEAT_SECONDS)
        with suppress(InputError), self._database.writing() as session:
            session.execute(delete(ServerRow).where(ServerRow.id == self.id))
        self._lock.close()
        self._path(self.id).unlink(missing_ok=True)

    def _go_on(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            try:
                self.beat()
            except InputError as error:
                log.warning("the heartbeat of this server was not taken: %s", error.message)

    def _beats(self, id: str) -> bool:
        query = select(ServerRow.id, ServerRow.seen).where(ServerRow.id.in_([id, self.id]))
        with self._database.reading() as session:
            seen = {row.id: row.seen for row in session.execute(query)}
            now = session.execute(select(self._database.now)).scalar_one()
        if id not in seen:
            return False  # closed, or cleared away
        lease = timedelta(seconds=LEASE_SECONDS)
        steady = (
            self._steady_since is not None
            and self.id in seen
            and abs(now - seen[self.id]) <= lease
            and now - self._steady_since >= lease
        )
        # Its time to come: the database's clock was set back, and whoever lives beats anew.
        return abs(now - seen[id]) <= lease or not steady

    def _holds_its_lock(self, id: str) -> bool | None:
        """Return whether a server of this data folder is alive; None for one of another folder."""
        path = self._path(id)
        if not id.isalnum() or not path.is_file():
            return None
        try:
            with paths.locked(path, wait=False):
                return False
        except BlockingIOError:
            return True

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.lock"

    def _clear(self) -> None:
        for path in self._folder.glob("*.lock"):
            with suppress(OSError):
                old = time.time() - path.stat().st_mtime > STALE_SECONDS
                if old and self._holds_its_lock(path.stem) is False:
                    path.unlink(missing_ok=True)
        with self._database.writing() as session:
            now = session.execute(select(self._database.now)).scalar_one()
            old_rows = ServerRow.seen < now - timedelta(seconds=STALE_SECONDS)
            session.execute(delete(ServerRow).where(old_rows))
