"""What of a person's known footage their files show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.records.tables import NUMBER, Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what was found in a person's library, by the contents of the file that was looked up."""
    op.create_table(
        "lookups",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("owner", "sha256")),
        sa.Column("found", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("start", NUMBER, nullable=False),
        sa.Column("mirrored", sa.Boolean, nullable=False),
        sa.Column("matched", sa.Integer, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("created", Moment, nullable=False),
        sqlite_with_rowid=False,
    )
