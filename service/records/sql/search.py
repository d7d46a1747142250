"""An owner's records looked through: filters, orders, counts, and what there is to filter by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
)

from detector.schema.analysis import Label
from service.records import rules
from service.records.database import Database
from service.records.model import Facets, Order, Page, Query
from service.records.seals import Keyring
from service.records.sql.rows import record_of
from service.records.tables import Words, records

ORDERS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    "newest": (records.c.touched.desc(), records.c.id),
    "oldest": (records.c.touched, records.c.id),
    "name": (func.lower(records.c.name), records.c.id),
    "likelihood": (records.c.probability.desc().nulls_last(), records.c.id),
}
HEADLINE_LABEL = case(
    (records.c.copy_of.is_not(None), literal_column(f"'{Label.FAKE}'")), else_=records.c.verdict
)
"""`detector.schema.codes.headline_label`"""


class SearchRepository:
    """The part of a `Store` that finds records."""

    database: Database
    seals: Keyring

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
            rows = connection.execute(statement).mappings().all()
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
            position(records.c.search_text, literal(word, Words)) > 0
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
        """Return the rows of a `WordList`, each with its text in `value`."""
        elements = func.jsonb_array_elements_text if self._postgresql else func.json_each
        return elements(column).table_valued(Column("value", Words))

    @property
    def _postgresql(self) -> bool:
        return self.database.dialect == "postgresql"
