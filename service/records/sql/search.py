"""An owner's records looked through: filters, orders, counts, and what there is to filter by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Integer, exists, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from detector.schema.analysis import Label
from service.records import rules
from service.records.database import Database
from service.records.model import Facets, Order, Page, Query
from service.records.sql.rows import record_of
from service.records.tables import Words, records

ORDERS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    "newest": (records.c.touched.desc(), records.c.id),
    "oldest": (records.c.touched, records.c.id),
    "name": (func.lower(records.c.name), records.c.id),
    "likelihood": (records.c.probability.desc().nulls_last(), records.c.id),
}


class elements(FunctionElement[str]):
    """The rows of a `WordList`, each with its text in `value`."""

    name = "elements"
    inherit_cache = True


class position(FunctionElement[int]):
    """Where in a text another begins, from 1; 0 if it doesn't. Unlike with LIKE, no letter of it
    means anything."""

    name = "position"
    inherit_cache = True
    type = Integer()


@compiles(elements, "sqlite")
@compiles(elements, "postgresql")
def _elements(element: Any, compiler: Any, **options: Any) -> str:
    name = "jsonb_array_elements_text" if _is_postgresql(compiler) else "json_each"
    return f"{name}{compiler.process(element.clause_expr, **options)}"


@compiles(position, "sqlite")
@compiles(position, "postgresql")
def _position(element: Any, compiler: Any, **options: Any) -> str:
    name = "strpos" if _is_postgresql(compiler) else "instr"
    return f"{name}{compiler.process(element.clause_expr, **options)}"


def _is_postgresql(compiler: Any) -> bool:
    return bool(compiler.dialect.name == "postgresql")


class SearchRepository:
    """The part of a `Store` that finds records."""

    database: Database

    def search(self, owner: str, query: Query) -> Page:
        found = _filters(owner, query)
        chosen = query.verdicts
        shown = [*found, records.c.verdict.in_(list(chosen))] if chosen else found
        counted = select(records.c.verdict, func.count()).where(*found).group_by(records.c.verdict)
        asked = (
            select(records)
            .where(*shown)
            .order_by(*ORDERS[query.order])
            .limit(query.limit)
            .offset(query.offset)
        )
        with self.database.reading() as connection:
            counts = {
                Label(verdict) if verdict else None: number
                for verdict, number in connection.execute(counted)
            }
            rows = connection.execute(asked).mappings().all()
        total = sum(
            n for label, n in counts.items() if not query.verdicts or label in query.verdicts
        )
        return Page(records=tuple(map(record_of, rows)), total=total, counts=counts)

    def facets(self, owner: str) -> Facets:
        with self.database.reading() as connection:
            tags = _counted(connection, owner, records.c.tags)
            models = _counted(connection, owner, records.c.models)
        return Facets(tags=tags, models=models)


def _filters(owner: str, query: Query) -> list[ColumnElement[bool]]:
    """All filters but that of the verdict."""
    parts = [records.c.owner == owner]
    parts += [
        position(records.c.search_text, literal(word, Words)) > 0
        for word in rules.normalize_text(query.text).split()
    ]
    if query.tags:
        parts.append(_any_of(records.c.tags, query.tags))
    if query.models:
        parts.append(_any_of(records.c.models, query.models))
    if query.confirmed:
        parts.append(records.c.confirmed.in_(list(query.confirmed)))
    if query.since is not None:
        parts.append(records.c.touched >= query.since)
    if query.until is not None:
        parts.append(records.c.touched < query.until)
    return parts


def _words(column: Column[Any]) -> Any:
    return elements(column).table_valued(Column("value", Words))


def _any_of(column: Column[Any], wanted: Iterable[str]) -> ColumnElement[bool]:
    words = _words(column)
    return exists(select(words.c.value).where(words.c.value.in_(list(wanted))))


def _counted(connection: Connection, owner: str, column: Column[Any]) -> dict[str, int]:
    words = _words(column)
    number = func.count().label("number")
    asked = (
        select(words.c.value, number)
        .select_from(records.join(words, records.c.owner == owner))
        .group_by(words.c.value)
        .order_by(number.desc(), words.c.value)
    )
    return {row.value: row.number for row in connection.execute(asked)}
