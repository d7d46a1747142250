"""The first tables, which `service.records.database` creates from `tables`."""

revision = "0019"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: no older database is brought over."""
