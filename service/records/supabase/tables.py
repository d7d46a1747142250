"""Questions to the tables of supabase/migrations that more than one method of the store asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from service.records.model import Record, RecordsError
from service.records.supabase.rows import COLUMNS, Row, record_of, storable, translated_errors

if TYPE_CHECKING:
    from supabase import Client

BATCH_SIZE = 100
"""ids named in one request: they stand in its address, which servers cut at 8 kB"""


class Tables:
    """The tables as whoever `connect` gives a client of may see them."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect

    def _table(self, name: str) -> Any:
        return self._connect().table(name)

    def _call(self, function: str, given: Row) -> list[Row]:
        with translated_errors():
            return rows_of(self._connect().rpc(function, given).execute())

    def _row(self, owner: str, id: str, columns: str) -> Row | None:
        with translated_errors():
            rows = self._table("analyses").select(columns).eq("owner", owner).eq("id", id).execute()
        return next(iter(rows_of(rows)), None)

    def _update(self, owner: str, id: str, new: Row, **only: str) -> Record | None:
        """One statement: all of it or nothing. The record as it is now, or None."""
        asked = self._table("analyses").update(new).eq("owner", owner).eq("id", id)
        for column, value in only.items():
            asked = asked.eq(column, value)
        with translated_errors():
            rows = asked.select(COLUMNS).execute()
        return next(map(record_of, rows_of(rows)), None)

    def _settings(self, owner: str, kind: str) -> dict[str, Any]:
        with translated_errors():
            rows = (
                self._table("settings")
                .select("name,value")
                .eq("owner", owner)
                .eq("kind", kind)
                .execute()
            )
        return {row["name"]: row["value"] for row in rows_of(rows)}

    def _set(self, owner: str, kind: str, name: str, value: Row) -> None:
        """Write a setting over the one of that name. Not an upsert: that would need the right to
        change whose it is."""
        key = {"owner": owner, "kind": kind, "name": storable(name)}
        for first in (True, False):
            with translated_errors():
                rows = (
                    self._table("settings").update({"value": value}).match(key).select("name")
                ).execute()
            if rows_of(rows):
                return
            try:
                with translated_errors():
                    self._table("settings").insert(
                        key | {"value": value}, returning="minimal"
                    ).execute()
                return
            except RecordsError as error:
                # Another tab was quicker: then there is one to update.
                if error.code != "records_taken" or not first:
                    raise


def rows_of(answer: Any) -> list[Row]:
    """Return the rows of an answer; none where it has none."""
    return list(answer.data or [])


def batches(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield ids by as many as one request takes."""
    rest = iter(ids)
    while some := list(islice(rest, BATCH_SIZE)):
        yield some
