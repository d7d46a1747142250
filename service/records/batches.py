"""Groups of analyses that were asked for together."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter
from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from detector.media.files import one_line
from service.context import new_id
from service.records.database import StoredRows
from service.records.model import FrozenModel
from service.records.tables import api_batches

MAX_NAME = 80  # letters of a batch's name


class BatchItem(FrozenModel):
    """One file of a batch: the analysis that it became, or why it became none."""

    name: Annotated[str, AfterValidator(one_line)]
    analysis: str | None = None
    refused: dict[str, str] | None = None
    known: bool = False  # Its content was here before: it shares that analysis
    turn: int = 0  # A higher one is analyzed first; grows each time somebody asks for it


class Batch(FrozenModel):
    """A group of analyses, in the order in which their files came."""

    id: str
    created: datetime
    items: tuple[BatchItem, ...]
    name: str = ""


_ITEMS = TypeAdapter(tuple[BatchItem, ...])


class Batches(StoredRows):
    """The batches of a server, each its owner's alone."""

    def create(self, owner: str, items: Sequence[BatchItem], name: str = "") -> Batch:
        """Keep a new one."""
        batch = Batch(id=new_id(), created=datetime.now(UTC), items=tuple(items), name=_title(name))
        row = {
            "id": batch.id,
            "owner": owner,
            "created": batch.created,
            "name": batch.name,
            "items": _ITEMS.dump_json(batch.items).decode(),
        }
        self._database.run(insert(api_batches).values(row))
        return batch

    def get(self, owner: str, id: str) -> Batch | None:
        """Return one of the owner's own."""
        row = self._database.first(select(api_batches).where(*_this(owner, id)))
        return _batch(row) if row else None

    def latest(self, owner: str, number: int) -> list[Batch]:
        """Return the owner's newest."""
        of = select(api_batches).where(api_batches.c.owner == owner)
        newest = of.order_by(api_batches.c.created.desc(), api_batches.c.id).limit(number)
        return [_batch(row) for row in self._database.rows(newest)]

    def rename(self, owner: str, id: str, name: str) -> None:
        """Give one another name; an empty one takes it away."""
        renamed = update(api_batches).where(*_this(owner, id)).values(name=_title(name))
        self._database.run(renamed)

    def remove(self, owner: str, id: str, analyses: Collection[str]) -> None:
        """Forget some analyses of one: they were deleted."""
        self._change(
            owner, id, lambda items: [item for item in items if item.analysis not in analyses]
        )

    def add(self, owner: str, id: str, items: Sequence[BatchItem]) -> None:
        """Add files to one; what was refused under the same name is forgotten."""
        names = {item.name for item in items}
        self._change(
            owner,
            id,
            lambda known: [*(i for i in known if i.analysis or i.name not in names), *items],
        )

    def advance(self, owner: str, id: str, analyses: Collection[str]) -> None:
        """Put some analyses of one before all others of it."""

        def change(items: Sequence[BatchItem]) -> list[BatchItem]:
            turn = max((item.turn for item in items), default=0) + 1
            return [
                item.model_copy(update={"turn": turn}) if item.analysis in analyses else item
                for item in items
            ]

        self._change(owner, id, change)

    def _change(
        self, owner: str, id: str, change: Callable[[Sequence[BatchItem]], Sequence[BatchItem]]
    ) -> None:
        with self._database.writing() as connection:
            this = select(api_batches).where(*_this(owner, id)).with_for_update()
            row = connection.execute(this).first()  # other servers wait; SQLite lets one write
            if row is None:
                return
            text = _ITEMS.dump_json(tuple(change(_batch(row).items))).decode()
            connection.execute(update(api_batches).where(*_this(owner, id)).values(items=text))

    def sweep(self, before: datetime) -> None:
        """Forget those that were made before a moment."""
        self._database.run(delete(api_batches).where(api_batches.c.created < before))


def _batch(row: Row[Any]) -> Batch:
    items = _ITEMS.validate_json(row.items)
    return Batch(id=row.id, created=row.created, items=items, name=row.name)


def _title(name: str) -> str:
    return one_line(name)[:MAX_NAME].strip()


def _this(owner: str, id: str) -> tuple[ColumnElement[bool], ...]:
    return api_batches.c.owner == owner, api_batches.c.id == id
