"""Seals under results, and the public keys that are believed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Make room for them. What a server's own file holds is sealed with its first key
    (`seals.Keyring.open`), which no step knows."""
    op.add_column("records", sa.Column("seal", sa.Text))
    op.create_table(
        "seal_keys",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("added", MOMENT, nullable=False),
        sa.Column("revoked", MOMENT),
        sqlite_with_rowid=False,
    )
