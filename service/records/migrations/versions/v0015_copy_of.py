"""The original of which a result's headline says that the file is a manipulated copy."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress

import sqlalchemy as sa
from alembic import op

from detector.schema.comparison import Comparison

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and fill it from the comparisons in the results."""
    op.add_column("records", sa.Column("copy_of", sa.Text))
    results = sa.table("results", sa.column("id"), sa.column("analysis"))
    records = sa.table("records", sa.column("id"), sa.column("copy_of"))
    connection = op.get_bind()
    for id in connection.execute(sa.select(results.c.id)).scalars().all():
        one = sa.select(results.c.analysis).where(results.c.id == id)
        with suppress(ValueError, zlib.error):  # of a version that this one can't read
            tree = json.loads(zlib.decompress(connection.execute(one).scalar_one()))
            found = tree.get("comparison")
            if found and (comparison := Comparison.model_validate(found)).accuses:
                new = {"copy_of": comparison.original_media.name}
                connection.execute(sa.update(records).where(records.c.id == id).values(new))
