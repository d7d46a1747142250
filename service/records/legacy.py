"""What earlier versions kept in files of their own, brought into the records once."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import select

from detector.errors import InputError
from detector.schema.analysis import CustomEnsemble
from service.records.database import Database
from service.records.model import LOCAL
from service.records.store import Store
from service.records.tables import tasks

log = logging.getLogger(__name__)


def import_presets(store: Store, data: Path) -> None:
    """Presets of `<data>/presets.json` become this computer's owner's; then the file goes. What is
    there by the same name stays as it is. A file that can't be read is left alone."""
    path = data / "presets.json"
    try:
        presets = [
            CustomEnsemble.model_validate(row) for row in json.loads(path.read_text("utf-8"))
        ]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, ValidationError):
        log.warning("presets.json can't be read; it is left where it is")
        return
    known = store.presets(LOCAL)
    try:
        for preset in presets:
            if preset.name.strip() and preset.name not in known:
                store.save_preset(LOCAL, preset)
        path.unlink(missing_ok=True)
    except (InputError, OSError) as error:
        log.warning("presets.json is left where it is: %s", error)


def import_tasks(database: Database, data: Path) -> None:
    """Move the tasks of `<data>/tasks.db` into the database, which holds them since form 3; then
    the file goes. What is there already stays as it is. A file that can't be read is left alone."""
    path = data / "tasks.db"
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path)) as file:
            file.row_factory = sqlite3.Row
            rows = [dict(row) for row in file.execute("SELECT * FROM tasks")]
        for row in rows:
            for name in ("created", "started", "ended"):
                row[name] = datetime.fromisoformat(row[name]) if row[name] else None
        with database.writing() as connection:
            known = set(connection.execute(select(tasks.c.id)).scalars())
            if new := [row for row in rows if row["id"] not in known]:
                connection.execute(tasks.insert(), new)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    except (sqlite3.Error, InputError, OSError, ValueError) as error:
        log.warning("tasks.db is left where it is: %s", error)
