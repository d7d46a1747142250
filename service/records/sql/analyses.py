"""Analyses: kept, run again, finished, changed, deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from detector.schema.analysis import Analysis, Settings
from service.messages import _
from service.records import rules
from service.records.database import Database
from service.records.model import (
    Confirmed,
    ErrorReport,
    Record,
    RecordsError,
    ResultSummary,
    State,
    Usage,
)
from service.records.sql.rows import (
    Row,
    batches,
    fault_text,
    no_result,
    pack,
    record_of,
    row_of,
    summary_row,
    unpack,
    upsert,
)
from service.records.tables import records, results


def owned(owner: str, id: str) -> ColumnElement[bool]:
    """Return the condition that holds for the owner's own record alone."""
    return and_(records.c.id == id, records.c.owner == owner)


class AnalysisRepository:
    """The part of a `Store` that holds records and their results."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        if analysis is not None:
            record = record.model_copy(
                update={"result": ResultSummary.of(analysis), "state": State.DONE}
            )
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
        new = no_result() | {
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
        new = summary_row(ResultSummary.of(analysis)) | {
            "state": State.DONE,
            "cache_key": cache_key,
            "fault": None,
        }
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
            new = {"state": state, "fault": fault_text(fault)}
            return _update(connection, which, new) is not None

    def update_result(self, owner: str, id: str, analysis: Analysis) -> bool:
        which = and_(owned(owner, id), records.c.state == State.DONE)
        with self.database.writing() as connection:
            record = _update(connection, which, summary_row(ResultSummary.of(analysis)))
            if record is not None:
                connection.execute(
                    update(results).where(results.c.id == id).values(analysis=pack(analysis))
                )
        return record is not None

    def get(self, owner: str, id: str) -> Record | None:
        with self.database.reading() as connection:
            return _first(connection, owned(owner, id))

    def open(self, viewer: str, id: str) -> Record | None:
        with self.database.reading() as connection:
            record = _first(connection, records.c.id == id)
        if record and (record.owner == viewer or not rules.has_account(record.owner)):
            return record
        return None

    def analysis(self, owner: str, id: str) -> Analysis | None:
        asked = select(results.c.analysis).join(records).where(owned(owner, id))
        with self.database.reading() as connection:
            data = connection.execute(asked).scalar_one_or_none()
        return unpack(data) if data else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        asked = (
            select(results.c.id, results.c.thumbnail)
            .join(records)
            .where(records.c.owner == owner, results.c.thumbnail.is_not(None))
        )
        with self.database.reading() as connection:
            return {
                id: thumbnail
                for some in batches(ids)
                for id, thumbnail in connection.execute(asked.where(results.c.id.in_(some)))
            }

    def find_cached(self, owner: str, cache_key: str) -> Record | None:
        if not cache_key:
            return None
        asked = (
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
            row = connection.execute(asked).mappings().first()
        return record_of(row) if row else None

    def record_cache_hit(self, owner: str, id: str, now: datetime) -> Record | None:
        with self.database.writing() as connection:
            return _update(connection, owned(owner, id), {"again": now, "touched": now})

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
        with self.database.writing() as connection:
            record = _first(connection, owned(owner, id), lock=True)
            if record is None or not given:
                return record
            row = row_of(record.model_copy(update=given))
            new = {name: row[name] for name in (*given, "search_text")}
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
        asked = select(records.c.id).where(records.c.owner == owner).order_by(records.c.id)
        with self.database.reading() as connection:
            return list(connection.execute(asked).scalars())

    def usage(self, owner: str) -> Usage:
        size = func.length(results.c.analysis) + func.coalesce(func.length(results.c.thumbnail), 0)
        asked = (
            select(func.count(), func.coalesce(func.sum(size), 0))
            .select_from(records.outerjoin(results))
            .where(records.c.owner == owner)
        )
        with self.database.reading() as connection:
            number, total = connection.execute(asked).one()
        return Usage(records=number, bytes=total)


def remove(connection: Connection, *which: ColumnElement[bool]) -> list[str]:
    """Delete records, and by the foreign keys their results and shares; return their ids."""
    gone = delete(records).where(*which).returning(records.c.id)
    return list(connection.execute(gone).scalars())


def _first(
    connection: Connection, which: ColumnElement[bool], *, lock: bool = False
) -> Record | None:
    asked = select(records).where(which)
    # SQLite has no lock of a row: there a writer is alone.
    row = connection.execute(asked.with_for_update() if lock else asked).mappings().first()
    return record_of(row) if row else None


def _update(connection: Connection, which: ColumnElement[bool], new: Row) -> Record | None:
    """One statement: the record as it is now, or None where the condition doesn't hold."""
    changed = update(records).where(which).values(new).returning(*records.c)
    row = connection.execute(changed).mappings().first()
    return record_of(row) if row else None


def _put_result(
    connection: Connection, id: str, analysis: Analysis, thumbnail: bytes | None
) -> None:
    row = {"id": id, "analysis": pack(analysis), "thumbnail": thumbnail}
    upsert(connection, results, row)
