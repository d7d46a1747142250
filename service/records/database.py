"""The file `unmask.db`: opened, brought up to date, read and written so that nothing is half done.

One connection for all threads of a process, behind a lock: a query takes a millisecond or less, and
what is long (reading, hashing, scoring) never holds it. Other processes are let in by the
write-ahead log; a writer waits for another up to `PATIENCE`.

What is deleted is gone from the disk: freed pages are overwritten (`secure_delete`), and the log,
where old pages linger, is emptied after each deletion.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard.i18n import _
from service.records import schema
from service.records.store import RecordsError

FILE = "unmask.db"
PATIENCE = 15.0
"""s to wait for another process that writes"""


class Database:
    """An open file.

    Parameters
    ----------
    path : Path
        Made when it is missing, readable by this user of the computer only.

    Raises
    ------
    RecordsError
        It is no such file, a newer Unmask wrote it, or it can't be opened. It is not changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise _refused(error) from error
        self._connection.row_factory = sqlite3.Row
        try:
            if not self._connection.execute("PRAGMA page_count").fetchone()[0]:
                # Only an empty file takes it.
                self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            for pragma in (
                "journal_mode = WAL",
                "secure_delete = ON",
                "foreign_keys = ON",
                "temp_store = MEMORY",
            ):
                self._connection.execute(f"PRAGMA {pragma}")
            schema.bring_up_to_date(self._connection)
        except sqlite3.Error as error:
            self._connection.close()
            raise _refused(error) from error
        except RecordsError:
            self._connection.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise _refused(error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing, whatever stops it."""
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _empty_log(self) -> None:
        """Old pages stand in the write-ahead log until it is emptied. A reader elsewhere can hold
        that up; the sweeper comes back to it."""
        with self._reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _refused(error: Exception) -> RecordsError:
    """What sqlite said, for a person. Its own words name columns, never contents."""
    text = str(error).lower()
    if "not a database" in text or "malformed" in text:
        return RecordsError(
            _("The file {name} in the data folder is damaged or is something else.").format(
                name=FILE
            ),
            code="records_damaged",
            hint=_("Put a copy of it back, or move it away to begin anew. Nothing was changed."),
        )
    if "locked" in text or "busy" in text:
        return RecordsError(
            _("The records are in use by another program."),
            code="records_locked",
            hint=_("Try again in a moment."),
        )
    if "full" in text:
        return RecordsError(
            _("There is no room left on this computer's disk to keep records."),
            code="disk_full",
            hint=_("Free some space and try again."),
        )
    why = error.strerror if isinstance(error, OSError) else error
    return RecordsError(_("The records can't be used: {problem}.").format(problem=why))
