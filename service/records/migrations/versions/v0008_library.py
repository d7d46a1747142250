"""Known footage: its fingerprints, never the footage itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.records.tables import BYTES, NUMBER, Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a person's library, and the folders it is filled from."""
    op.create_table(
        "footage",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("owner", "sha256", "name")),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("added", Moment, nullable=False),
        sa.Column("size", BYTES, nullable=False),
        sa.Column("duration", NUMBER),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("prints", sa.LargeBinary, nullable=False),
    )
    op.create_index("footage_by_content", "footage", ["owner", "sha256"], unique=True)
