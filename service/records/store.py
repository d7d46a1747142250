"""What any place that keeps analyses must be able to do.

`Store` is the one seam: pages, tasks and the live page speak it and know neither SQL nor Supabase.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypedDict, Unpack

from detector.schema.analysis import Analysis, CustomEnsemble, Settings
from service.records.cases import CaseStore
from service.records.model import (
    Confirmed,
    ErrorReport,
    Facets,
    Page,
    Preferences,
    Query,
    Record,
    SharedResult,
    ShareLink,
    State,
    Usage,
)
from service.records.seals import Keyring


class RecordChanges(TypedDict, total=False):
    """What a person may change in a record; None: as it is."""

    note: str | None
    tags: Iterable[str] | None
    confirmed: Confirmed | None


class RunOutcome(NamedTuple):
    """What a run ended with; without an analysis, what an earlier one left is deleted."""

    analysis: Analysis | None = None
    thumbnail: bytes | None = None
    keeps_thumbnail: bool = False


class Store(Protocol):
    """Where the records of people are kept. Safe to call from several threads. A result that it
    reads, whole or in short, has its seal checked by `seals`.

    Methods that change something return what changed, and nothing (None, False, an empty list)
    when the owner has no such row. All raise `RecordsError` when the store can't be used.
    """

    seals: Keyring
    cases: CaseStore

    # Records, their results and pictures.

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        """Store a new record, finished with `analysis`; raise RecordsError if the id is taken."""

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        """Begin a new run of a kept file: QUEUED, without result, thumbnail and fault."""
        new = {
            "run": run,
            "settings": settings,
            "cache_key": cache_key,
            "touched": now,
            "state": State.QUEUED,
            "fault": None,
            "last_cache_hit": None,
        }
        return self._update(owner, id, new, RunOutcome())

    def finish(
        self,
        owner: str,
        id: str,
        run: str,
        analysis: Analysis,
        *,
        thumbnail: bytes | None = None,
        cache_key: str = "",
    ) -> bool:
        """Write the end of a run, all or nothing; False if the record is gone or of a later run."""
        new = {"state": State.DONE, "cache_key": cache_key, "fault": None}
        return self._update(owner, id, new, RunOutcome(analysis, thumbnail), run=run) is not None

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        """Write the end of a run without a result: FAILED or CANCELED. False as in `finish`, and
        where a result came first: who cancels may be late."""
        new = {"state": state, "fault": fault}
        return self._update(owner, id, new, run=run, state=State.QUEUED) is not None

    def update_result(self, owner: str, id: str, analysis: Analysis) -> bool:
        """Put a result that says more in the place of a finished one; its thumbnail stays."""
        more = RunOutcome(analysis, keeps_thumbnail=True)
        return self._update(owner, id, {}, more, state=State.DONE) is not None

    def record_cache_hit(self, owner: str, id: str, now: datetime) -> Record | None:
        """Note that the file came again and got this result (`last_cache_hit`, `touched`)."""
        return self._update(owner, id, {"last_cache_hit": now, "touched": now})

    def _update(
        self,
        owner: str,
        id: str,
        new: Mapping[str, Any],
        outcome: RunOutcome | None = None,
        **only: str,
    ) -> Record | None:
        """Write fields of a record, and its result where there is an outcome, all or nothing, if
        other fields are as in `only`; return the record as it is now."""

    def get(self, owner: str, id: str) -> Record | None:
        """Return one of the owner's own records."""

    def records(self, owner: str, ids: Collection[str]) -> dict[str, Record]:
        """Return some of the owner's own records by id."""

    def open(self, viewer: str, id: str) -> Record | None:
        """Return the record behind an address, for any caller: an account's for that account
        alone."""

    def analysis(self, owner: str, id: str) -> Analysis | None:
        """Return the whole result; None also if this version can't read it."""

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        """Return the existing WebP pictures by id, of at most `MAX_THUMBNAIL_BYTES` each."""

    def search(self, owner: str, query: Query) -> Page: ...

    def facets(self, owner: str) -> Facets: ...

    def find_cached(self, owner: str, cache_key: str) -> Record | None:
        """Return the owner's newest finished record with this key."""

    def change(self, owner: str, id: str, **changes: Unpack[RecordChanges]) -> Record | None:
        """Change what is given; raise InputError and change nothing beyond the limits."""

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        """Delete records, but not their media (`Jobs.delete`); return the ids that existed."""

    def ids(self, owner: str) -> list[str]:
        """Return those of all the owner's records."""

    def usage(self, owner: str) -> Usage: ...

    # Read-only links to records.

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        """Make a link to a finished record, with its token; InputError over `MAX_SHARE_TTL`."""

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        """Return links that are in force, to one record or to any, newest first; without tokens."""

    def revoke(self, owner: str, share_id: str) -> bool: ...

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        """Return what a link leads to; None if unknown, revoked, expired, or its record is gone."""

    # What people set for themselves, and ensembles that they put together and named.

    def preferences(self, owner: str) -> Preferences: ...

    def save_preferences(self, owner: str, preferences: Preferences) -> None: ...

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        """Return ensembles by name, in the order of their names."""

    def save_preset(self, owner: str, preset: CustomEnsemble) -> None:
        """Store a preset by its name; raise InputError without a name or over `MAX_PRESETS`."""

    def delete_preset(self, owner: str, name: str) -> bool: ...


@dataclass(frozen=True)
class RecordScope:
    """The caller, and where their records are kept. Outlives the request: workers hold it."""

    owner: str
    store: Store
