"""Tasks stand beside the records; before, they had a file of their own (`legacy.import_tasks`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Make the table of tasks."""
    required = ("kind", "owner", "subject", "params", "server", "state")
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in required),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("started", MOMENT),
        sa.Column("ended", MOMENT),
        sa.Column("fault", sa.Text),
        sa.Column("progress", sa.Text),
        sa.Column("cancel", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_with_rowid=False,
    )
    op.create_index("tasks_by_state", "tasks", ["state"])
    op.create_index("tasks_by_subject", "tasks", ["kind", "subject"])
