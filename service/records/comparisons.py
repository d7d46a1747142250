"""Files that were compared with each other: the findings, each their owner's alone, by the
contents of both files."""

import zlib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Row, delete, or_, select

import detector
from detector.schema.compared import RoleSource
from detector.schema.comparison import Comparison
from service.context import new_id
from service.records.database import StoredRows
from service.records.model import FrozenModel
from service.records.tables import comparisons as table


class KeptComparison(FrozenModel):
    """A comparison among an owner's records."""

    id: str = Field(description="22 URL-safe characters")
    created: datetime
    comparison: Comparison


class ComparisonStore(StoredRows):
    """The comparisons of a server's people, in SQLite or PostgreSQL."""

    def save(self, owner: str, comparison: Comparison, id: str = "") -> KeptComparison:
        """Store a comparison, under a new id by default, and return what is stored of the two files
        now. It replaces an older one of the same two. One with the roles the other way round stays
        as it is, unless this one states them."""
        pair = comparison.copy_media.sha256, comparison.original_media.sha256
        kept = KeptComparison(id=id or new_id(), created=datetime.now(UTC), comparison=comparison)
        row = {
            "id": kept.id,
            "owner": owner,
            "copy_sha256": pair[0],
            "original_sha256": pair[1],
            "version": detector.__version__,
            "created": kept.created,
            "comparison": _packed(comparison),
        }
        with self._database.writing() as connection:
            mirror = _of(owner, *reversed(pair))
            made = table.c.version == detector.__version__
            stored = connection.execute(select(table).where(*mirror, made)).first()
            held = _kept(stored) if stored else None
            stands = comparison.role_source == "unknown"
            if held and stands and held.comparison.finding.related and pair[0] != pair[1]:
                return held
            if comparison.finding.related:
                connection.execute(delete(table).where(*mirror))
            connection.execute(delete(table).where(*_of(owner, *pair)))
            connection.execute(table.insert().values(row))
        return kept

    def get(self, owner: str, id: str) -> KeptComparison | None:
        """Return one of the owner's own."""
        return self._one(table.c.owner == owner, table.c.id == id)

    def find(self, owner: str, copy: str, original: str) -> KeptComparison | None:
        """Return that of two files, by their sha256, as this version of the program made it."""
        made = table.c.version == detector.__version__
        return self._one(*_of(owner, copy, original), made)

    def of_pair(self, owner: str, one: str, other: str) -> KeptComparison | None:
        """Return that of two files in either order: as asked, else a related one the other way
        round."""
        if (kept := self.find(owner, one, other)) is not None:
            return kept
        kept = self.find(owner, other, one)
        return kept if kept is not None and kept.comparison.finding.related else None

    def stated(self, owner: str, copy: str, original: str) -> RoleSource:
        """Return who said that one of two files is the original, for any version."""
        kept = self._one(*_of(owner, copy, original))
        states = kept is not None and kept.comparison.states_roles
        return kept.comparison.role_source if kept is not None and states else "unknown"

    def update(self, owner: str, kept: KeptComparison) -> None:
        """Put what is known now in the place of what is stored under the same id."""
        packed = _packed(kept.comparison)
        this = table.update().where(table.c.owner == owner, table.c.id == kept.id)
        self._database.run(this.values(comparison=packed))

    def of_file(self, owner: str, sha256: str) -> list[KeptComparison]:
        """Return all that a file of these contents is part of."""
        part = or_(table.c.copy_sha256 == sha256, table.c.original_sha256 == sha256)
        rows = self._database.rows(select(table).where(table.c.owner == owner, part))
        return [kept for row in rows if (kept := _kept(row)) is not None]

    def latest(self, owner: str, copy: str) -> KeptComparison | None:
        """Return the newest of a suspected copy, by its sha256."""
        this = select(table).where(table.c.owner == owner, table.c.copy_sha256 == copy)
        row = self._database.first(this.order_by(table.c.created.desc()).limit(1))
        return _kept(row) if row else None

    def remove(self, owner: str, copy: str, original: str) -> None:
        """Remove that of two files, by their sha256."""
        self._database.run(delete(table).where(*_of(owner, copy, original)))

    def forget(self, owner: str, sha256s: Collection[str]) -> None:
        """Forget all that a file of these contents is part of."""
        wanted = list(sha256s)
        part = or_(table.c.copy_sha256.in_(wanted), table.c.original_sha256.in_(wanted))
        if wanted:
            self._database.run(delete(table).where(table.c.owner == owner, part))

    def sweep(self, before: datetime) -> None:
        """Forget those that were made before a moment."""
        self._database.run(delete(table).where(table.c.created < before))

    def _one(self, *conditions: Any) -> KeptComparison | None:
        row = self._database.first(select(table).where(*conditions))
        return _kept(row) if row else None


def _packed(comparison: Comparison) -> bytes:
    return zlib.compress(comparison.model_dump_json().encode(), 6)


def _kept(row: Row[Any]) -> KeptComparison | None:
    try:
        comparison = Comparison.model_validate_json(zlib.decompress(row.comparison))
    except (ValueError, zlib.error):  # of a version that this one can't read
        return None
    return KeptComparison(id=row.id, created=row.created, comparison=comparison)


def _of(owner: str, copy: str, original: str) -> tuple[Any, ...]:
    return table.c.owner == owner, table.c.copy_sha256 == copy, table.c.original_sha256 == original
