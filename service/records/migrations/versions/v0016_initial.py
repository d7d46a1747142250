"""The tables of the first published version. Fourteen steps of unpublished ones left the same."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
BIG = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
NUMBER: sa.types.TypeEngine[float] = sa.REAL().with_variant(sa.Double(), "postgresql")
WORD_LIST = sa.Text().with_variant(JSONB(), "postgresql")


def _keys(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def _required(type_: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_, nullable=False) for name in names]


def _optional(type_: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_) for name in names]


def _record() -> sa.ForeignKey:
    return sa.ForeignKey("records.id", ondelete="CASCADE")


def upgrade() -> None:
    """Create all tables."""
    _records()
    _work()
    _api()
    _footage()


def _records() -> None:
    op.create_table(
        "records",
        *_keys("id"),
        *_required(sa.Text, "owner", "name", "sha256", "source", "settings", "state", "run"),
        *_required(sa.Text, "cache_key", "note", "confirmed", "search_text"),
        *_required(MOMENT, "created", "touched"),
        *_required(BIG, "size"),
        *_required(WORD_LIST, "tags"),
        *_optional(sa.Text, "fault", "verdict", "question", "lean", "kind", "version"),
        *_optional(MOMENT, "last_cache_hit", "analyzed"),
        *_optional(NUMBER, "probability", "duration"),
        *_optional(sa.Integer, "subject_count"),
        sa.Column("models", WORD_LIST, nullable=False, server_default="[]"),
        *_optional(sa.Text, "seal", "interval", "proof"),
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
        *_keys("id"),
        sa.Column("record", sa.Text, _record(), nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        *_required(MOMENT, "created", "expires"),
        sqlite_with_rowid=False,
    )
    op.create_index("shares_of_record", "shares", ["record"])
    op.create_table(
        "preferences", *_keys("owner"), *_required(sa.Text, "chosen"), sqlite_with_rowid=False
    )
    op.create_table(
        "presets", *_keys("owner", "name"), *_required(sa.Text, "ensemble"), sqlite_with_rowid=False
    )
    op.create_table(
        "seal_keys",
        *_keys("key"),
        *_required(MOMENT, "added"),
        *_optional(MOMENT, "revoked"),
        sqlite_with_rowid=False,
    )


def _work() -> None:
    op.create_table(
        "tasks",
        *_keys("id"),
        *_required(sa.Text, "kind", "owner", "subject", "params", "server", "state"),
        *_required(MOMENT, "created"),
        *_optional(MOMENT, "started", "ended"),
        *_optional(sa.Text, "fault", "progress"),
        sa.Column("cancel", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_with_rowid=False,
    )
    op.create_index("tasks_by_state", "tasks", ["state"])
    op.create_index("tasks_by_subject", "tasks", ["kind", "subject"])
    op.create_table("servers", *_keys("id"), *_required(MOMENT, "seen"), sqlite_with_rowid=False)
    op.create_table(
        "rate_counts",
        *_keys("key"),
        sa.Column("slot", BIG, primary_key=True),
        *_required(sa.Integer, "count"),
        *_required(MOMENT, "expires"),
        sqlite_with_rowid=False,
    )
    op.create_index("rate_counts_by_end", "rate_counts", ["expires"])


def _api() -> None:
    op.create_table(
        "api_keys",
        *_keys("id"),
        *_required(sa.Text, "name", "hash"),
        *_required(WORD_LIST, "scopes"),
        *_required(MOMENT, "created"),
        *_optional(MOMENT, "expires", "revoked", "used"),
        *_optional(sa.Integer, "files_per_hour", "files_per_day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_requests",
        *_keys("owner", "key"),
        *_required(sa.Text, "fingerprint"),
        *_optional(sa.Text, "subject"),
        *_required(MOMENT, "created"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_batches",
        *_keys("id"),
        *_required(sa.Text, "owner"),
        *_required(MOMENT, "created"),
        *_required(sa.Text, "items"),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cases",
        *_keys("id"),
        *_required(sa.Text, "owner", "log"),
        *_required(MOMENT, "created", "touched"),
        *_required(sa.Integer, "entries"),
        *_required(sa.Boolean, "closed"),
        *_required(WORD_LIST, "analyses"),
        sqlite_with_rowid=False,
    )
    op.create_index("cases_of_owner", "cases", ["owner", "touched"])


def _footage() -> None:
    op.create_table(
        "footage",
        *_keys("id"),
        *_required(sa.Text, "owner", "sha256", "name", "source"),
        *_required(MOMENT, "added"),
        *_required(BIG, "size"),
        *_optional(NUMBER, "duration"),
        *_required(sa.Integer, "frames"),
        *_required(sa.LargeBinary, "prints"),
    )
    op.create_index("footage_by_content", "footage", ["owner", "sha256"], unique=True)
    op.create_table(
        "comparisons",
        *_keys("id"),
        *_required(sa.Text, "owner", "copy_sha256", "original_sha256", "version"),
        *_required(MOMENT, "created"),
        *_required(sa.LargeBinary, "comparison"),
    )
    columns = ["owner", "copy_sha256", "original_sha256"]
    op.create_index("comparisons_by_content", "comparisons", columns, unique=True)
    op.create_table(
        "lookups",
        *_keys("owner", "sha256"),
        *_required(sa.Text, "match_sha256", "name", "source"),
        *_required(NUMBER, "start"),
        *_required(sa.Boolean, "mirrored"),
        *_required(sa.Integer, "matched", "asked"),
        *_required(MOMENT, "created"),
        sa.Column("searched", sa.Integer, nullable=False, server_default="0"),
        sa.Column("by_faces", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        *_keys("owner", "sha256", "match_sha256"),
        *_required(MOMENT, "created"),
        sqlite_with_rowid=False,
    )
