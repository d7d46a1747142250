"""The tables as they were when SQLite was the only database (`PRAGMA user_version` 1)."""

from __future__ import annotations

from typing import Any

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


def _required(type_: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_, nullable=False) for name in names]


def _optional(type_: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_) for name in names]


def _record() -> sa.ForeignKey:
    return sa.ForeignKey("records.id", ondelete="CASCADE")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "records",
        sa.Column("id", sa.Text, primary_key=True),
        *_required(sa.Text, "owner", "name", "sha256", "source", "settings", "state", "run"),
        *_required(sa.Text, "cache_key", "note", "confirmed", "haystack"),
        *_required(MOMENT, "created", "touched"),
        *_required(BYTES, "size"),
        *_required(WORD_LIST, "tags"),
        *_optional(sa.Text, "fault", "verdict", "question", "kind", "version"),
        *_optional(MOMENT, "again", "analyzed"),
        *_optional(NUMBER, "probability", "duration"),
        *_optional(sa.Integer, "people"),
        sa.Column("models", WORD_LIST, nullable=False, server_default="[]"),
        sqlite_with_rowid=False,
    )
    op.create_index("records_by_time", "records", ["owner", sa.text("touched DESC"), "id"])
    where: Any = dict.fromkeys(("sqlite_where", "postgresql_where"), sa.text("cache_key <> ''"))
    op.create_index("records_by_key", "records", ["owner", "cache_key"], **where)
    op.create_table(
        "results",
        sa.Column("id", sa.Text, _record(), primary_key=True),
        *_required(sa.LargeBinary, "analysis"),
        *_optional(sa.LargeBinary, "thumbnail"),
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("record", sa.Text, _record(), nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        *_required(MOMENT, "created", "expires"),
        sqlite_with_rowid=False,
    )
    op.create_index("shares_of_record", "shares", ["record"])
    op.create_table(
        "preferences",
        sa.Column("owner", sa.Text, primary_key=True),
        *_required(sa.Text, "chosen"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "presets",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        *_required(sa.Text, "mix"),
        sqlite_with_rowid=False,
    )
