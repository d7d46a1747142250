"""Conversion of rows to the tables of a Supabase project, and of PostgREST's errors to
RecordsError."""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import httpx
from pydantic import TypeAdapter
from sqlalchemy import Table
from supabase import Client, PostgrestAPIError, StorageException

from detector.schema.analysis import Analysis
from detector.sentences import _
from service.records import rules
from service.records.cases import too_many_cases
from service.records.model import RecordsError
from service.records.tables import Limit, Row, Where, parts

PAGE_SIZE = 1000  # rows asked for at once; a project may be set to give fewer
BATCH_SIZE = 100  # ids named in one request: they stand in its address, which servers cut at 8 kB
_DERIVED = {"headline", "probability"}  # Columns that a project makes of others
_FIELDS = TypeAdapter(dict[str, Any])


class SupabaseRows:
    """A `RowGateway` of a Supabase project. `connect` returns a client with a token; policies
    decide what that may read and write."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect

    def select(
        self,
        table: Table,
        columns: Sequence[str],
        where: Where,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Row]:
        found: list[Row] = []
        for some in parts(where, BATCH_SIZE):
            most = limit or max((len(v) for v in some.values() if isinstance(v, list)), default=0)
            if most:
                found += self._page(table, columns, some, order, most)
                continue
            while page := self._page(
                table, columns, some, ["id"], PAGE_SIZE, after=found[-1]["id"] if found else ""
            ):
                found += page
        if not limit:
            for name in reversed(order):
                found.sort(key=itemgetter(name.removeprefix("-")), reverse=name[0] == "-")
        return found

    def _page(
        self,
        table: Table,
        columns: Sequence[str],
        where: Where,
        order: Sequence[str],
        limit: int,
        after: str | None = None,
    ) -> list[Row]:
        query = _matching(self._table(table).select(",".join(columns)), where)
        query = query if after is None else query.gt("id", after)
        for name in order:
            query = query.order(name.removeprefix("-"), desc=name[0] == "-")
        return answer(query.limit(limit))

    def insert(self, table: Table, row: Row, limit: Limit | None = None) -> None:
        answer(self._table(table).insert(as_json(row), returning="minimal"))

    def update(self, table: Table, new: Row, where: Where, columns: Sequence[str]) -> list[Row]:
        query = _matching(self._table(table).update(as_json(new)), where)
        return answer(query.select(",".join(columns)))

    def delete(self, table: Table, where: Where, columns: Sequence[str]) -> list[Row]:
        deleted: list[Row] = []
        for some in parts(where, BATCH_SIZE):
            query = _matching(self._table(table).delete(), some)
            deleted += answer(query.select(",".join(columns)))
        return deleted

    def call(self, function: str, arguments: Row) -> list[Row]:
        """Call a function of the project; return its rows."""
        return answer(self._connect().rpc(function, arguments))

    def _table(self, table: Table) -> Any:
        return self._connect().table(table.name)


def as_json(row: Row) -> Row:
    """Return a row with the project's columns, as JSON that PostgreSQL accepts."""
    values = {name: value for name, value in row.items() if name not in _DERIVED}
    if "document" in row:
        values |= _document(row["document"])
    if picture := row.get("thumbnail"):
        values["thumbnail"] = base64.b64encode(picture).decode()
    plain: Row = storable(_FIELDS.dump_python(values, mode="json"))
    return plain


def _document(analysis: Analysis | None) -> Row:
    """Return the columns of a whole result. The place of the recording has a column of its own, so
    that a share link can't reveal it."""
    if analysis is None:
        return {"document": None, "place": None}
    place = analysis.provenance.place if analysis.provenance else None
    return {
        "document": analysis.without_place().model_dump_json(),
        "place": place.model_dump_json() if place else None,
    }


def storable(value: Any) -> Any:
    """Return a value without NUL, which PostgreSQL accepts in no text."""
    if isinstance(value, str):
        return rules.storable(value)
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


def _matching(query: Any, where: Where) -> Any:
    for name, value in as_json(dict(where)).items():
        if value is None:
            query = query.is_(name, "null")
        elif isinstance(value, list):
            query = query.in_(name, value)
        else:
            query = query.eq(name, value)
    return query


def answer(query: Any) -> list[Row]:
    """Return the rows of a query. Raise RecordsError if the service refuses or is unreachable."""
    with translated_errors():
        return list(query.execute().data or [])


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise failures as `RecordsError` with Unmask's messages; the service's may quote a row."""
    try:
        yield
    except PostgrestAPIError as error:
        raise refusal(str(error.code or ""), str(error.details or "")) from error
    except StorageException as error:
        raise refusal(str(getattr(error, "status", "")), str(getattr(error, "code", ""))) from error
    except httpx.HTTPError as error:
        text = _("Your records can't be reached just now.")
        hint = _("Check the connection and try again in a moment.")
        raise RecordsError(text, code="records_unreachable", hint=hint) from error


_FULL: dict[str, str] = {
    "per_hour": _("You have added as many files as an account may in an hour."),
    "records": _("You keep as many files as an account may."),
    "bytes": _("Your records take up all the room that an account may have."),
    "presets": _("There are too many presets."),
    "settings": _("Your presets take up all the room that an account may have for them."),
    "all_links": _("There are as many links as an account may have."),
}
_SIGNED_OUT = ("signed_out", _("Your sign-in is over."), _("Sign in again. Nothing was lost."))
_NOT_ALLOWED = ("not_allowed", _("This account may not do that."), "")
_SETUP = (
    "records_setup",
    _("The Supabase project has not been set up for this version of Unmask."),
    _("Apply the files of deploy/supabase/migrations to it."),
)
_REFUSALS: dict[str, tuple[str, str, str]] = {
    "23505": ("records_taken", _("There is a record with this id already."), ""),
    "413": ("too_large", _("The file is larger than the records may hold."), ""),
    **dict.fromkeys(("PGRST301", "PGRST302", "PGRST303", "401"), _SIGNED_OUT),
    **dict.fromkeys(("42501", "403"), _NOT_ALLOWED),
    # No such function, table or column: the migrations have not been applied.
    **dict.fromkeys(("PGRST202", "PGRST205", "PGRST204", "42P01", "42883", "42703"), _SETUP),
}
"""Our code, what and what to do, by the code of PostgREST, PostgreSQL or the storage service."""


def refusal(code: str, details: str = "") -> RecordsError:
    """Return the error of a code of PostgREST, PostgreSQL or the storage service."""
    if code == "PT429" and details == "links":
        return rules.too_many_links()
    if code == "PT429" and details == "cases":
        return too_many_cases()
    if code == "PT429":
        text = _FULL.get(details, _("This account has used up what it may have."))
        delete = _("Delete some, or ask who runs this server for more.")
        later = _("Try again later.")
        return RecordsError(text, code="quota", hint=later if details == "per_hour" else delete)
    if code in _REFUSALS:
        ours, text, hint = _REFUSALS[code]
        return RecordsError(text, code=ours, hint=hint)
    text = _("The records can't be used just now ({code}).").format(
        code=code or _("no reason given")
    )
    return RecordsError(text, hint=_("Try again in a moment."))
