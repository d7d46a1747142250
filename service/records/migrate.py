"""A database brought to the form of `tables`: a new one at once, an older one by the steps in
`migrations/versions` that it lacks (Alembic's recipe for a database from scratch).

All of that is one transaction under the database's own lock: two servers that start at once do it
once, and a stop in between leaves what was there. Steps are numbered without a gap.
"""

import threading
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Text, column, func, inspect, select, table

from detector.sentences import _
from service.records.model import RecordsError
from service.records.tables import HEAD, metadata

SCRIPTS = Path(__file__).parent / "migrations"
INITIAL = "0016"  # The first step; there were others before anything was published
LOCK = 0x756E6D61736B  # Key of PostgreSQL's advisory lock: "unmask"
TIMEOUT_SECONDS = 600  # to wait for another server that migrates

_one_at_a_time = threading.Lock()  # Alembic's `op` is a global of the process


def upgrade(connection: Connection) -> None:
    """Make the tables of a new database, or run the steps that an older one lacks, in a transaction
    of `connection`. Raise RecordsError and change nothing if a newer version wrote it."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.set_config("lock_timeout", f"{TIMEOUT_SECONDS}s", True)))
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    revision = _revision(connection)
    if revision > int(HEAD):
        raise RecordsError(
            _(
                "The records here were written by a newer Unmask (form {form}; this one knows "
                "{known})."
            ).format(form=revision, known=int(HEAD)),
            code="records_newer",
            hint=_(
                "Start that version again, or choose another folder with UNMASK_DATA. Nothing "
                "was changed."
            ),
        )
    if not revision:
        metadata.create_all(connection, checkfirst=False)
    if revision < int(HEAD):
        _run(connection, "upgrade" if revision else "stamp")


def _revision(connection: Connection) -> int:
    """Return the number of the last step that a database had, 0 for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return 0
    query = select(table("alembic_version", column("version_num", Text)))
    revision: str | None = connection.execute(query).scalar_one_or_none()
    if revision is not None and not revision.isdigit():
        raise RecordsError(
            _("The database holds something else than the records of Unmask."),
            code="records_damaged",
            hint=_("Name a database of its own in UNMASK_DATABASE. Nothing was changed."),
        )
    if revision is not None and int(revision) < int(INITIAL):
        raise RecordsError(
            _(
                "The records here were written by an unpublished older Unmask (form {form}; this "
                "one reads {known} and later)."
            ).format(form=int(revision), known=int(INITIAL)),
            code="records_damaged",
            hint=_("Name another database in UNMASK_DATABASE. Nothing was changed."),
        )
    return int(revision or 0)


def _run(connection: Connection, action: Literal["upgrade", "stamp"]) -> None:
    # Half a second to import, which a database that is up to date need not wait for.
    from alembic import command, config

    settings = config.Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with _one_at_a_time:
        getattr(command, action)(settings, "head")
