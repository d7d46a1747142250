"""Keys of programs, requests that may come twice, and batches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
WORD_LIST = sa.Text().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make what the REST API keeps."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("scopes", WORD_LIST, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT),
        sa.Column("revoked", MOMENT),
        sa.Column("used", MOMENT),
        sa.Column("files_per_hour", sa.Integer),
        sa.Column("files_per_day", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_requests",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("created", MOMENT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_batches",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
