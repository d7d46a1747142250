"""Puts a result among the records of a data folder, as if it had been computed there."""

import json
import sqlite3
import zlib
from datetime import UTC, datetime

from detector.pipeline import result_cache
from service.records.database import FILE
from service.records.model import LOCAL, Record
from service.records.seals import Keyring
from service.records.sql import open_store
from service.records.tables import pack
from service.storage.uploads import Uploads


def put(data, file, analysis, *, name=None, owner=LOCAL, key_for=None):
    """Keep a copy of `file` with its result; the address (`/?a=`)."""
    with file.open("rb") as source:
        kept = Uploads(data).add(source, name or file.name)
    now = datetime.now(UTC)
    record = Record(
        id=kept.token,
        owner=owner,
        created=now,
        touched=now,
        name=name or file.name,
        sha256=kept.sha256,
        size=kept.size,
        settings=analysis.settings,
        run="test:1",
        cache_key=result_cache.key(kept.sha256, key_for) if key_for else "",
    )
    store = open_store(data / FILE)
    store.seals = Keyring.open(data, store.database)
    store.add(record, store.seals.seal(record, analysis))
    store.close()
    return kept.token


def rewrite(data, id, change):
    """Change a result behind the program's back."""
    with sqlite3.connect(data / FILE) as db:
        (old,) = db.execute("SELECT document FROM records WHERE id = ?", [id]).fetchone()
        change(tree := json.loads(zlib.decompress(old)))
        db.execute("UPDATE records SET document = ? WHERE id = ?", [pack(json.dumps(tree)), id])


def forge(data, id):
    """Change the score of a result, and in its record."""
    rewrite(data, id, lambda tree: tree["verdict"].update(probability=0.02))
    with sqlite3.connect(data / FILE) as db:
        forged = "json_set(result, '$.probability', 0.02)"
        db.execute(f"UPDATE records SET result = {forged}, probability = 0.02 WHERE id = ?", [id])
