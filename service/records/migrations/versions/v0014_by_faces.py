"""Whether known footage was found by the faces in it alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; earlier lookups looked for whole frames."""
    by_faces = sa.Column("by_faces", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("lookups", by_faces)
