"""Names of batches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give batches a name."""
    op.add_column("api_batches", sa.Column("name", sa.Text, nullable=False, server_default=""))
