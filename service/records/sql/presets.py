"""Ensembles that people put together and named."""

from __future__ import annotations

import logging

from pydantic import ValidationError
from sqlalchemy import Connection, delete, select

from detector.schema.analysis import CustomEnsemble
from service.records import rules
from service.records.database import Database
from service.records.sql.rows import upsert
from service.records.tables import presets

log = logging.getLogger(__name__)


class PresetRepository:
    """The part of a `Store` that holds presets."""

    database: Database

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        with self.database.reading() as connection:
            return _presets(connection, owner)

    def save_preset(self, owner: str, mix: CustomEnsemble) -> None:
        row = {"owner": owner, "name": mix.name, "mix": mix.model_dump_json()}
        with self.database.writing() as connection:
            rules.check_preset(mix, _presets(connection, owner))
            upsert(connection, presets, row)

    def delete_preset(self, owner: str, name: str) -> bool:
        gone = delete(presets).where(presets.c.owner == owner, presets.c.name == name)
        with self.database.writing() as connection:
            return bool(connection.execute(gone).rowcount)


def _presets(connection: Connection, owner: str) -> dict[str, CustomEnsemble]:
    asked = select(presets.c.name, presets.c.mix).where(presets.c.owner == owner)
    out = {}
    for name, mix in sorted(tuple(row) for row in connection.execute(asked)):
        try:
            out[name] = CustomEnsemble.model_validate_json(mix)
        except ValidationError:
            log.warning("a preset that another version wrote was left out")
    return out
