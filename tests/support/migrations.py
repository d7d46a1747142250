"""Steps of the records' database, tried and compared with the tables."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from detector.schema.analysis import Label
from service.records import database
from service.records.model import LOCAL, Query, State
from service.records.tables import HEAD, metadata


def assert_like_the_tables(store):
    """Nothing is in the database that `tables` doesn't have, nor the other way round."""
    with store.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        names = set(inspect(connection).get_table_names())
    assert names == {*metadata.tables, "alembic_version"}
    store.close()


DATABASES = Path(__file__).parent / "databases"
"""What the first published version wrote, but for the whole results."""


def oldest(dialect):
    """The script of a database as the first published version left it."""
    return (DATABASES / f"0016-{dialect}.sql").read_text("utf-8")


def assert_carried_over(store):
    """All that the first version wrote reads as that read it."""
    told = {record.name: record for record in store.search(LOCAL, Query()).records}
    scored, copy, waiting = (told[f"clip-{number}.mp4"] for number in (1, 2, 3))
    assert (scored.tags, scored.note, scored.cache_key) == (("court", "paris"), "seen", "key")
    assert (scored.result.verdict, scored.result.kind) == (Label.FAKE, "video")
    assert scored.result.models and scored.result.probability and scored.result.version
    assert scored.result.analyzed.tzinfo and scored.result.seal is None
    assert (copy.result.label, copy.result.verdict) == (Label.FAKE, Label.REAL)
    assert copy.result.proof.name == "press.mp4" and copy.result.probability == 0.2
    assert waiting.result is None and waiting.state is State.QUEUED
    assert store.search(LOCAL, Query()).counts == {Label.FAKE: 2, None: 1}
    assert store.find_cached(LOCAL, "key") == scored
    assert store.preferences(LOCAL).keep_days == 7.5
    assert list(store.presets(LOCAL)) == ["mine"]
    (link,) = store.shares(LOCAL, datetime.now(UTC))
    assert link.record == scored.id and store.revoke(LOCAL, link.id)


def add_step(folder, body, monkeypatch):
    """One more step than there is, in a copy of them all."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(database.SCRIPTS, folder)
    step = f"{int(HEAD) + 1:04}"
    (folder / "versions" / f"v{step}_another.py").write_text(
        f"from alembic import op\nimport sqlalchemy as sa\nrevision = '{step}'\n"
        f"down_revision = '{HEAD}'\ndef upgrade():\n    {body}\n"
    )
    monkeypatch.setattr(database, "SCRIPTS", folder)
    monkeypatch.setattr(database, "HEAD", step)


COLUMN = "op.add_column('records', sa.Column('fresh', sa.Text))"
