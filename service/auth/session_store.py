"""Encrypted store of secrets that outlive a restart: tokens of signed-in browsers, and pending
sign-ins.

An SQLite file in the data folder. Rows are keyed by a one-way digest of the browser's cookie and
encrypted with `UNMASK_SECRET_KEY`, or a key file beside it that only this user may read. With
another key, everybody is signed out.

Not a table of the records, which servers may share: a refresh token is valid once, and the account
server ends a session whose old token comes again. The lock that prevents this race
(`Session.client`) is one of a process. Across servers it would have to be a transaction of the
records' database that stays open during a request to the account server.
"""

import base64
import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from detector import paths
from service.config import get_config

_SCHEMA = """
create table if not exists vault (
  kind text not null,
  key text not null,
  owner text not null,
  until real not null,
  body blob not null,
  primary key (kind, key)
) without rowid;
create index if not exists vault_owner on vault (kind, owner);
"""


class EncryptedSessionStore:
    """Sessions on disk, safe between threads and processes; `clock` gives s since 1970."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "sessions.sqlite"
        self._clock = clock
        self._fernet = Fernet(load_key(folder / "sessions.key"))
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, timeout=10, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        # What was deleted is overwritten, not just marked as free.
        self._database.execute("pragma secure_delete = on")
        self._database.executescript(_SCHEMA)

    def put(self, kind: str, key: str, body: str, ttl: float, owner: str = "") -> None:
        """Store a value for `ttl` s, over an existing one."""
        with self._open() as database:
            database.execute("delete from vault where until <= ?", (self._clock(),))
            database.execute(
                "insert or replace into vault values (?, ?, ?, ?, ?)",
                (kind, key, owner, self._clock() + ttl, self._seal(body)),
            )

    def get(self, kind: str, key: str) -> str | None:
        """Return a value that has not expired."""
        kept = "select body from vault where kind = ? and key = ? and until > ?"
        return self._read(kept, kind, key)

    def take(self, kind: str, key: str) -> str | None:
        """Return and remove a value: only one caller gets it."""
        taken = "delete from vault where kind = ? and key = ? and until > ? returning body"
        return self._read(taken, kind, key)

    def change(self, kind: str, key: str, body: str) -> bool:
        """Replace an existing value; a removed one stays removed."""
        with self._open() as database:
            changed = database.execute(
                "update vault set body = ? where kind = ? and key = ? and until > ?",
                (self._seal(body), kind, key, self._clock()),
            )
            return changed.rowcount > 0

    def remove(self, kind: str, key: str) -> None:
        """Remove a value, if it exists."""
        with self._open() as database:
            database.execute("delete from vault where kind = ? and key = ?", (kind, key))

    def keys(self, kind: str, owner: str) -> list[str]:
        """Return the keys of all values of an owner."""
        with self._open() as database:
            rows = database.execute(
                "select key from vault where kind = ? and owner = ?", (kind, owner)
            ).fetchall()
        return [key for (key,) in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction on a reused connection: opening the file costs 100 times a read."""
        with self._lock, self._database as database:
            yield database

    def _seal(self, body: str) -> bytes:
        return self._fernet.encrypt(body.encode())

    def _read(self, statement: str, kind: str, key: str) -> str | None:
        with self._open() as database:
            row = database.execute(statement, (kind, key, self._clock())).fetchone()
        try:
            return self._fernet.decrypt(row[0]).decode() if row else None
        except InvalidToken:  # of another key
            return None


def load_key(path: Path) -> bytes:
    """Return this server's key, 32 bytes in base64, from the environment or its own file."""
    if secret := get_config().secret_key:
        digest = hashlib.sha256(secret.get_secret_value().encode()).digest()
        return base64.urlsafe_b64encode(digest)
    if not path.exists():
        paths.write_new(path, Fernet.generate_key())
    return path.read_bytes()
