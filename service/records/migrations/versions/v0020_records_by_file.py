"""An index of records by their file, which comparisons and lookups ask for."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index("records_by_file", "records", ["owner", "sha256"], if_not_exists=True)
