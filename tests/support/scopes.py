"""Whose records a test works on."""

from service.context import LOCAL
from service.records.store import RecordScope


def local(jobs):
    """Return the records of whoever sits at this computer."""
    return RecordScope(LOCAL.id, jobs.store)
