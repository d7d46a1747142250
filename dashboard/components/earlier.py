"""Picker of a previously analyzed file, instead of an upload."""

from datetime import UTC, datetime

from dashboard import session
from dashboard.components import controls, record_cells
from detector.sentences import _
from service.records.model import Query
from service.storage.uploads import retention

MOST = 100
"""of the latest that are offered; who looks for more has History"""


def choose(key: str, *, without: str = "") -> str:
    """Draw the person's latest stored files except `without`; return the chosen id."""
    scope = session.record_scope()
    query = Query(since=datetime.now(UTC) - retention(), limit=MOST)
    names = {
        record.id: f"{record.name} · {record_cells.when(record.touched)}"
        for record in scope.store.search(scope.owner, query).records
        if record.result is not None and record.sha256 and record.id != without
    }
    if not names:
        return ""
    chosen: str | None = controls.select(
        _("Or one from your History"), names, key, index=None,
        placeholder=_("Choose a file that you analyzed"),
    )  # fmt: skip
    return chosen or ""
