"""Groups of analyses that were asked for together."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, select, update

from detector.media.files import one_line
from service.context import new_id
from service.records.database import StoredRows
from service.records.model import BatchItem
from service.records.tables import Batch

MAX_NAME = 80  # letters of a batch's name


class Batches(StoredRows):
    """The batches of a server, each its owner's alone."""

    def create(self, owner: str, items: Sequence[BatchItem], name: str = "") -> Batch:
        """Keep a new one."""
        batch = Batch(
            id=new_id(),
            owner=owner,
            created=datetime.now(UTC),
            items=tuple(items),
            name=_title(name),
        )
        with self._database.writing() as session:
            session.add(batch)
        return batch

    def get(self, owner: str, id: str) -> Batch | None:
        """Return one of the owner's own."""
        batch: Batch | None = self._database.scalar(select(Batch).where(*_this(owner, id)))
        return batch

    def latest(self, owner: str, number: int) -> list[Batch]:
        """Return the owner's newest."""
        of = select(Batch).where(Batch.owner == owner)
        return self._database.all(of.order_by(Batch.created.desc(), Batch.id).limit(number))

    def rename(self, owner: str, id: str, name: str) -> None:
        """Give one another name; an empty one takes it away."""
        self._database.run(update(Batch).where(*_this(owner, id)).values(name=_title(name)))

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
        this = select(Batch).where(*_this(owner, id)).with_for_update()
        with self._database.writing() as session:
            batch = session.scalar(this)  # other servers wait; SQLite lets one write
            if batch is not None:
                batch.items = tuple(change(batch.items))

    def sweep(self, before: datetime) -> None:
        """Forget those that were made before a moment."""
        self._database.run(delete(Batch).where(Batch.created < before))


def _title(name: str) -> str:
    return one_line(name)[:MAX_NAME].strip()


def _this(owner: str, id: str) -> tuple[ColumnElement[bool], ...]:
    return Batch.owner == owner, Batch.id == id
