"""Copies held against their originals: what came of it, by the contents of both files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.records.tables import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the comparisons of a person's files."""
    texts = ("owner", "copy_sha256", "original_sha256", "version")
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("created", Moment, nullable=False),
        sa.Column("comparison", sa.LargeBinary, nullable=False),
    )
    columns = ["owner", "copy_sha256", "original_sha256"]
    op.create_index("comparisons_by_content", "comparisons", columns, unique=True)
