"""Batches: groups of analyses that were submitted together."""

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
    """The batches of a server, each visible to its owner only."""

    def create(self, owner: str, items: Sequence[BatchItem], name: str = "") -> Batch:
        """Store a new batch."""
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
        """Return a batch of the owner."""
        batch: Batch | None = self._database.scalar(select(Batch).where(*_this(owner, id)))
        return batch

    def latest(self, owner: str, number: int) -> list[Batch]:
        """Return the owner's newest batch."""
        of = select(Batch).where(Batch.owner == owner)
        return self._database.all(of.order_by(Batch.created.desc(), Batch.id).limit(number))

    def rename(self, owner: str, id: str, name: str) -> None:
        """Rename a batch; an empty name removes it."""
        self._database.run(update(Batch).where(*_this(owner, id)).values(name=_title(name)))

    def remove(self, owner: str, id: str, analyses: Collection[str]) -> None:
        """Remove deleted analyses from a batch."""
        self._change(
            owner, id, lambda items: [item for item in items if item.analysis not in analyses]
        )

    def add(self, owner: str, id: str, items: Sequence[BatchItem]) -> None:
        """Add files to a batch, in place of refused ones of the same name."""
        names = {item.name for item in items}
        self._change(
            owner,
            id,
            lambda known: [*(i for i in known if i.analysis or i.name not in names), *items],
        )

    def advance(self, owner: str, id: str, analyses: Collection[str]) -> None:
        """Move some analyses before all others of the batch."""

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
        """Delete batches from before a moment."""
        self._database.run(delete(Batch).where(Batch.created < before))


def _title(name: str) -> str:
    return one_line(name)[:MAX_NAME].strip()


def _this(owner: str, id: str) -> tuple[ColumnElement[bool], ...]:
    return Batch.owner == owner, Batch.id == id
