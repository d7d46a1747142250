"""Which server processes on this data folder live, so that an analysis that runs elsewhere is told
from one that was lost with its server.

Each holds the lock of a file of its own for as long as it lives; the system lets go of it whatever
ends the process, kill -9 too.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from filelock import FileLock, Timeout

STALE_SECONDS = 3600.0
"""s after which the file of a dead server is cleared away; a new one holds its lock by then."""


class Server:
    """This process among those on a data folder.

    Attributes
    ----------
    id : str
    """

    def __init__(self, data: Path) -> None:
        self._folder = data / "servers"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.id = secrets.token_hex(6)
        self._lock = FileLock(self._path(self.id))
        self._lock.acquire(timeout=0)
        self._clear()

    def alive(self, id: str) -> bool:
        """Whether a server lives: this one, or another on this computer."""
        if id == self.id:
            return self._lock.is_locked
        path = self._path(id)
        if not id.isalnum() or not path.is_file():
            return False
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True

    def close(self) -> None:
        self._lock.release()
        self._path(self.id).unlink(missing_ok=True)

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.lock"

    def _clear(self) -> None:
        for path in self._folder.glob("*.lock"):
            try:
                old = time.time() - path.stat().st_mtime > STALE_SECONDS
            except OSError:
                continue
            if old and not self.alive(path.stem):
                path.unlink(missing_ok=True)
