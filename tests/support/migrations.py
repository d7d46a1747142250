"""Steps of the records' database, tried and compared with the tables."""

import shutil

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from service.records import database
from service.records.tables import HEAD, metadata


def assert_like_the_tables(store):
    """Nothing is in the database that `tables` doesn't have, nor the other way round."""
    with store.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        names = set(inspect(connection).get_table_names())
    assert names == {*metadata.tables, "alembic_version"}
    store.close()


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
