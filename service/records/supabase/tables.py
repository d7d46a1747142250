"""Questions to the tables of supabase/migrations that more than one method of the store asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from service.records.model import Record, RecordsError
from service.records.seals import Keyring
from service.records.supabase.rows import COLUMNS, Row, record_of, storable, translated_errors

if TYPE_CHECKING:
    from supabase import Client

BATCH_SIZE = 100
"""ids named in one request: they stand in its address, which servers cut at 8 kB"""


class Tables:
    """The tables as whoever `connect` gives a client of may see them."""

    def __init__(self, connect: Callable[[], Client], seals: Keyring | None = None) -> None:
        self._connect = connect
        self.seals = seals or Keyring()

    def _table(self, name: str) -> Any:
        return self._connect().table(name)

    def _call(self, function: str, arguments: Row) -> list[Row]:
        return rows_of(self._connect().rpc(function, arguments))

    def _row(self, owner: str, id: str, columns: str) -> Row | None:
        query = self._table("analyses").select(columns).eq("owner", owner).eq("id", id)
        return next(iter(rows_of(query)), None)

    def _update(self, owner: str, id: str, new: Row, **only: str) -> Record | None:
        """One statement: all of it or nothing. The record as it is now, or None."""
        query = self._table("analyses").update(new).match({"owner": owner, "id": id, **only})
        return next(map(record_of, rows_of(query.select(COLUMNS))), None)

    def _settings(self, owner: str, kind: str) -> dict[str, Any]:
        query = self._table("settings").select("name,value").eq("owner", owner).eq("kind", kind)
        return {row["name"]: row["value"] for row in rows_of(query)}

    def _set(self, owner: str, kind: str, name: str, value: Row) -> None:
        """Write a setting over the one of that name. Not an upsert: that would need the right to
        change whose it is."""
        key = {"owner": owner, "kind": kind, "name": storable(name)}
        for first in (True, False):
            if rows_of(self._table("settings").update({"value": value}).match(key).select("name")):
                return
            try:
                rows_of(self._table("settings").insert(key | {"value": value}, returning="minimal"))
                return
            except RecordsError as error:
                # Another tab was quicker: then there is one to update.
                if error.code != "records_taken" or not first:
                    raise


def rows_of(query: Any) -> list[Row]:
    """Ask the service and return the rows of its answer; none where it has none.

    Raises
    ------
    RecordsError
        The service refuses or can't be reached.
    """
    with translated_errors():
        return list(query.execute().data or [])


def batches(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield ids by as many as one request takes."""
    rest = iter(ids)
    while some := list(islice(rest, BATCH_SIZE)):
        yield some
