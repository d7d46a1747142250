"""Whose records a test works on."""

from service.context import LOCAL
from service.records.store import RecordScope
from service.tasks.jobs import Jobs


def local(jobs: Jobs) -> RecordScope:
    """Return the records of whoever sits at this computer."""
    return RecordScope(LOCAL.id, jobs.store)
