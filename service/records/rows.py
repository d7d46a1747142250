"""Rows of mapped classes, in whatever database: the few things that it has to know."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from service.records.database import batches
from service.records.model import RecordsError
from service.records.tables import Base

Row = dict[str, Any]
Where = Mapping[str, Any]  # The columns of a row with their values; any one, where it is a list


class Limit(NamedTuple):
    """How many rows there may be, and what one more is refused with. A Supabase project counts by
    itself."""

    where: Where
    most: int
    refusal: RecordsError


class RowGateway(Protocol):
    """Rows by column, of the mapped classes in `tables`. All raise RecordsError."""

    def select(
        self,
        table: type[Base],
        columns: Sequence[str],
        where: Where,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Row]:
        """Return some columns of rows, in the order of columns; descending by `-column`. Without a
        limit, the table has an `id`, and it and the columns of the order are among these."""

    def insert(self, table: type[Base], row: Row, limit: Limit | None = None) -> None:
        """Add a row; raise RecordsError (`records_taken`) where its key is there already."""

    def update(
        self, table: type[Base], new: Row, where: Where, columns: Sequence[str]
    ) -> list[Row]:
        """Change rows, and return what they are now."""

    def delete(self, table: type[Base], where: Where, columns: Sequence[str]) -> list[Row]:
        """Delete rows, and return what they were."""


def parts(where: Where, size: int = 0) -> Iterator[Where]:
    """Yield the same with at most `size` values of a list at a time: a statement holds so many."""
    name = next((name for name, value in where.items() if isinstance(value, list)), None)
    if name is None:
        yield where
        return
    for some in batches(where[name], size):
        yield {**where, name: some}
