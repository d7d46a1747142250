"""Stored comparisons of files, by the contents of both, each visible to its owner only."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, or_, select

import detector
from detector.schema.comparison import Comparison, RoleSource
from service.context import new_id
from service.records.database import StoredRows
from service.records.tables import KeptComparison


class ComparisonStore(StoredRows):
    """The comparisons of a server's people, in SQLite or PostgreSQL."""

    def save(self, owner: str, comparison: Comparison, id: str = "") -> KeptComparison:
        """Store a comparison, by default under a new id, and return the stored comparison of the
        two files. It replaces an older one of the same two. One with swapped roles stays, unless
        this one states them."""
        pair = comparison.copy_media.sha256, comparison.original_media.sha256
        kept = KeptComparison(
            id=id or new_id(),
            owner=owner,
            copy_sha256=pair[0],
            original_sha256=pair[1],
            version=detector.__version__,
            created=datetime.now(UTC),
            comparison=comparison,
        )
        with self._database.writing() as session:
            mirror = _of(owner, *reversed(pair))
            made = KeptComparison.version == detector.__version__
            found = session.scalars(select(KeptComparison).where(*mirror, made))
            held = next(iter(_readable(found)), None)
            stands = comparison.role_source == "unknown"
            if held and stands and held.comparison.finding.related and pair[0] != pair[1]:
                return held
            if comparison.finding.related:
                session.execute(delete(KeptComparison).where(*mirror))
            session.execute(delete(KeptComparison).where(*_of(owner, *pair)))
            session.add(kept)
        return kept

    def get(self, owner: str, id: str) -> KeptComparison | None:
        """Return a comparison of the owner."""
        return self._one(KeptComparison.owner == owner, KeptComparison.id == id)

    def find(self, owner: str, copy: str, original: str) -> KeptComparison | None:
        """Return the comparison of two files, by sha256, by this version of the program."""
        made = KeptComparison.version == detector.__version__
        return self._one(*_of(owner, copy, original), made)

    def of_pair(self, owner: str, one: str, other: str) -> KeptComparison | None:
        """Return the comparison of two files in either order: as given, else a related one with
        swapped roles."""
        if (kept := self.find(owner, one, other)) is not None:
            return kept
        kept = self.find(owner, other, one)
        return kept if kept is not None and kept.comparison.finding.related else None

    def stated(self, owner: str, copy: str, original: str) -> RoleSource:
        """Return the source of the roles of two files, from any version."""
        kept = self._one(*_of(owner, copy, original))
        states = kept is not None and kept.comparison.states_roles
        return kept.comparison.role_source if kept is not None and states else "unknown"

    def update(self, owner: str, kept: KeptComparison, comparison: Comparison) -> KeptComparison:
        """Replace a stored comparison, and return what is stored afterwards."""
        this = KeptComparison.owner == owner, KeptComparison.id == kept.id
        with self._database.writing() as session:
            stored = session.scalar(select(KeptComparison).where(*this))
            if stored is None:
                return kept
            stored.comparison = comparison
        return stored

    def of_file(self, owner: str, sha256: str) -> list[KeptComparison]:
        """Return all comparisons of a file of these contents."""
        return _readable(self._database.all(select(KeptComparison).where(*_with(owner, [sha256]))))

    def latest(self, owner: str, copy: str) -> KeptComparison | None:
        """Return the newest comparison of a suspected copy, by its sha256."""
        this = KeptComparison.owner == owner, KeptComparison.copy_sha256 == copy
        newest = select(KeptComparison).where(*this).order_by(KeptComparison.created.desc())
        return next(iter(_readable(self._database.all(newest.limit(1)))), None)

    def remove(self, owner: str, copy: str, original: str) -> None:
        """Delete the comparison of two files, by sha256."""
        self._database.run(delete(KeptComparison).where(*_of(owner, copy, original)))

    def forget(self, owner: str, sha256s: Collection[str]) -> None:
        """Delete all comparisons of a file of these contents."""
        if sha256s:
            self._database.run(delete(KeptComparison).where(*_with(owner, sha256s)))

    def sweep(self, before: datetime) -> None:
        """Delete comparisons from before a moment."""
        self._database.run(delete(KeptComparison).where(KeptComparison.created < before))

    def _one(self, *conditions: Any) -> KeptComparison | None:
        found = self._database.all(select(KeptComparison).where(*conditions))
        return next(iter(_readable(found)), None)


def _readable(found: Iterable[KeptComparison]) -> list[KeptComparison]:
    return [kept for kept in found if kept.comparison]


def _of(owner: str, copy: str, original: str) -> tuple[Any, ...]:
    return (
        KeptComparison.owner == owner,
        KeptComparison.copy_sha256 == copy,
        KeptComparison.original_sha256 == original,
    )


def _with(owner: str, sha256s: Collection[str]) -> tuple[Any, ...]:
    """Return the condition of all comparisons of files of these contents."""
    sides = KeptComparison.copy_sha256, KeptComparison.original_sha256
    return KeptComparison.owner == owner, or_(*(side.in_(list(sha256s)) for side in sides))
