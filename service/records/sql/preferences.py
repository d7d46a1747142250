"""What people set for themselves."""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy import select

from service.records import tables
from service.records.database import Database
from service.records.model import Preferences
from service.records.sql.rows import upsert


class PreferenceRepository:
    """The part of a `Store` that holds preferences."""

    database: Database

    def preferences(self, owner: str) -> Preferences:
        asked = select(tables.preferences.c.chosen).where(tables.preferences.c.owner == owner)
        with self.database.reading() as connection:
            return parsed(connection.execute(asked).scalar_one_or_none())

    def save_preferences(self, owner: str, preferences: Preferences) -> None:
        row = {"owner": owner, "chosen": preferences.model_dump_json()}
        with self.database.writing() as connection:
            upsert(connection, tables.preferences, row)


def parsed(chosen: str | None) -> Preferences:
    """Return preferences from their JSON; the default ones where there is none that can be read."""
    try:
        return Preferences.model_validate_json(chosen) if chosen else Preferences()
    except ValidationError:
        return Preferences()
