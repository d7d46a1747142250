"""Among how many files an original was looked for, also where none was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the number, which is not known of earlier lookups."""
    searched = sa.Column("searched", sa.Integer, nullable=False, server_default="0")
    op.add_column("lookups", searched)
