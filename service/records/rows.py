"""How records stand in the rows of `unmask.db`: texts, numbers, and moments that sort as texts."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from detector.schema.analysis import Analysis, Settings
from service.records import store as rules
from service.records.store import ErrorReport, Order, Query, Record, Summary

ORDERS: dict[Order, str] = {
    "newest": "touched DESC, id",
    "oldest": "touched, id",
    "name": "name COLLATE NOCASE, id",
    "likelihood": "probability DESC NULLS LAST, id",
}
OURS = "id = :id AND owner = :owner"
_SUMMARY = tuple(Summary.model_fields)
_PLAIN = tuple(f for f in Record.model_fields if f != "result")


def stamp(moment: datetime) -> str:
    """Of one length, in UTC, so that texts compare as moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def row_of(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    row |= summary_row(record.result) if record.result else no_result()
    for name in ("created", "touched", "again"):
        row[name] = stamp(row[name]) if row[name] else None
    row["settings"] = record.settings.model_dump_json()
    row["fault"] = record.fault.model_dump_json() if record.fault else None
    row["tags"] = json.dumps(record.tags)
    row["haystack"] = rules.haystack(record)
    return row


def summary_row(summary: Summary) -> dict[str, Any]:
    row = {name: getattr(summary, name) for name in _SUMMARY}
    return row | {"analyzed": stamp(summary.analyzed), "models": json.dumps(summary.models)}


def no_result() -> dict[str, Any]:
    return dict.fromkeys(_SUMMARY) | {"models": "[]"}


def record_of(row: sqlite3.Row) -> Record:
    plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
    plain["settings"] = Settings.model_validate_json(row["settings"])
    plain["fault"] = ErrorReport.model_validate_json(row["fault"]) if row["fault"] else None
    plain["tags"] = json.loads(row["tags"])
    if row["analyzed"]:
        summary = {name: row[name] for name in _SUMMARY}
        plain["result"] = summary | {"models": json.loads(row["models"])}
    return Record.model_validate(plain)


def update(
    db: sqlite3.Connection, new: Mapping[str, Any], where: str, which: dict[str, Any]
) -> bool:
    """UPDATE; whether there was such a row. The names in `new` are of this module."""
    assigned = ", ".join(f"{name} = :{name}" for name in new)
    done = db.execute(f"UPDATE records SET {assigned} WHERE {where}", dict(new) | which)
    return bool(done.rowcount)


def put_result(
    db: sqlite3.Connection, id: str, analysis: Analysis, thumbnail: bytes | None
) -> None:
    db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (id, packed(analysis), thumbnail))


def packed(analysis: Analysis) -> bytes:
    """About a tenth of the JSON's size."""
    return zlib.compress(analysis.model_dump_json().encode(), 6)


def unpacked(data: bytes) -> Analysis | None:
    try:
        return Analysis.model_validate_json(zlib.decompress(data))
    except (ValueError, zlib.error):
        return None


def where(owner: str, query: Query) -> tuple[str, dict[str, Any]]:
    """All filters but that of the verdict."""
    parts, values = ["owner = :owner"], {"owner": owner}
    for number, word in enumerate(rules.folded(query.text).split()):
        parts.append(f"instr(haystack, :word{number}) > 0")
        values[f"word{number}"] = word
    for column, wanted in (("tags", query.tags), ("models", query.models)):
        if wanted:
            parts.append(
                f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value IN "
                f"(SELECT value FROM json_each(:{column})))"
            )
            values[column] = json.dumps(sorted(wanted))
    if query.confirmed:
        parts.append("confirmed IN (SELECT value FROM json_each(:confirmed))")
        values["confirmed"] = json.dumps(sorted(query.confirmed))
    if query.since is not None:
        parts.append("touched >= :since")
        values["since"] = stamp(query.since)
    if query.until is not None:
        parts.append("touched < :until")
        values["until"] = stamp(query.until)
    return " AND ".join(parts), values


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
