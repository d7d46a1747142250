"""What a person said is not the original of a file of theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from service.records.tables import Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add pairs of contents: of the file, and of what is not its original."""
    keys = ("owner", "sha256", "found")
    op.create_table(
        "refusals",
        *(sa.Column(name, sa.Text, primary_key=True) for name in keys),
        sa.Column("created", Moment, nullable=False),
        sqlite_with_rowid=False,
    )
