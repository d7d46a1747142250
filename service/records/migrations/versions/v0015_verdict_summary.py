"""The verdict in a record's summary: where it leans, its interval, and the finding that leads."""

from __future__ import annotations

import json
import zlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and fill them from the stored results."""
    names = ("lean", "interval", "proof")
    for name in names:
        op.add_column("records", sa.Column(name, sa.Text))
    records = sa.table("records", *(sa.column(name) for name in ("id", "copy_of", *names)))
    results = sa.table("results", sa.column("id"), sa.column("analysis"))
    connection = op.get_bind()
    for id, copy_of in connection.execute(sa.select(records.c.id, records.c.copy_of)).all():
        stored = sa.select(results.c.analysis).where(results.c.id == id)
        if data := connection.execute(stored).scalar_one_or_none():
            values = _summary(data, copy_of)
            connection.execute(sa.update(records).where(records.c.id == id).values(**values))
    op.drop_column("records", "copy_of")


def _summary(data: bytes, copy_of: str | None) -> dict[str, Any]:
    """Return the new columns of a packed result; of a damaged one its copy alone."""
    proof = {"kind": "copy", "name": copy_of} if copy_of else None
    try:
        analysis = json.loads(zlib.decompress(data))
        verdict = analysis["verdict"]
    except (zlib.error, ValueError, KeyError):
        return {"proof": json.dumps(proof) if proof else None}
    marks = (analysis.get("provenance") or {}).get("marks")
    if proof is None and marks:
        proof = {"kind": "mark", "name": marks[0]["name"]}
    odds = (verdict["answers"].get(verdict["question"]) or {}).get("odds")
    if verdict["probability"] is None:
        odds = None
    return {
        "lean": verdict["lean"],
        "interval": json.dumps([odds["low"], odds["high"]]) if odds else None,
        "proof": json.dumps(proof) if proof else None,
    }
