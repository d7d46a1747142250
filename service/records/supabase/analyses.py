"""Analyses: kept, run again, finished, found, changed, deleted."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable
from datetime import datetime

from detector.schema.analysis import Analysis, Label, Settings
from service.records import rules
from service.records.model import (
    Confirmed,
    ErrorReport,
    Facets,
    Page,
    Query,
    Record,
    State,
    Usage,
)
from service.records.supabase.files import SupabaseFiles
from service.records.supabase.rows import (
    COLUMNS,
    NO_RESULT,
    Row,
    analysis_of,
    fault_json,
    record_of,
    result_row,
    row_of,
    search_arguments,
    thumbnail_text,
    translated_errors,
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
            row |= result_row(analysis) | {
                "state": State.DONE,
                "thumbnail": thumbnail_text(thumbnail),
            }
        with translated_errors():
            self._table("analyses").insert(row, returning="minimal").execute()

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        return self._update(
            owner,
            id,
            NO_RESULT
            | {
                "run": run,
                "settings": settings.model_dump(mode="json"),
                "cache_key": cache_key,
                "touched": now.isoformat(),
                "state": State.QUEUED,
                "fault": None,
                "again": None,
            },
        )

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
        new = result_row(analysis) | {
            "state": State.DONE,
            "cache_key": cache_key,
            "fault": None,
            "thumbnail": thumbnail_text(thumbnail),
        }
        return self._update(owner, id, new, run=run) is not None

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        new = {"state": state, "fault": fault_json(fault)}
        # A result that came first stays: who cancels may be late.
        return self._update(owner, id, new, run=run, state=State.QUEUED) is not None

    def update_result(self, owner: str, id: str, analysis: Analysis) -> bool:
        return self._update(owner, id, result_row(analysis), state=State.DONE) is not None

    def get(self, owner: str, id: str) -> Record | None:
        row = self._row(owner, id, COLUMNS)
        return record_of(row) if row else None

    def open(self, viewer: str, id: str) -> Record | None:
        # All that is kept here belongs to accounts.
        return self.get(viewer, id)

    def analysis(self, owner: str, id: str) -> Analysis | None:
        row = self._row(owner, id, "document,place")
        return analysis_of(row) if row else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for some in batches(ids):
            with translated_errors():
                rows = (
                    self._table("analyses")
                    .select("id,thumbnail")
                    .eq("owner", owner)
                    .in_("id", some)
                    .not_.is_("thumbnail", "null")
                    .execute()
                )
            found |= {row["id"]: base64.b64decode(row["thumbnail"]) for row in rows_of(rows)}
        return found

    def search(self, owner: str, query: Query) -> Page:
        (found,) = self._call("search_analyses", search_arguments(owner, query))
        return Page(
            records=tuple(map(record_of, found["records"])),
            total=found["total"],
            counts={Label(k) if k else None: n for k, n in found["counts"].items()},
        )

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
        with translated_errors():
            rows = (
                self._table("analyses")
                .select(COLUMNS)
                .eq("owner", owner)
                .eq("cache_key", cache_key)
                .eq("state", State.DONE)
                .order("analyzed", desc=True)
                .order("id")
                .limit(1)
                .execute()
            )
        return next(map(record_of, rows_of(rows)), None)

    def record_cache_hit(self, owner: str, id: str, now: datetime) -> Record | None:
        when = now.isoformat()
        return self._update(owner, id, {"again": when, "touched": when})

    def change(
        self,
        owner: str,
        id: str,
        *,
        note: str | None = None,
        tags: Iterable[str] | None = None,
        confirmed: Confirmed | None = None,
    ) -> Record | None:
        given = rules.cleaned_changes(note, tags, confirmed)
        record = self.get(owner, id)
        if record is None or not given:
            return record
        row = row_of(record.model_copy(update=given))
        return self._update(owner, id, {name: row[name] for name in (*given, "haystack")})

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        deleted: list[Row] = []
        for some in batches(ids):
            with translated_errors():
                rows = (
                    self._table("analyses")
                    .delete()
                    .eq("owner", owner)
                    .in_("id", some)
                    .select("id,media")
                    .execute()
                )
            deleted += rows_of(rows)
        if any(row["media"] for row in deleted):
            self._remove_media(owner)
        return [row["id"] for row in deleted]

    def ids(self, owner: str) -> list[str]:
        found: list[str] = []
        while True:
            with translated_errors():
                rows = (
                    self._table("analyses")
                    .select("id")
                    .eq("owner", owner)
                    .order("id")
                    .gt("id", found[-1] if found else "")
                    .limit(PAGE_SIZE)
                    .execute()
                )
            some = [row["id"] for row in rows_of(rows)]
            if not some:
                return found
            found += some

    def usage(self, owner: str) -> Usage:
        (found,) = self._call("usage_of", {"p_owner": owner})
        return Usage(records=found["records"], bytes=found["bytes"])
