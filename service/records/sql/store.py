"""The whole store, and what is of the server rather than of a person."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select

from service.records.database import Database
from service.records.sql.analyses import AnalysisRepository, remove
from service.records.sql.preferences import PreferenceRepository, parsed
from service.records.sql.presets import PresetRepository
from service.records.sql.search import SearchRepository
from service.records.sql.shares import ShareRepository
from service.records.tables import preferences, presets, records, shares


class SQLStore(
    AnalysisRepository, SearchRepository, ShareRepository, PreferenceRepository, PresetRepository
):
    """A `Store` in SQLite or PostgreSQL."""

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def delete_all(self, owner: str) -> list[str]:
        with self.database.writing() as connection:
            deleted = remove(connection, records.c.owner == owner)
            connection.execute(delete(preferences).where(preferences.c.owner == owner))
            connection.execute(delete(presets).where(presets.c.owner == owner))
        self.database.empty_log()
        return deleted

    def sweep(self, now: datetime, longest: timedelta, *, spare: Collection[str] = ()) -> list[str]:
        """Delete what was kept long enough: records by their owner's wish, at most `longest`, and
        links that are over.

        Returns
        -------
        list of str
            Ids of the deleted records; their media is the caller's.
        """
        others = records.c.id.not_in(list(spare))
        with self.database.writing() as connection:
            deleted = remove(connection, others, records.c.touched <= now - longest)
            for owner, chosen in connection.execute(select(preferences)).all():
                days = parsed(chosen).keep_days
                if days is not None and days < longest / timedelta(days=1):
                    over = records.c.touched <= now - timedelta(days=days)
                    deleted += remove(connection, others, records.c.owner == owner, over)
            connection.execute(delete(shares).where(shares.c.expires <= now))
        self.database.shrink()
        return deleted


def open_store(where: Path | str) -> SQLStore:
    """Return the store in a file of SQLite's or a PostgreSQL database; see `Database`."""
    return SQLStore(Database(where))
