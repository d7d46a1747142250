"""How records stand in the rows of `service.records.tables`."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping, Table
from sqlalchemy.dialects import postgresql, sqlite

from detector.schema.analysis import Analysis, Settings
from service.records import rules
from service.records.model import ErrorReport, Record, ResultSummary

Row = dict[str, Any]

BATCH_SIZE = 500
"""ids named in one statement; databases bound the number of its parameters"""

_SUMMARY = tuple(ResultSummary.model_fields)
_PLAIN = tuple(f for f in Record.model_fields if f != "result")


def row_of(record: Record) -> Row:
    """Return a record as a row of `records`."""
    row: Row = {name: getattr(record, name) for name in _PLAIN}
    row |= summary_row(record.result) if record.result else no_result()
    row["settings"] = record.settings.model_dump_json()
    row["fault"] = fault_text(record.fault)
    row["search_text"] = rules.search_text(record)
    return row


def summary_row(summary: ResultSummary) -> Row:
    """Return the columns of a result's summary."""
    return {name: getattr(summary, name) for name in _SUMMARY}


def no_result() -> Row:
    """Return the columns of a summary where there is no result."""
    return dict.fromkeys(_SUMMARY) | {"models": ()}


def fault_text(fault: ErrorReport | None) -> str | None:
    """Return an error report as JSON."""
    return fault.model_dump_json() if fault else None


def record_of(row: RowMapping) -> Record:
    """Return the record of a row of `records`."""
    plain: Row = {name: row[name] for name in _PLAIN}
    plain["settings"] = Settings.model_validate_json(row["settings"])
    plain["fault"] = ErrorReport.model_validate_json(row["fault"]) if row["fault"] else None
    if row["analyzed"]:
        plain["result"] = {name: row[name] for name in _SUMMARY}
    return Record.model_validate(plain)


def pack(analysis: Analysis) -> bytes:
    """Return a result compressed, about a tenth of its JSON's size."""
    return zlib.compress(analysis.model_dump_json().encode(), 6)


def unpack(data: bytes) -> Analysis | None:
    """Return a result as it was packed; None if this version can't read it."""
    try:
        return Analysis.model_validate_json(zlib.decompress(data))
    except (ValueError, zlib.error):
        return None


def hash_token(token: str) -> str:
    """Return what is kept of a share's token: its sha256."""
    return hashlib.sha256(token.encode()).hexdigest()


def upsert(connection: Connection, table: Table, row: Row) -> None:
    """Insert a row, or write it over the one with the same primary key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    inserted = dialect.insert(table).values(row)
    key = [column.name for column in table.primary_key]
    new = {name: inserted.excluded[name] for name in row if name not in key}
    connection.execute(inserted.on_conflict_do_update(index_elements=key, set_=new))


def batches(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """Yield ids in parts of at most `AT_ONCE`."""
    rest = iter(ids)
    while some := list(islice(rest, BATCH_SIZE)):
        yield some
