"""Records that are damaged when a server starts: set aside whole, and said, so that it can work."""

import logging
from datetime import UTC, datetime
from pathlib import Path

from detector.sentences import _
from service.records.database import FILE, Database
from service.records.model import RecordsError
from service.records.sql import SQLStore

log = logging.getLogger(__name__)

MAX_CHECKED_BYTES = 200_000_000  # of a file that is checked at each start; a second on a slow disk


def open_records(where: Path | str) -> SQLStore:
    """Return the store of a server. A file of SQLite's that is damaged, or is something else, is
    moved aside with its log under a name of its own, and the server begins anew. Raise RecordsError
    as `Database` does, but for damage."""
    try:
        return SQLStore(_checked(where))
    except RecordsError as error:
        if error.code != "records_damaged" or not isinstance(where, Path):
            raise
        name = f"{where.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        for suffix in ("-wal", "-shm", ""):
            part = Path(f"{where}{suffix}")
            if part.exists():
                part.rename(where.with_name(f"{name}{suffix}"))
        log.error("the records were damaged: they are set aside as %s", name)
    return SQLStore(Database(where))


def damaged(data: Path) -> list[str]:
    """Return the names of the files that were set aside, the oldest first."""
    found = (path.name for path in data.glob(f"{FILE}.damaged-*"))
    return sorted(name for name in found if not name.endswith(("-wal", "-shm")))


def _checked(where: Path | str) -> Database:
    """Return the database, looked through where that is quick."""
    known = isinstance(where, Path) and where.is_file()
    database = Database(where)
    if known and Path(where).stat().st_size <= MAX_CHECKED_BYTES:
        try:
            with database.reading() as connection:
                said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except RecordsError:
            database.close()
            raise
        if said != "ok":
            database.close()
            raise RecordsError(_("The records are damaged."), code="records_damaged")
    return database
