"""The whole store: beside the repositories of records and links, what people set for themselves,
and what is of the server."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, delete, select

from detector.schema.analysis import CustomEnsemble
from service.records import rules
from service.records.database import Database
from service.records.model import Preferences
from service.records.sql.analyses import AnalysisRepository, remove
from service.records.sql.rows import upsert
from service.records.sql.search import SearchRepository
from service.records.sql.shares import ShareRepository
from service.records.sql.statistics import StatisticsRepository
from service.records.tables import preferences as preferences_table
from service.records.tables import presets, records, shares

log = logging.getLogger(__name__)


class SQLStore(AnalysisRepository, SearchRepository, ShareRepository, StatisticsRepository):
    """A `Store` in SQLite or PostgreSQL."""

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def preferences(self, owner: str) -> Preferences:
        table = preferences_table.c
        chosen = self.database.scalar(select(table.chosen).where(table.owner == owner))
        return _preferences(chosen)

    def save_preferences(self, owner: str, preferences: Preferences) -> None:
        row = {"owner": owner, "chosen": preferences.model_dump_json()}
        with self.database.writing() as connection:
            upsert(connection, preferences_table, row)

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        with self.database.reading() as connection:
            return _presets(connection, owner)

    def save_preset(self, owner: str, preset: CustomEnsemble) -> None:
        row = {"owner": owner, "name": preset.name, "mix": preset.model_dump_json()}
        with self.database.writing() as connection:
            rules.check_preset(preset, _presets(connection, owner))
            upsert(connection, presets, row)

    def delete_preset(self, owner: str, name: str) -> bool:
        removed = delete(presets).where(presets.c.owner == owner, presets.c.name == name)
        return bool(self.database.run(removed))

    def sweep(self, now: datetime, longest: timedelta, *, spare: Collection[str] = ()) -> list[str]:
        """Delete what was kept long enough: records by their owner's wish, at most `longest`, and
        links that are over. Return the ids of the deleted records; their media is the caller's."""
        others = records.c.id.not_in(list(spare))
        with self.database.writing() as connection:
            deleted = remove(connection, others, records.c.touched <= now - longest)
            for owner, chosen in connection.execute(select(preferences_table)).all():
                days = _preferences(chosen).keep_days
                if days is not None and days < longest / timedelta(days=1):
                    expired = records.c.touched <= now - timedelta(days=days)
                    deleted += remove(connection, others, records.c.owner == owner, expired)
            connection.execute(delete(shares).where(shares.c.expires <= now))
        self.database.shrink()
        return deleted


def open_store(where: Path | str) -> SQLStore:
    """Return the store in a file of SQLite's or a PostgreSQL database; see `Database`."""
    return SQLStore(Database(where))


def _preferences(chosen: str | None) -> Preferences:
    try:
        return Preferences.model_validate_json(chosen) if chosen else Preferences()
    except ValidationError:
        return Preferences()


def _presets(connection: Connection, owner: str) -> dict[str, CustomEnsemble]:
    query = select(presets.c.name, presets.c.mix).where(presets.c.owner == owner)
    out = {}
    for name, text in sorted(tuple(row) for row in connection.execute(query)):
        try:
            out[name] = CustomEnsemble.model_validate_json(text)
        except ValidationError:
            log.warning("a preset that another version wrote was left out")
    return out
