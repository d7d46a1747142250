"""The interface of all stores of analyses, with every rule of records above the database.

Pages, tasks and the live page use `Store` and know neither SQL nor Supabase. A store reads and
writes through `RowGateway`; the abstract methods are those that each database does differently.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from pydantic import ValidationError

from detector.schema.analysis import Analysis, CustomEnsemble, Label, Settings
from detector.schema.summary import MAX_NAME_LENGTH, ResultSummary
from detector.seals import record_hash
from detector.sentences import _
from service.context import new_id
from service.records import rules
from service.records.cases import Cases
from service.records.model import (
    MAX_LINKS,
    MAX_PRESETS,
    Confirmed,
    ErrorReport,
    Facets,
    Page,
    Preferences,
    Query,
    Record,
    RecordsError,
    ResultOrigin,
    SharedResult,
    ShareLink,
    State,
    Usage,
)
from service.records.seals import Keyring
from service.records.tables import RECORDS, SETTINGS, SHARES, Limit, Row, RowGateway, Where

log = logging.getLogger(__name__)

RECORD = tuple(Record.model_fields)
LINK = tuple(name for name in ShareLink.model_fields if name in SHARES.c)
_PREFERENCES, _PRESET = "preferences", "preset"  # Kinds of settings


class RecordChanges(TypedDict, total=False):
    """Changes of a record by a person; None: unchanged."""

    note: str | None
    tags: Iterable[str] | None
    confirmed: Confirmed | None


def outcome(analysis: Analysis | None = None) -> Row:
    """Return the columns of an ended run, except its picture; without an analysis, an earlier
    result is deleted."""
    done = ResultSummary.of(analysis) if analysis is not None else None
    return {
        "result": done,
        "analyzed": done and done.analyzed,
        "headline": done and done.label,
        "probability": done and done.probability,
        "models": done.models if done else (),
        "document": analysis,
    }


class Store(ABC):
    """Records of people. Safe between threads. The seal of each result, whole or summary, is
    checked by `seals`. Methods that change something return what changed, and nothing (None, False,
    an empty list) if the owner has no such row. All raise `RecordsError` if the store can't be
    used."""

    def __init__(self, rows: RowGateway, seals: Keyring | None = None) -> None:
        self.rows = rows
        self.seals = seals or Keyring()
        self.cases = Cases(rows)

    # --- records, their results and pictures ------------------------------------------------------

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        """Store a new record, finished with `analysis`. Raise RecordsError if the id exists."""
        row = record.model_dump(exclude={"result"}) | outcome(analysis)
        row |= {
            "name": record.name[:MAX_NAME_LENGTH],
            "search_text": rules.search_text(record),
            "thumbnail": thumbnail,
        }
        if analysis is not None:
            row["state"] = State.DONE
        self.rows.insert(RECORDS, row)

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        """Begin a new run of a stored file: QUEUED, without result, thumbnail and fault."""
        new = {
            "run": run,
            "settings": settings,
            "cache_key": cache_key,
            "touched": now,
            "state": State.QUEUED,
            "fault": None,
            "last_cache_hit": None,
            "thumbnail": None,
        }
        return self._update(owner, id, new | outcome())

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
        """Write the end of a run atomically; return False if the record is gone or has a
        later run."""
        new = {"state": State.DONE, "cache_key": cache_key, "fault": None, "thumbnail": thumbnail}
        return self._update(owner, id, new | outcome(analysis), run=run) is not None

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        """Write the end of a run without a result: FAILED or CANCELED. Return False as in `finish`,
        and if a result was stored before a late cancel."""
        new = {"state": state, "fault": fault}
        return self._update(owner, id, new, run=run, state=State.QUEUED) is not None

    def update_result(self, owner: str, id: str, analysis: Analysis) -> bool:
        """Replace a finished result by an extended one; its thumbnail stays."""
        return self._update(owner, id, outcome(analysis), state=State.DONE) is not None

    def record_cache_hit(self, owner: str, id: str, now: datetime) -> Record | None:
        """Store that the file came again and got this result (`last_cache_hit`, `touched`)."""
        return self._update(owner, id, {"last_cache_hit": now, "touched": now})

    def change(self, owner: str, id: str, **changes: Unpack[RecordChanges]) -> Record | None:
        """Apply changes. Raise InputError and change nothing beyond the limits."""
        new: Row = rules.cleaned_changes(changes)
        record = self.get(owner, id)
        while record is not None and new:
            text = rules.search_text(record.model_copy(update=new))
            record = self._update(owner, id, new | {"search_text": text})
            if record is not None and rules.search_text(record) == text:
                break  # else somebody changed another part of it meanwhile
        return record

    def get(self, owner: str, id: str) -> Record | None:
        """Return a record of the owner."""
        return self._one({"owner": owner, "id": id})

    def records(self, owner: str, ids: Collection[str]) -> dict[str, Record]:
        """Return some of the owner's records by id."""
        rows = self.rows.select(RECORDS, RECORD, {"owner": owner, "id": list(ids)})
        return {record.id: record for record in self._readable(rows)}

    def of_file(self, owner: str, sha256: str) -> list[str]:
        """Return the ids of all the owner's records of a file, the newest first."""
        where = {"owner": owner, "sha256": sha256}
        rows = self.rows.select(RECORDS, ["id", "touched"], where, ("-touched", "id"))
        return [row["id"] for row in rows]

    def ended(self, owner: str, ids: Collection[str]) -> set[str]:
        """Return those of some ids that are no record which waits or runs; reads no result."""
        where = {"owner": owner, "id": list(ids), "state": State.QUEUED}
        return set(ids) - {row["id"] for row in self.rows.select(RECORDS, ["id"], where)}

    def open(self, viewer: str, id: str) -> Record | None:
        """Return the record behind an address for any caller; that of an account for this account
        only."""
        record = self._one({"id": id})
        if record and (record.owner == viewer or not rules.has_account(record.owner)):
            return record
        return None

    def search(self, owner: str, query: Query) -> Page:
        rows, counts, total = self._search(owner, query)
        known = {"": None} | {label.value: label for label in Label}
        # An account may write an invalid verdict into a row of its own.
        by_label = {known[label]: n for label, n in counts.items() if label in known}
        return Page(records=tuple(self._readable(rows)), total=total, counts=by_label)

    def find_cached(self, owner: str, cache_key: str) -> Record | None:
        """Return the owner's newest finished record with this key."""
        if not cache_key:
            return None
        where = {"owner": owner, "cache_key": cache_key, "state": State.DONE}
        rows = self.rows.select(RECORDS, RECORD, where, ("-analyzed", "id"), 1)
        return next(self._readable(rows), None)

    def ids(self, owner: str) -> list[str]:
        """Return the ids of all the owner's records."""
        rows = self.rows.select(RECORDS, ["id"], {"owner": owner}, ["id"])
        return [row["id"] for row in rows]

    def analysis(self, owner: str, id: str) -> Analysis | None:
        """Return the whole result; None also if this version can't read it."""
        rows = self.rows.select(RECORDS, ["document"], {"owner": owner, "id": id}, limit=1)
        return self.seals.read(rows[0]["document"], record_hash(id)) if rows else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        """Return the existing WebP thumbnails by id, of at most `MAX_THUMBNAIL_BYTES` each."""
        where = {"owner": owner, "id": list(ids)}
        rows = self.rows.select(RECORDS, ("id", "thumbnail"), where)
        return {row["id"]: row["thumbnail"] for row in rows if row["thumbnail"]}

    @abstractmethod
    def facets(self, owner: str) -> Facets: ...

    @abstractmethod
    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        """Delete records, but not their media (`Jobs.delete`); return the ids that existed."""

    @abstractmethod
    def usage(self, owner: str) -> Usage: ...

    # --- read-only links to records ---------------------------------------------------------------

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        """Create a link to a finished record and return it with its token. Raise InputError over
        `MAX_SHARE_TTL`."""
        rules.check_share_ttl(ttl)
        where = {"owner": owner, "id": id, "state": State.DONE}
        if not self.rows.select(RECORDS, ["id"], where, limit=1):
            return None
        link = ShareLink(id=new_id(), record=id, created=now, expires=now + ttl, token=new_id())
        row = link.model_dump(exclude={"token"})
        row |= {"owner": owner, "token_hash": rules.hash_token(link.token)}
        limit = Limit({"record": id}, MAX_LINKS, rules.too_many_links())
        self.rows.insert(SHARES, row, limit)
        return link

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        """Return valid links, to one record or to any, newest first; without tokens."""
        where = {"owner": owner} | ({"record": id} if id is not None else {})
        rows = self.rows.select(SHARES, LINK, where, ("-created", "id"))
        links = map(ShareLink.model_validate, rows)
        return [link for link in links if link.expires > now]

    def revoke(self, owner: str, share_id: str) -> bool:
        return bool(self.rows.delete(SHARES, {"id": share_id, "owner": owner}, ["id"]))

    @abstractmethod
    def shared(self, token: str, now: datetime) -> SharedResult | None:
        """Return the result behind a link; None if it is unknown, revoked, expired, or its record
        is gone."""

    # --- what people set for themselves, and ensembles that they put together and named -----------

    def preferences(self, owner: str) -> Preferences:
        return rules.read_preferences(self._settings(owner, _PREFERENCES).get(""))

    def save_preferences(self, owner: str, preferences: Preferences) -> None:
        self._set(owner, _PREFERENCES, "", preferences)

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        """Return ensembles by name, in the order of their names."""
        return rules.read_presets(self._settings(owner, _PRESET))

    def save_preset(self, owner: str, preset: CustomEnsemble) -> None:
        """Store a preset by its name; raise InputError without a name or over `MAX_PRESETS`."""
        rules.check_preset(preset, self._settings(owner, _PRESET))
        self._set(owner, _PRESET, preset.name, preset)

    def delete_preset(self, owner: str, name: str) -> bool:
        where = {"owner": owner, "kind": _PRESET, "name": name}
        return bool(self.rows.delete(SETTINGS, where, ["name"]))

    # --- inside -----------------------------------------------------------------------------------

    @abstractmethod
    def _search(self, owner: str, query: Query) -> tuple[Iterable[Row], Mapping[str, int], int]:
        """Return a page of records, the number of records by headline label (empty: no result), and
        the number of all matches."""

    def _update(self, owner: str, id: str, new: Row, **only: str) -> Record | None:
        """Write columns of a record if other fields are as in `only`; return the updated record."""
        rows = self.rows.update(RECORDS, new, {"owner": owner, "id": id, **only}, RECORD)
        return self._read(rows[0]) if rows else None

    def _one(self, where: Where) -> Record | None:
        rows = self.rows.select(RECORDS, RECORD, where, limit=1)
        return self._read(rows[0]) if rows else None

    def _read(self, row: Row) -> Record:
        """Return a row's record with its seal checked. Raise RecordsError if this version can't
        read it."""
        try:
            record = Record.model_validate({name: row[name] for name in RECORD})
        except ValidationError as error:
            text = _("This record holds what Unmask can't read.")
            hint = _("Your other records are not affected.")
            raise RecordsError(text, code="records_unreadable", hint=hint) from error
        return self.seals.checked(record)

    def _readable(self, rows: Iterable[Row]) -> Iterator[Record]:
        """Yield the records of rows, without unreadable ones."""
        for row in rows:
            try:
                yield self._read(row)
            except RecordsError:
                log.warning("a record that this version can't read was left out")

    def _settings(self, owner: str, kind: str) -> dict[str, Any]:
        where = {"owner": owner, "kind": kind}
        rows = self.rows.select(SETTINGS, ("name", "value"), where, limit=MAX_PRESETS + 1)
        return {row["name"]: row["value"] for row in rows}

    def _set(self, owner: str, kind: str, name: str, value: Any) -> None:
        """Replace a setting; an upsert would need the right to change its owner."""
        this = {"owner": owner, "kind": kind, "name": name}
        for first in (True, False):
            if self.rows.update(SETTINGS, {"value": value}, this, ["name"]):
                return
            try:
                self.rows.insert(SETTINGS, this | {"value": value})
                return
            except RecordsError as error:
                # Another tab was quicker: then there is one to update.
                if error.code != "records_taken" or not first:
                    raise


def shared_result(
    row: Row, analysis: Analysis | None, origin: ResultOrigin, now: datetime
) -> SharedResult | None:
    """Return the shared result; None if it can't be read or has expired."""
    if analysis is None:
        return None
    fields = {name: row[name] for name in ("share", "record", "name", "expires")}
    shared = SharedResult(**fields, analysis=analysis.without_place(), origin=origin)
    return shared if shared.expires > now else None


@dataclass(frozen=True)
class RecordScope:
    """The caller's owner id and store. Outlives the request: workers hold it."""

    owner: str
    store: Store
