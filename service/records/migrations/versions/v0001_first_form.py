"""The tables as they were when SQLite was the only database (`PRAGMA user_version` 1)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
BYTES = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
NUMBER: sa.types.TypeEngine[float] = sa.REAL().with_variant(sa.Double(), "postgresql")
WORD_LIST = sa.Text().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _records()
    _belongings()


def _records() -> None:
    op.create_table(
        "records",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("touched", MOMENT, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", BYTES, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("cache_key", sa.Text, nullable=False),
        sa.Column("fault", sa.Text),
        sa.Column("again", MOMENT),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("tags", WORD_LIST, nullable=False),
        sa.Column("confirmed", sa.Text, nullable=False),
        sa.Column("analyzed", MOMENT),
        sa.Column("verdict", sa.Text),
        sa.Column("question", sa.Text),
        sa.Column("probability", NUMBER),
        sa.Column("people", sa.Integer),
        sa.Column("kind", sa.Text),
        sa.Column("duration", NUMBER),
        sa.Column("models", WORD_LIST, nullable=False, server_default="[]"),
        sa.Column("version", sa.Text),
        sa.Column("haystack", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("records_by_time", "records", ["owner", sa.text("touched DESC"), "id"])
    keyed = sa.text("cache_key <> ''")
    op.create_index(
        "records_by_key",
        "records",
        ["owner", "cache_key"],
        sqlite_where=keyed,
        postgresql_where=keyed,
    )


def _belongings() -> None:
    op.create_table(
        "results",
        sa.Column("id", sa.Text, sa.ForeignKey("records.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("analysis", sa.LargeBinary, nullable=False),
        sa.Column("thumbnail", sa.LargeBinary),
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column(
            "record", sa.Text, sa.ForeignKey("records.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("shares_of_record", "shares", ["record"])
    op.create_table(
        "preferences",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("chosen", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "presets",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("mix", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
