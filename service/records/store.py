"""What any place that keeps analyses must be able to do.

`Store` is the one seam: pages, tasks and the live page speak it and know neither SQL nor Supabase.
It is made of a protocol for each kind of thing that is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from detector.schema.analysis import Analysis, CustomEnsemble, Settings
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


class AnalysisStore(Protocol):
    """Records, their results and pictures."""

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        """Keep a new record. With `analysis` it is a finished one (`record.result` is filled in).

        Raises
        ------
        RecordsError
            The id is taken, also by somebody else.
        """

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        """A new run of a kept file: QUEUED, without result, thumbnail and fault."""

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
        """The end of a run: all of the result or nothing. False if the record is gone or belongs to
        a later run."""

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        """The end of a run without a result: FAILED or CANCELED. False as in `finish`."""

    def update_result(self, owner: str, id: str, analysis: Analysis) -> bool:
        """Put a result that says more in the place of a finished one."""

    def get(self, owner: str, id: str) -> Record | None:
        """One of the owner's own records."""

    def open(self, viewer: str, id: str) -> Record | None:
        """The record behind an address, for whoever asks.

        The address is a secret that opens what people without an account analyzed, theirs or not:
        they have nothing else to show after a lost cookie. What belongs to an account opens for
        that account alone. Lists, notes, links and deletion go by owner all the same.
        """

    def analysis(self, owner: str, id: str) -> Analysis | None:
        """The whole result; None also when it was written by a version that can't be read."""

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        """WebP pictures by id, of those that have one; at most `THUMBNAIL_BYTES` each."""

    def search(self, owner: str, query: Query) -> Page: ...

    def facets(self, owner: str) -> Facets: ...

    def find_cached(self, owner: str, cache_key: str) -> Record | None:
        """The owner's newest finished record with this key."""

    def record_cache_hit(self, owner: str, id: str, now: datetime) -> Record | None:
        """The same file came once more and got this result: sets `again` and `touched`."""

    def change(
        self,
        owner: str,
        id: str,
        *,
        note: str | None = None,
        tags: Iterable[str] | None = None,
        confirmed: Confirmed | None = None,
    ) -> Record | None:
        """Change what is given.

        Raises
        ------
        InputError
            Too long, or too many; nothing is changed.
        """

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        """Delete records with results, thumbnails and shares; the ids that were there. The media is
        the caller's (`Jobs.delete`)."""

    def ids(self, owner: str) -> list[str]:
        """Of all the owner's records."""

    def usage(self, owner: str) -> Usage: ...


class ShareStore(Protocol):
    """Read-only links to records."""

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        """A new link to a finished record, with its token.

        Raises
        ------
        InputError
            It would last longer than `LONGEST_SHARE`, or not at all.
        """

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        """Links that are in force, to one record or to any, newest first; without tokens."""

    def revoke(self, owner: str, share_id: str) -> bool: ...

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        """What a link leads to; None when it is unknown, revoked, over, or its record is gone."""


class PreferenceStore(Protocol):
    """What people set for themselves."""

    def preferences(self, owner: str) -> Preferences: ...

    def save_preferences(self, owner: str, preferences: Preferences) -> None: ...


class PresetStore(Protocol):
    """Ensembles that people put together and named."""

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        """Ensembles by name, in the order of their names."""

    def save_preset(self, owner: str, mix: CustomEnsemble) -> None:
        """Keep one under its name, in place of another of that name.

        Raises
        ------
        InputError
            It has no name, or there are `MOST_PRESETS` already.
        """

    def delete_preset(self, owner: str, name: str) -> bool: ...


class Store(AnalysisStore, ShareStore, PreferenceStore, PresetStore, Protocol):
    """Where the records of people are kept. Safe to call from several threads.

    Methods that change something return what changed, and nothing (None, False, an empty list)
    when the owner has no such row. All raise `RecordsError` when the store can't be used.
    """

    def delete_all(self, owner: str) -> list[str]:
        """Delete everything of an owner, presets and settings too; the ids of the records."""
