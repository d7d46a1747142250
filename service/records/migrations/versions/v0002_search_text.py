"""The column that a search looks through is called what it is."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give the column of searchable text its name."""
    op.alter_column("records", "haystack", new_column_name="search_text")
