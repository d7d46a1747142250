"""The summary of a result stands in one column, as in a Supabase project; preferences and presets
in one table; a link names its owner."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_PLAIN = ("verdict", "question", "kind", "version", "duration", "subject_count")
_JSON = ("seal", "interval", "proof")
_KEPT = ("analyzed", "probability", "models")


def upgrade() -> None:
    """Carry over all records, preferences, presets and links."""
    connection = op.get_bind()
    op.add_column("records", sa.Column("result", sa.Text))
    op.add_column("records", sa.Column("headline", sa.Text))
    records = sa.table(
        "records", *map(sa.column, ("id", "result", "headline", *_PLAIN, *_JSON, *_KEPT))
    )
    for row in connection.execute(sa.select(records).where(records.c.analyzed.is_not(None))).all():
        values = row._mapping
        result = {name: _plain(values[name]) for name in (*_PLAIN, *_KEPT)}
        result |= {name: values[name] and json.loads(values[name]) for name in _JSON}
        result["models"] = _listed(values["models"])
        known = {name: value for name, value in result.items() if value is not None}
        headline = "FAKE" if values["proof"] else values["verdict"]
        new = {"result": json.dumps(known), "headline": headline}
        connection.execute(sa.update(records).where(records.c.id == row.id).values(new))
    for name in (*_PLAIN, *_JSON):
        op.drop_column("records", name)
    op.drop_index("records_by_key", "records")
    op.create_index("records_by_key", "records", ["owner", "cache_key"])

    settings = op.create_table(
        "settings",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("owner", "kind", "name")),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    names = [column.name for column in settings.c]
    for old in (
        sa.text("SELECT owner, 'preferences', '', chosen FROM preferences"),
        sa.text("SELECT owner, 'preset', name, ensemble FROM presets"),
    ):
        for found in connection.execute(old).all():
            connection.execute(sa.insert(settings).values(dict(zip(names, found, strict=True))))
    op.drop_table("preferences")
    op.drop_table("presets")

    op.add_column("shares", sa.Column("owner", sa.Text, nullable=False, server_default=""))
    owner = "(SELECT owner FROM records WHERE records.id = shares.record)"
    connection.execute(sa.text(f"UPDATE shares SET owner = {owner}"))


def _plain(value: object) -> object:
    """Return a time as text; PostgreSQL has a type of its own."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _listed(value: object) -> object:
    """Return a list as one; SQLite has its JSON."""
    return json.loads(value) if isinstance(value, str) else value
