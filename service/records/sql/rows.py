"""How records stand in the rows of `service.records.tables`."""

import json
import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from detector.schema.analysis import Analysis, Settings
from service.records import rules
from service.records.model import ErrorReport, Record, ResultSummary

Row = dict[str, Any]

BATCH_SIZE = 500  # ids named in one statement; databases bound the number of its parameters

_JSON = ("seal", "interval", "proof")  # Fields of a summary that are stored as JSON
_SUMMARY = tuple(ResultSummary.model_fields)
_PLAIN = tuple(f for f in Record.model_fields if f != "result")


def row_of(record: Record) -> Row:
    """Return a record as a row of `records`."""
    row: Row = {name: getattr(record, name) for name in _PLAIN} | _columns(record.result)
    row["settings"] = record.settings.model_dump_json()
    row["fault"] = record.fault.model_dump_json() if record.fault else None
    row["search_text"] = rules.search_text(record)
    return row


def summary_row(analysis: Analysis | None) -> Row:
    """Return the columns of a result's summary."""
    return _columns(ResultSummary.of(analysis) if analysis else None)


def _columns(result: ResultSummary | None) -> Row:
    if result is None:
        return dict.fromkeys(_SUMMARY) | {"models": ()}
    texts = result.model_dump(mode="json", include=set(_JSON))
    stored = {name: value and json.dumps(value) for name, value in texts.items()}
    return result.model_dump() | stored


def record_of(row: sqlalchemy.Row[Any]) -> Record:
    """Return the record of a row of `records`."""
    columns = row._mapping
    plain: Row = {name: columns[name] for name in _PLAIN}
    plain["settings"] = Settings.model_validate_json(row.settings)
    plain["fault"] = ErrorReport.model_validate_json(row.fault) if row.fault else None
    if row.analyzed:
        plain["result"] = {name: columns[name] for name in _SUMMARY} | {
            name: json.loads(columns[name]) for name in _JSON if columns[name]
        }
    return Record.model_validate(plain)


def pack(analysis: Analysis) -> bytes:
    """Return a result compressed, about a tenth of its JSON's size."""
    return packed(analysis.model_dump_json())


def packed(document: str) -> bytes:
    """Return a result's JSON compressed."""
    return zlib.compress(document.encode(), 6)


def raw(data: bytes) -> bytes:
    """Return the JSON of a result as it was packed; nothing where it is damaged."""
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def upsert(connection: Connection, table: Table, row: Row) -> None:
    """Insert a row, or write it over the one with the same primary key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    inserted = dialect.insert(table).values(row)
    key = [column.name for column in table.primary_key]
    new = {name: inserted.excluded[name] for name in row if name not in key}
    connection.execute(inserted.on_conflict_do_update(index_elements=key, set_=new))


def insert_new(connection: Connection, table: Table, row: Row) -> bool:
    """Insert a row unless its key exists or comes with a concurrent insert; return whether."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    inserted = dialect.insert(table).values(row).on_conflict_do_nothing()
    # Not its row count, which a driver need not know.
    made = inserted.returning(*table.primary_key)
    return connection.execute(made).first() is not None


def batches(ids: Collection[str], size: int = 0) -> Iterator[Sequence[str]]:
    """Yield ids in parts of at most `size`, else `BATCH_SIZE`."""
    rest = iter(ids)
    while some := list(islice(rest, size or BATCH_SIZE)):
        yield some
