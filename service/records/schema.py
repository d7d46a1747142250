"""The tables of `unmask.db`, as numbered steps from an empty file to today's.

A step is never changed once it was released: the next one is added below. `PRAGMA user_version`
says how many a file has had; each is one transaction, so a stop in between leaves the step before.
"""

from __future__ import annotations

import sqlite3

from dashboard.i18n import _
from service.records.store import RecordsError

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE records (
            id TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            created TEXT NOT NULL,
            touched TEXT NOT NULL,
            name TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            size INTEGER NOT NULL,
            source TEXT NOT NULL,
            settings TEXT NOT NULL,
            state TEXT NOT NULL,
            run TEXT NOT NULL,
            cache_key TEXT NOT NULL,
            fault TEXT,
            again TEXT,
            note TEXT NOT NULL,
            tags TEXT NOT NULL,
            confirmed TEXT NOT NULL,
            analyzed TEXT,
            verdict TEXT,
            question TEXT,
            probability REAL,
            people INTEGER,
            kind TEXT,
            duration REAL,
            models TEXT NOT NULL DEFAULT '[]',
            version TEXT,
            haystack TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX records_by_time ON records (owner, touched DESC, id)",
        "CREATE INDEX records_by_key ON records (owner, cache_key) WHERE cache_key <> ''",
        """
        CREATE TABLE results (
            id TEXT PRIMARY KEY REFERENCES records ON DELETE CASCADE,
            analysis BLOB NOT NULL,
            thumbnail BLOB
        )
        """,
        """
        CREATE TABLE shares (
            id TEXT PRIMARY KEY,
            record TEXT NOT NULL REFERENCES records ON DELETE CASCADE,
            token_hash TEXT NOT NULL UNIQUE,
            created TEXT NOT NULL,
            expires TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX shares_of_record ON shares (record)",
        "CREATE TABLE preferences (owner TEXT PRIMARY KEY, chosen TEXT NOT NULL) WITHOUT ROWID",
        """
        CREATE TABLE presets (
            owner TEXT NOT NULL,
            name TEXT NOT NULL,
            mix TEXT NOT NULL,
            PRIMARY KEY (owner, name)
        ) WITHOUT ROWID
        """,
    ),
)


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Run the steps a file has not had.

    Raises
    ------
    RecordsError
        A newer Unmask wrote the file. It is left as it is.
    """
    connection.execute("BEGIN IMMEDIATE")  # another process may be at it
    try:
        (had,) = connection.execute("PRAGMA user_version").fetchone()
        if had > len(STEPS):
            raise RecordsError(
                _(
                    "The records here were written by a newer Unmask (form {form}; this one knows "
                    "{known})."
                ).format(form=had, known=len(STEPS)),
                code="records_newer",
                hint=_(
                    "Start that version again, or choose another folder with UNMASK_DATA. Nothing "
                    "was changed."
                ),
            )
        for step in STEPS[had:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
