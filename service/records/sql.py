"""Records in SQLite or PostgreSQL: their rows, their store, and what a server does that finds them
damaged.
"""

import json
import logging
import secrets
import zlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Unpack

import sqlalchemy
from pydantic import BaseModel
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    not_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from detector.schema.analysis import Analysis, CustomEnsemble, Label, Settings
from detector.seals import record_hash
from detector.sentences import _
from service.context import new_id
from service.records import rules
from service.records.cases import SQLCases
from service.records.database import FILE, Database, batches, upsert
from service.records.model import (
    GUEST,
    MAX_LINKS,
    Confirmed,
    ErrorReport,
    Facets,
    Order,
    Page,
    Preferences,
    Query,
    Record,
    RecordsError,
    ResultSummary,
    SharedResult,
    ShareLink,
    State,
    Usage,
)
from service.records.seals import Keyring, origin
from service.records.store import RecordChanges, RunOutcome, Store
from service.records.tables import TextType, cases, presets, records, results, shares
from service.records.tables import preferences as preferences_table

Row = dict[str, Any]


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


def pack(document: str) -> bytes:
    """Return a result's JSON compressed, to about a tenth of its size."""
    return zlib.compress(document.encode(), 6)


def raw(data: bytes) -> bytes:
    """Return the JSON of a result as it was packed; nothing where it is damaged."""
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


HEADLINE_LABEL = case(
    (records.c.proof.is_not(None), literal_column(f"'{Label.FAKE}'")), else_=records.c.verdict
)
"""`detector.schema.codes.headline_label`"""
_SUSPICION = case({label.value: label.suspicion for label in Label}, value=HEADLINE_LABEL, else_=0)
ORDERS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    "newest": (records.c.touched.desc(), records.c.id),
    "oldest": (records.c.touched, records.c.id),
    "name": (func.lower(records.c.name), records.c.id),
    "likelihood": (_SUSPICION.desc(), records.c.probability.desc().nulls_last(), records.c.id),
}


class SQLStore(Store):
    """Records in SQLite or PostgreSQL."""

    cases: SQLCases

    def __init__(self, database: Database) -> None:
        self.database = database
        self.seals = Keyring()
        self.cases = SQLCases(database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    # --- records and their results ----------------------------------------------------------------

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

    def get(self, owner: str, id: str) -> Record | None:
        with self.database.reading() as connection:
            record = _first(connection, _owned(owner, id))
        return self.seals.checked(record) if record else None

    def records(self, owner: str, ids: Collection[str]) -> dict[str, Record]:
        query = select(records).where(records.c.owner == owner)
        with self.database.reading() as connection:
            found = [
                record_of(row)
                for some in batches(ids)
                for row in connection.execute(query.where(records.c.id.in_(some)))
            ]
        return {record.id: self.seals.checked(record) for record in found}

    def open(self, viewer: str, id: str) -> Record | None:
        with self.database.reading() as connection:
            record = _first(connection, records.c.id == id)
        if record and (record.owner == viewer or not rules.has_account(record.owner)):
            return self.seals.checked(record)
        return None

    def analysis(self, owner: str, id: str) -> Analysis | None:
        query = select(results.c.analysis).join(records).where(_owned(owner, id))
        data = self.database.scalar(query)
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

    def change(self, owner: str, id: str, **changes: Unpack[RecordChanges]) -> Record | None:
        cleaned = rules.cleaned_changes(changes)
        with self.database.writing() as connection:
            record = _first(connection, _owned(owner, id), lock=True)
            if record is None or not cleaned:
                return record
            row = row_of(record.model_copy(update=cleaned))
            new = {name: row[name] for name in (*cleaned, "search_text")}
            changed = update(records).where(_owned(owner, id)).values(new)
            record = _record(connection, changed.returning(*records.c))
        self.database.empty_log()
        return record

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        with self.database.writing() as connection:
            deleted = [
                id
                for some in batches(ids)
                for id in _remove(connection, records.c.owner == owner, records.c.id.in_(some))
            ]
        self.database.empty_log()
        return deleted

    def ids(self, owner: str) -> list[str]:
        query = select(records.c.id).where(records.c.owner == owner).order_by(records.c.id)
        return [row.id for row in self.database.rows(query)]

    def usage(self, owner: str) -> Usage:
        size = func.length(results.c.analysis) + func.coalesce(func.length(results.c.thumbnail), 0)
        query = (
            select(func.count(), func.coalesce(func.sum(size), 0))
            .select_from(records.outerjoin(results))
            .where(records.c.owner == owner)
        )
        [(number, total)] = map(tuple, self.database.rows(query))
        return Usage(records=number, bytes=total)

    def _update(
        self,
        owner: str,
        id: str,
        new: Mapping[str, Any],
        outcome: RunOutcome | None = None,
        **only: str,
    ) -> Record | None:
        row = {n: v.model_dump_json() if isinstance(v, BaseModel) else v for n, v in new.items()}
        if outcome is not None:
            analysis = outcome.analysis
            row |= _columns(ResultSummary.of(analysis) if analysis else None)
        as_it_was = [records.c[name] == value for name, value in only.items()]
        changed = update(records).where(_owned(owner, id), *as_it_was).values(row)
        of_it = results.c.id == id
        with self.database.writing() as connection:
            record = _record(connection, changed.returning(*records.c))
            if record is None or outcome is None:
                return record
            if outcome.analysis is None:
                connection.execute(delete(results).where(of_it))
            elif outcome.keeps_thumbnail:
                packed = pack(outcome.analysis.model_dump_json())
                connection.execute(update(results).where(of_it).values(analysis=packed))
            else:
                _put_result(connection, id, outcome.analysis, outcome.thumbnail)
        return record

    # --- search -----------------------------------------------------------------------------------

    def search(self, owner: str, query: Query) -> Page:
        filters = self._conditions(owner, query)
        verdicts = query.verdicts
        page = [*filters, HEADLINE_LABEL.in_(list(verdicts))] if verdicts else filters
        counted = select(HEADLINE_LABEL, func.count()).where(*filters).group_by(HEADLINE_LABEL)
        statement = (
            select(records)
            .where(*page)
            .order_by(*ORDERS[query.order])
            .limit(query.limit)
            .offset(query.offset)
        )
        with self.database.reading() as connection:
            counts = {Label(v) if v else None: number for v, number in connection.execute(counted)}
            rows = connection.execute(statement).all()
        total = sum(n for label, n in counts.items() if not verdicts or label in verdicts)
        found = tuple(self.seals.checked(record_of(row)) for row in rows)
        return Page(records=found, total=total, counts=counts)

    def facets(self, owner: str) -> Facets:
        with self.database.reading() as connection:
            return Facets(
                tags=self._counted(connection, owner, records.c.tags),
                models=self._counted(connection, owner, records.c.models),
            )

    def _conditions(self, owner: str, query: Query) -> list[ColumnElement[bool]]:
        """Return all filters but that of the verdict."""
        # Unlike with LIKE, no letter of what is looked for means anything.
        position = func.strpos if self._postgresql else func.instr
        parts = [records.c.owner == owner]
        parts += [
            position(records.c.search_text, literal(word, TextType)) > 0
            for word in rules.normalize_text(query.text).split()
        ]
        for column, values in ((records.c.tags, query.tags), (records.c.models, query.models)):
            if values:
                words = self._words(column)
                parts.append(exists(select(words.c.value).where(words.c.value.in_(list(values)))))
        if query.confirmed:
            parts.append(records.c.confirmed.in_(list(query.confirmed)))
        if query.since is not None:
            parts.append(records.c.touched >= query.since)
        if query.until is not None:
            parts.append(records.c.touched < query.until)
        return parts

    def _counted(self, connection: Connection, owner: str, column: Column[Any]) -> dict[str, int]:
        words = self._words(column)
        number = func.count().label("number")
        statement = (
            select(words.c.value, number)
            .select_from(records.join(words, records.c.owner == owner))
            .group_by(words.c.value)
            .order_by(number.desc(), words.c.value)
        )
        return {row.value: row.number for row in connection.execute(statement)}

    def _words(self, column: Column[Any]) -> Any:
        """Return the rows of a `StringList`, each with its text in `value`."""
        elements = func.jsonb_array_elements_text if self._postgresql else func.json_each
        return elements(column).table_valued(Column("value", TextType))

    @property
    def _postgresql(self) -> bool:
        return self.database.dialect == "postgresql"

    # --- share links ------------------------------------------------------------------------------

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        rules.check_share_ttl(ttl)
        link_id, token = secrets.token_hex(8), new_id()
        link = ShareLink(id=link_id, record=id, created=now, expires=now + ttl, token=token)
        finished = (
            select(records.c.id)
            .where(_owned(owner, id), records.c.state == State.DONE)
            .with_for_update()  # or it could be deleted, or get another link, in between
        )
        with self.database.writing() as connection:
            if connection.execute(finished).first() is None:
                return None
            connection.execute(delete(shares).where(shares.c.record == id, shares.c.expires <= now))
            number = select(func.count()).select_from(shares).where(shares.c.record == id)
            if connection.execute(number).scalar_one() >= MAX_LINKS:
                raise rules.too_many_links()
            row = link.model_dump(exclude={"token"}) | {"token_hash": rules.hash_token(link.token)}
            connection.execute(insert(shares).values(row))
        return link

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        query = (
            select(shares.c.id, shares.c.record, shares.c.created, shares.c.expires)
            .join(records)
            .where(records.c.owner == owner, shares.c.expires > now)
            .order_by(shares.c.created.desc(), shares.c.id)
        )
        if id is not None:
            query = query.where(shares.c.record == id)
        return [ShareLink.model_validate(row._asdict()) for row in self.database.rows(query)]

    def revoke(self, owner: str, share_id: str) -> bool:
        theirs = select(records.c.id).where(records.c.owner == owner)
        removed = delete(shares).where(shares.c.id == share_id, shares.c.record.in_(theirs))
        return bool(self.database.run(removed))

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        # Looked up by a hash: how long that takes says nothing of how much of a guess was right.
        query = (
            select(
                shares.c.id.label("share"),
                shares.c.record,
                records.c.name,
                records.c.owner,
                shares.c.expires,
                results.c.analysis,
            )
            .select_from(shares.join(records).join(results, results.c.id == records.c.id))
            .where(shares.c.token_hash == rules.hash_token(token), shares.c.expires > now)
        )
        row = self.database.first(query)
        if row is None:
            return None
        analysis = self.seals.read(raw(row.analysis), record_hash(row.record))
        if analysis is None:
            return None
        made = origin(analysis.seal, row.owner)
        return SharedResult(
            share=row.share,
            record=row.record,
            name=row.name,
            expires=row.expires,
            analysis=analysis.without_place(),
            origin=made,
        )

    # --- preferences and presets ------------------------------------------------------------------

    def preferences(self, owner: str) -> Preferences:
        table = preferences_table.c
        chosen = self.database.scalar(select(table.chosen).where(table.owner == owner))
        return rules.read_preferences(chosen)

    def save_preferences(self, owner: str, preferences: Preferences) -> None:
        row = {"owner": owner, "chosen": preferences.model_dump_json()}
        with self.database.writing() as connection:
            upsert(connection, preferences_table, row)

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        with self.database.reading() as connection:
            return _presets(connection, owner)

    def save_preset(self, owner: str, preset: CustomEnsemble) -> None:
        row = {"owner": owner, "name": preset.name, "ensemble": preset.model_dump_json()}
        with self.database.writing() as connection:
            rules.check_preset(preset, _presets(connection, owner))
            upsert(connection, presets, row)

    def delete_preset(self, owner: str, name: str) -> bool:
        removed = delete(presets).where(presets.c.owner == owner, presets.c.name == name)
        return bool(self.database.run(removed))

    # --- the whole server: no name, person or file is in the counts -------------------------------

    def sweep(self, now: datetime, longest: timedelta, *, spare: Collection[str] = ()) -> list[str]:
        """Delete what was kept long enough: records by their owner's wish, at most `longest`, and
        links that are over. Return the ids of the deleted records; their media is the caller's.

        What is in a case that is not closed stays. A guest's does not: they could keep anything
        forever by this."""
        files = self._words(cases.c.analyses)
        lasting = and_(not_(cases.c.closed), not_(cases.c.owner.startswith(GUEST)))
        in_cases = select(files.c.value).select_from(cases.join(files, true())).where(lasting)
        others = and_(records.c.id.not_in(list(spare)), records.c.id.not_in(in_cases))
        with self.database.writing() as connection:
            deleted = _remove(connection, others, records.c.touched <= now - longest)
            for owner, chosen in connection.execute(select(preferences_table)).all():
                days = rules.read_preferences(chosen).keep_days
                if days is not None and days < longest / timedelta(days=1):
                    expired = records.c.touched <= now - timedelta(days=days)
                    deleted += _remove(connection, others, records.c.owner == owner, expired)
            connection.execute(delete(shares).where(shares.c.expires <= now))
        self.database.shrink()
        return deleted

    def confirmed(self) -> list[Record]:
        """Return the records with confirmed ground truth, the oldest first."""
        query = (
            select(records)
            .where(records.c.confirmed != Confirmed.OPEN)
            .order_by(records.c.created, records.c.id)
        )
        return [record_of(row) for row in self.database.rows(query)]


def open_store(where: Path | str) -> SQLStore:
    """Return the store in a file of SQLite's or a PostgreSQL database; see `Database`."""
    return SQLStore(Database(where))


def _owned(owner: str, id: str) -> ColumnElement[bool]:
    """Return the condition that holds for the owner's own record alone."""
    return and_(records.c.id == id, records.c.owner == owner)


def _remove(connection: Connection, *which: ColumnElement[bool]) -> list[str]:
    """Delete records, and by the foreign keys their results and shares; return their ids."""
    removed = delete(records).where(*which).returning(records.c.id)
    return list(connection.execute(removed).scalars())


def _first(
    connection: Connection, which: ColumnElement[bool], *, lock: bool = False
) -> Record | None:
    query = select(records).where(which)
    # SQLite has no lock of a row: there a writer is alone.
    return _record(connection, query.with_for_update() if lock else query)


def _record(connection: Connection, statement: Executable) -> Record | None:
    row = connection.execute(statement).first()
    return record_of(row) if row else None


def _put_result(
    connection: Connection, id: str, analysis: Analysis, thumbnail: bytes | None
) -> None:
    row = {"id": id, "analysis": pack(analysis.model_dump_json()), "thumbnail": thumbnail}
    upsert(connection, results, row)


def _presets(connection: Connection, owner: str) -> dict[str, CustomEnsemble]:
    query = select(presets.c.name, presets.c.ensemble).where(presets.c.owner == owner)
    rows = connection.execute(query)
    return rules.read_presets({row.name: row.ensemble for row in rows})


log = logging.getLogger(__name__)

MAX_CHECKED_BYTES = 200_000_000  # of a file that is checked at each start; a second on a slow disk


def open_records(where: Path | str) -> SQLStore:
    """Return the store of a server. A file of SQLite's that is damaged, or is something else, is
    moved aside with its log under a name of its own, and the server begins anew. Raise RecordsError
    as `Database` does, but for damage."""
    try:
        return SQLStore(_checked(where))
    except RecordsError as error:
        if error.code != "records_damaged" or not isinstance(where, Path):
            raise
        name = f"{where.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        for suffix in ("-wal", "-shm", ""):
            part = Path(f"{where}{suffix}")
            if part.exists():
                part.rename(where.with_name(f"{name}{suffix}"))
        log.error("the records were damaged: they are set aside as %s", name)
    return SQLStore(Database(where))


def damaged(data: Path) -> list[str]:
    """Return the names of the files that were set aside, the oldest first."""
    found = (path.name for path in data.glob(f"{FILE}.damaged-*"))
    return sorted(name for name in found if not name.endswith(("-wal", "-shm")))


def _checked(where: Path | str) -> Database:
    """Return the database, looked through where that is quick."""
    known = isinstance(where, Path) and where.is_file()
    database = Database(where)
    if known and Path(where).stat().st_size <= MAX_CHECKED_BYTES:
        try:
            with database.reading() as connection:
                said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except RecordsError:
            database.close()
            raise
        if said != "ok":
            database.close()
            raise RecordsError(_("The records are damaged."), code="records_damaged")
    return database
