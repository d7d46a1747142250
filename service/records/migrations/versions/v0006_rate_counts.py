"""Rate limits that several servers share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
BIG = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Make the table of counts."""
    op.create_table(
        "rate_counts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("slot", BIG, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("rate_counts_by_end", "rate_counts", ["expires"])
