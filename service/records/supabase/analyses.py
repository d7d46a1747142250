"""Analyses: kept, run again, finished, found, changed, deleted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Unpack

from detector.schema.analysis import Analysis, Label, Settings
from detector.seals import record_hash
from service.records import rules
from service.records.model import ErrorReport, Facets, Page, Query, Record, State, Usage
from service.records.store import RecordChanges
from service.records.supabase.files import SupabaseFiles
from service.records.supabase.rows import (
    COLUMNS,
    NO_RESULT,
    Row,
    analysis_of,
    readable,
    record_of,
    result_row,
    row_of,
    search_arguments,
    storable,
    thumbnail_of,
)
from service.records.supabase.tables import batches, rows_of

PAGE_SIZE = 1000
"""rows asked for at once; a project may be set to give fewer"""


class SupabaseAnalyses(SupabaseFiles):
    """The part of a `Store` that holds records and their results."""

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        row = row_of(record)
        if analysis is not None:
            row |= result_row(analysis, thumbnail) | {"state": State.DONE}
        rows_of(self._table("analyses").insert(row, returning="minimal"))

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        new = NO_RESULT | {
            "run": run,
            "settings": settings.model_dump(mode="json"),
            "cache_key": cache_key,
            "touched": now.isoformat(),
            "state": State.QUEUED,
            "fault": None,
            "again": None,
        }
        return self._update(owner, id, new)

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
        new = {"state": State.DONE, "cache_key": cache_key, "fault": None}
        new |= result_row(analysis, thumbnail)
        return self._update(owner, id, new, run=run) is not None

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        new = {"state": state, "fault": storable(fault.model_dump(mode="json")) if fault else None}
        # A result that came first stays: who cancels may be late.
        return self._update(owner, id, new, run=run, state=State.QUEUED) is not None

    def update_result(self, owner: str, id: str, analysis: Analysis) -> bool:
        new = result_row(analysis)
        del new["thumbnail"]  # stays
        return self._update(owner, id, new, state=State.DONE) is not None

    def get(self, owner: str, id: str) -> Record | None:
        row = self._row(owner, id, COLUMNS)
        return self.seals.checked(record_of(row)) if row else None

    def records(self, owner: str, ids: Collection[str]) -> dict[str, Record]:
        rows: list[Row] = []
        for some in batches(ids):
            query = self._table("analyses").select(COLUMNS).eq("owner", owner)
            rows += rows_of(query.in_("id", some))
        return {record.id: self.seals.checked(record) for record in readable(rows)}

    def open(self, viewer: str, id: str) -> Record | None:
        # All that is kept here belongs to accounts.
        return self.get(viewer, id)

    def analysis(self, owner: str, id: str) -> Analysis | None:
        row = self._row(owner, id, "document,place,result")
        return analysis_of(row, record_hash(id), self.seals) if row else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        thumbnails: dict[str, bytes] = {}
        for some in batches(ids):
            query = self._table("analyses").select("id,thumbnail").eq("owner", owner)
            rows = rows_of(query.in_("id", some).not_.is_("thumbnail", "null"))
            pictures = {row["id"]: thumbnail_of(row["thumbnail"]) for row in rows}
            thumbnails |= {id: picture for id, picture in pictures.items() if picture}
        return thumbnails

    def search(self, owner: str, query: Query) -> Page:
        (page,) = self._call("search_analyses", search_arguments(owner, query))
        known = {"": None} | {label.value: label for label in Label}
        # An account may write a verdict that is none into a row of its own.
        counts = {known[k]: n for k, n in page["counts"].items() if k in known}
        records = tuple(map(self.seals.checked, readable(page["records"])))
        return Page(records=records, total=page["total"], counts=counts)

    def facets(self, owner: str) -> Facets:
        rows = self._call("facets", {"p_owner": owner})
        rows.sort(key=lambda row: (-row["number"], row["name"]))
        tags, models = (
            {row["name"]: row["number"] for row in rows if row["kind"] == kind}
            for kind in ("tag", "model")
        )
        return Facets(tags=tags, models=models)

    def find_cached(self, owner: str, cache_key: str) -> Record | None:
        if not cache_key:
            return None
        which = {"owner": owner, "cache_key": cache_key, "state": State.DONE}
        query = self._table("analyses").select(COLUMNS).match(which)
        query = query.order("analyzed", desc=True).order("id").limit(1)
        return next(readable(rows_of(query)), None)

    def record_cache_hit(self, owner: str, id: str, now: datetime) -> Record | None:
        when = now.isoformat()
        return self._update(owner, id, {"again": when, "touched": when})

    def change(self, owner: str, id: str, **changes: Unpack[RecordChanges]) -> Record | None:
        cleaned = rules.cleaned_changes(changes)
        record = self.get(owner, id)
        if record is None or not cleaned:
            return record
        row = row_of(record.model_copy(update=cleaned))
        return self._update(owner, id, {name: row[name] for name in (*cleaned, "haystack")})

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        deleted: list[Row] = []
        for some in batches(ids):
            query = self._table("analyses").delete().eq("owner", owner).in_("id", some)
            deleted += rows_of(query.select("id,media"))
        if any(row["media"] for row in deleted):
            self._remove_media(owner)
        return [row["id"] for row in deleted]

    def ids(self, owner: str) -> list[str]:
        ids: list[str] = []
        while True:
            query = self._table("analyses").select("id").eq("owner", owner).order("id")
            some = rows_of(query.gt("id", ids[-1] if ids else "").limit(PAGE_SIZE))
            if not some:
                return ids
            ids += [row["id"] for row in some]

    def usage(self, owner: str) -> Usage:
        (usage,) = self._call("usage_of", {"p_owner": owner})
        return Usage(records=usage["records"], bytes=usage["bytes"])
