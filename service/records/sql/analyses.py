"""Analyses: kept, run again, finished, changed, deleted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Unpack

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from detector.schema.analysis import Analysis, Settings
from detector.seals import record_hash
from service.messages import _
from service.records import rules
from service.records.database import Database
from service.records.model import ErrorReport, Record, RecordsError, ResultSummary, State, Usage
from service.records.seals import Keyring
from service.records.sql.rows import (
    NO_RESULT,
    Row,
    batches,
    pack,
    raw,
    record_of,
    row_of,
    summary_row,
    upsert,
)
from service.records.store import RecordChanges
from service.records.tables import records, results


def owned(owner: str, id: str) -> ColumnElement[bool]:
    """Return the condition that holds for the owner's own record alone."""
    return and_(records.c.id == id, records.c.owner == owner)


class AnalysisRepository:
    """The part of a `Store` that holds records and their results."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.seals = Keyring()

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        if analysis is not None:
            done = {"result": ResultSummary.of(analysis), "state": State.DONE}
            record = record.model_copy(update=done)
        try:
            with self.database.writing() as connection:
                connection.execute(insert(records).values(row_of(record)))
                if analysis is not None:
                    _put_result(connection, record.id, analysis, thumbnail)
        except RecordsError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise RecordsError(_("There is a record with this id already.")) from error
            raise

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        new = NO_RESULT | {
            "run": run,
            "settings": settings.model_dump_json(),
            "cache_key": cache_key,
            "touched": now,
            "state": State.QUEUED,
            "fault": None,
            "again": None,
        }
        with self.database.writing() as connection:
            record = _update(connection, owned(owner, id), new)
            if record is not None:
                connection.execute(delete(results).where(results.c.id == id))
        return record

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
        new |= summary_row(ResultSummary.of(analysis))
        with self.database.writing() as connection:
            record = _update(connection, and_(owned(owner, id), records.c.run == run), new)
            if record is not None:
                _put_result(connection, id, analysis, thumbnail)
        return record is not None

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        which = and_(owned(owner, id), records.c.run == run)
        with self.database.writing() as connection:
            new = {"state": state, "fault": fault.model_dump_json() if fault else None}
            return _update(connection, which, new) is not None

    def update_result(self, owner: str, id: str, analysis: Analysis) -> bool:
        which = and_(owned(owner, id), records.c.state == State.DONE)
        with self.database.writing() as connection:
            record = _update(connection, which, summary_row(ResultSummary.of(analysis)))
            if record is not None:
                changed = update(results).where(results.c.id == id)
                connection.execute(changed.values(analysis=pack(analysis)))
        return record is not None

    def get(self, owner: str, id: str) -> Record | None:
        with self.database.reading() as connection:
            record = _first(connection, owned(owner, id))
        return self.seals.checked(record) if record else None

    def records(self, owner: str, ids: Collection[str]) -> dict[str, Record]:
        query = select(records).where(records.c.owner == owner)
        with self.database.reading() as connection:
            found = [
                record_of(row)
                for some in batches(ids)
                for row in connection.execute(query.where(records.c.id.in_(some))).mappings()
            ]
        return {record.id: self.seals.checked(record) for record in found}

    def open(self, viewer: str, id: str) -> Record | None:
        with self.database.reading() as connection:
            record = _first(connection, records.c.id == id)
        if record and (record.owner == viewer or not rules.has_account(record.owner)):
            return self.seals.checked(record)
        return None

    def analysis(self, owner: str, id: str) -> Analysis | None:
        query = select(results.c.analysis).join(records).where(owned(owner, id))
        with self.database.reading() as connection:
            data = connection.execute(query).scalar_one_or_none()
        return self.seals.read(raw(data), record_hash(id)) if data else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        query = (
            select(results.c.id, results.c.thumbnail)
            .join(records)
            .where(records.c.owner == owner, results.c.thumbnail.is_not(None))
        )
        with self.database.reading() as connection:
            return {
                id: thumbnail
                for some in batches(ids)
                for id, thumbnail in connection.execute(query.where(results.c.id.in_(some)))
            }

    def find_cached(self, owner: str, cache_key: str) -> Record | None:
        if not cache_key:
            return None
        query = (
            select(records)
            .where(
                records.c.owner == owner,
                records.c.cache_key == cache_key,
                records.c.cache_key != "",  # the index is of these alone
                records.c.state == State.DONE,
            )
            .order_by(records.c.analyzed.desc(), records.c.id)
            .limit(1)
        )
        with self.database.reading() as connection:
            return _record(connection, query)

    def record_cache_hit(self, owner: str, id: str, now: datetime) -> Record | None:
        with self.database.writing() as connection:
            return _update(connection, owned(owner, id), {"again": now, "touched": now})

    def change(self, owner: str, id: str, **changes: Unpack[RecordChanges]) -> Record | None:
        cleaned = rules.cleaned_changes(changes)
        with self.database.writing() as connection:
            record = _first(connection, owned(owner, id), lock=True)
            if record is None or not cleaned:
                return record
            row = row_of(record.model_copy(update=cleaned))
            new = {name: row[name] for name in (*cleaned, "search_text")}
            record = _update(connection, owned(owner, id), new)
        self.database.empty_log()
        return record

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        with self.database.writing() as connection:
            deleted = [
                id
                for some in batches(ids)
                for id in remove(connection, records.c.owner == owner, records.c.id.in_(some))
            ]
        self.database.empty_log()
        return deleted

    def ids(self, owner: str) -> list[str]:
        query = select(records.c.id).where(records.c.owner == owner).order_by(records.c.id)
        with self.database.reading() as connection:
            return list(connection.execute(query).scalars())

    def usage(self, owner: str) -> Usage:
        size = func.length(results.c.analysis) + func.coalesce(func.length(results.c.thumbnail), 0)
        query = (
            select(func.count(), func.coalesce(func.sum(size), 0))
            .select_from(records.outerjoin(results))
            .where(records.c.owner == owner)
        )
        with self.database.reading() as connection:
            number, total = connection.execute(query).one()
        return Usage(records=number, bytes=total)


def remove(connection: Connection, *which: ColumnElement[bool]) -> list[str]:
    """Delete records, and by the foreign keys their results and shares; return their ids."""
    removed = delete(records).where(*which).returning(records.c.id)
    return list(connection.execute(removed).scalars())


def _first(
    connection: Connection, which: ColumnElement[bool], *, lock: bool = False
) -> Record | None:
    query = select(records).where(which)
    # SQLite has no lock of a row: there a writer is alone.
    return _record(connection, query.with_for_update() if lock else query)


def _update(connection: Connection, which: ColumnElement[bool], new: Row) -> Record | None:
    """One statement: the record as it is now, or None where the condition doesn't hold."""
    return _record(connection, update(records).where(which).values(new).returning(*records.c))


def _record(connection: Connection, statement: Executable) -> Record | None:
    row = connection.execute(statement).mappings().first()
    return record_of(row) if row else None


def _put_result(
    connection: Connection, id: str, analysis: Analysis, thumbnail: bytes | None
) -> None:
    row = {"id": id, "analysis": pack(analysis), "thumbnail": thumbnail}
    upsert(connection, results, row)
