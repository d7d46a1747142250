"""The first tables: `service.records.database` makes them from `tables`."""

revision = "0019"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: no older database is brought over."""
