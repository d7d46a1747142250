"""Records in SQLite or PostgreSQL: rows, store, and recovery of a damaged database."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from detector.schema.analysis import Label
from detector.seals import record_hash
from detector.sentences import _
from service.records import rules
from service.records.cases import Cases
from service.records.database import FILE, Database, lock
from service.records.model import (
    GUEST,
    Confirmed,
    Facets,
    Order,
    Query,
    Record,
    RecordsError,
    SharedResult,
    Usage,
)
from service.records.seals import origin
from service.records.store import RECORD, Store, shared_result
from service.records.tables import (
    CASES,
    RECORDS,
    SETTINGS,
    SHARES,
    Limit,
    Row,
    TextType,
    Where,
    parts,
)

log = logging.getLogger(__name__)

_SUSPICION = case(
    {label.value: label.suspicion for label in Label}, value=RECORDS.c.headline, else_=0
)
ORDERS: dict[Order, tuple[Any, ...]] = {
    "newest": (RECORDS.c.touched.desc(), RECORDS.c.id),
    "oldest": (RECORDS.c.touched, RECORDS.c.id),
    "name": (func.lower(RECORDS.c.name), RECORDS.c.id),
    "likelihood": (_SUSPICION.desc(), RECORDS.c.probability.desc().nulls_last(), RECORDS.c.id),
}


class SQLRows:
    """A `RowGateway` of SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def select(
        self,
        table: Table,
        columns: Sequence[str],
        where: Where,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Row]:
        query = select(*_columns(table, columns)).order_by(*_order(table, order)).limit(limit)
        with self._database.reading() as session:
            return [
                dict(row._mapping)
                for some in parts(where)
                for row in session.execute(query.where(*_conditions(table, some)))
            ]

    def insert(self, table: Table, row: Row, limit: Limit | None = None) -> None:
        with self.inserting() as session:
            if limit is not None:
                _refuse_beyond(session, table, limit)
            session.execute(insert(table).values(row))

    def update(self, table: Table, new: Row, where: Where, columns: Sequence[str]) -> list[Row]:
        change = update(table).where(*_conditions(table, where)).values(new)
        with self._database.writing() as session:
            rows = session.execute(change.returning(*_columns(table, columns)))
            return [dict(row._mapping) for row in rows]

    def delete(self, table: Table, where: Where, columns: Sequence[str]) -> list[Row]:
        removed = delete(table).returning(*_columns(table, columns))
        with self._database.writing() as session:
            return [
                dict(row._mapping)
                for some in parts(where)
                for row in session.execute(removed.where(*_conditions(table, some)))
            ]

    @contextmanager
    def inserting(self) -> Iterator[Session]:
        """Open a write transaction. Raise RecordsError (`records_taken`) for an existing key."""
        try:
            with self._database.writing() as session:
                yield session
        except RecordsError as error:
            if isinstance(error.__cause__, IntegrityError):
                text = _("There is a record with this id already.")
                raise RecordsError(text, code="records_taken") from error
            raise


def _refuse_beyond(session: Session, table: Table, limit: Limit) -> None:
    """Raise if the number of rows has reached the limit; a concurrent insert waits."""
    lock(session, [f"{table.name}:{sorted(limit.where.items())}"])
    number = select(func.count()).select_from(table).where(*_conditions(table, limit.where))
    if session.execute(number).scalar_one() >= limit.most:
        raise limit.refusal


def _columns(table: Table, names: Iterable[str]) -> list[Column[Any]]:
    return [table.c[name] for name in names]


def _order(table: Table, names: Iterable[str]) -> list[Any]:
    """Return the columns to order by; descending by `-column`."""
    return [table.c[name[1:]].desc() if name[0] == "-" else table.c[name] for name in names]


def _conditions(table: Table, where: Where) -> list[ColumnElement[bool]]:
    return [
        table.c[name].in_(value) if isinstance(value, list) else table.c[name] == value
        for name, value in where.items()
    ]


class SQLCases(Cases):
    """The cases of a server, with retention."""

    rows: SQLRows

    def sweep(self, before: datetime) -> None:
        """Delete closed cases, and those of guests, that were not changed since a moment."""
        over = or_(CASES.c.closed, CASES.c.owner.startswith(GUEST))
        with self.rows.inserting() as session:
            session.execute(delete(CASES).where(CASES.c.touched < before, over))


class SQLStore(Store):
    """Records in SQLite or PostgreSQL."""

    rows: SQLRows
    cases: SQLCases

    def __init__(self, database: Database) -> None:
        super().__init__(SQLRows(database))
        self.cases = SQLCases(self.rows)
        self.database = database

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def change(self, owner: str, id: str, **changes: Any) -> Record | None:
        record = super().change(owner, id, **changes)
        self.database.empty_log()
        return record

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        # By the foreign key, their links go with them.
        rows = self.rows.delete(RECORDS, {"owner": owner, "id": list(ids)}, ["id"])
        self.database.empty_log()
        return [row["id"] for row in rows]

    def usage(self, owner: str) -> Usage:
        parts = RECORDS.c.document, RECORDS.c.thumbnail
        sizes = [func.coalesce(func.sum(func.length(part)), 0) for part in parts]
        query = select(func.count(), sum(sizes[1:], sizes[0])).where(RECORDS.c.owner == owner)
        [(records, taken)] = map(tuple, self.database.rows(query))
        return Usage(records=records, bytes=taken)

    # --- search -----------------------------------------------------------------------------------

    def _search(self, owner: str, query: Query) -> tuple[Iterable[Row], Mapping[str, int], int]:
        filters = self._filters(owner, query)
        verdicts = query.verdicts
        headline = func.coalesce(RECORDS.c.headline, "")
        page = [*filters, headline.in_(list(verdicts))] if verdicts else filters
        counted = select(headline, func.count()).where(*filters).group_by(headline)
        statement = (
            select(*_columns(RECORDS, RECORD))
            .where(*page)
            .order_by(*ORDERS[query.order])
            .limit(query.limit)
            .offset(query.offset)
        )
        with self.database.reading() as session:
            counts = {row[0]: row[1] for row in session.execute(counted)}
            rows = [dict(row._mapping) for row in session.execute(statement)]
        total = sum(n for label, n in counts.items() if not verdicts or label in verdicts)
        return rows, counts, total

    def facets(self, owner: str) -> Facets:
        with self.database.reading() as session:
            return Facets(
                tags=self._counted(session, owner, RECORDS.c.tags),
                models=self._counted(session, owner, RECORDS.c.models),
            )

    def _filters(self, owner: str, query: Query) -> list[ColumnElement[bool]]:
        """Return all filters except that of the verdict."""
        # Unlike with LIKE, no letter of what is looked for means anything.
        position = func.strpos if self._postgresql else func.instr
        filters = [RECORDS.c.owner == owner]
        filters += [
            position(RECORDS.c.search_text, literal(word, TextType)) > 0
            for word in rules.normalize_text(query.text).split()
        ]
        for column, values in ((RECORDS.c.tags, query.tags), (RECORDS.c.models, query.models)):
            if values:
                words = self._words(column)
                filters.append(exists(select(words.c.value).where(words.c.value.in_(list(values)))))
        if query.confirmed:
            filters.append(RECORDS.c.confirmed.in_(list(query.confirmed)))
        if query.since is not None:
            filters.append(RECORDS.c.touched >= query.since)
        if query.until is not None:
            filters.append(RECORDS.c.touched < query.until)
        return filters

    def _counted(self, session: Session, owner: str, column: Any) -> dict[str, int]:
        words = self._words(column)
        number = func.count().label("number")
        statement = (
            select(words.c.value, number)
            .select_from(RECORDS)
            .join(words, RECORDS.c.owner == owner)
            .group_by(words.c.value)
            .order_by(number.desc(), words.c.value)
        )
        return {row.value: row.number for row in session.execute(statement)}

    def _words(self, column: Any) -> Any:
        """Return the elements of a `StringList` as rows with a column `value`."""
        elements = func.jsonb_array_elements_text if self._postgresql else func.json_each
        return elements(column).table_valued(Column("value", TextType))

    @property
    def _postgresql(self) -> bool:
        return self.database.dialect == "postgresql"

    # --- share links ------------------------------------------------------------------------------

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        # Looked up by a hash: how long that takes says nothing of how much of a guess was right.
        query = (
            select(
                SHARES.c.id.label("share"),
                SHARES.c.record,
                SHARES.c.expires,
                RECORDS.c.name,
                RECORDS.c.owner,
                RECORDS.c.document,
            )
            .join(RECORDS, RECORDS.c.id == SHARES.c.record)
            .where(SHARES.c.token_hash == rules.hash_token(token))
        )
        row = self.database.first(query)
        if row is None or row.document is None:
            return None
        analysis = self.seals.read(row.document, record_hash(row.record))
        made = origin(analysis.seal if analysis else None, row.owner)
        return shared_result(dict(row._mapping), analysis, made, now)

    # --- the whole server: no name, person or file is in the counts -------------------------------

    def sweep(self, now: datetime, longest: timedelta, *, spare: Collection[str] = ()) -> list[str]:
        """Delete expired records, by their owner's preference, at most `longest`, and expired
        links. Return the ids of the deleted records; the caller deletes their media.

        Files of an open case stay. A guest's do not: a case would keep them forever.
        """
        files = self._words(CASES.c.analyses)
        lasting = and_(not_(CASES.c.closed), not_(CASES.c.owner.startswith(GUEST)))
        in_cases = select(files.c.value).select_from(CASES).join(files, true()).where(lasting)
        others = and_(RECORDS.c.id.not_in(list(spare)), RECORDS.c.id.not_in(in_cases))
        with self.database.writing() as session:
            deleted = _remove(session, others, RECORDS.c.touched <= now - longest)
            chose = select(SETTINGS.c.owner, SETTINGS.c.value).where(SETTINGS.c.name == "")
            for owner, chosen in session.execute(chose).all():
                days = rules.read_preferences(chosen).keep_days
                if days is not None and days < longest / timedelta(days=1):
                    expired = RECORDS.c.touched <= now - timedelta(days=days)
                    deleted += _remove(session, others, RECORDS.c.owner == owner, expired)
            session.execute(delete(SHARES).where(SHARES.c.expires <= now))
        self.database.shrink()
        return deleted

    def confirmed(self) -> list[Record]:
        """Return the records with confirmed ground truth, the oldest first."""
        known = [Confirmed.FAKE, Confirmed.REAL]
        rows = self.rows.select(RECORDS, RECORD, {"confirmed": known}, ("created", "id"))
        return list(self._readable(rows))


def open_store(where: Path | str) -> SQLStore:
    """Return the store in a file of SQLite's or a PostgreSQL database; see `Database`."""
    return SQLStore(Database(where))


def _remove(session: Session, *which: ColumnElement[bool]) -> list[str]:
    """Delete records, and by the foreign key their links; return their ids."""
    return list(session.execute(delete(RECORDS).where(*which).returning(RECORDS.c.id)).scalars())


MAX_CHECKED_BYTES = 200_000_000  # of a file that is checked at each start; a second on a slow disk


def open_records(where: Path | str) -> SQLStore:
    """Return the store of a server. A damaged or foreign file of SQLite's is moved aside with its
    log, and a new one is created. Raise RecordsError as `Database` does, except for damage."""
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
    """Return the names of the damaged files that were moved aside, the oldest first."""
    found = (path.name for path in data.glob(f"{FILE}.damaged-*"))
    return sorted(name for name in found if not name.endswith(("-wal", "-shm")))


def _checked(where: Path | str) -> Database:
    """Return the database after a quick integrity check, if it is small."""
    known = isinstance(where, Path) and where.is_file()
    database = Database(where)
    if known and Path(where).stat().st_size <= MAX_CHECKED_BYTES:
        try:
            said = database.scalar(text("PRAGMA quick_check(1)"))
        except RecordsError:
            database.close()
            raise
        if said != "ok":
            database.close()
            raise RecordsError(_("The records are damaged."), code="records_damaged")
    return database
