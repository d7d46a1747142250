"""Known footage of people, each their own alone: what each knows by its fingerprints; what of it
their files show, found quietly; and what they said is not the original of a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field
from sqlalchemy import Row, and_, delete, func, or_, select, update

from detector.comparison.fingerprint import HASH_BYTES
from detector.errors import InputError
from detector.media.files import one_line
from detector.sentences import _
from service.context import new_id
from service.records.database import StoredRows, batches, insert_new, upsert
from service.records.model import GUEST, KEY, LOCAL, MAX_NAME_LENGTH, FrozenModel
from service.records.tables import footage as table
from service.records.tables import lookups, records, refusals

_ROW_BYTES = 4 + HASH_BYTES
MAX_FOOTAGE = 200_000  # files of an owner
ANALYSES = "analysis"  # Where footage comes from that is known because its owner analyzed it

_LISTED = [column for column in table.c if column.name != "prints"]


def kept_name(name: str) -> str:
    """Return a file's name as it is kept."""
    return one_line(name)[:MAX_NAME_LENGTH]


class Footage(FrozenModel):
    """A file that is known."""

    id: str
    name: str = Field(description="as its owner named it; hostile, escape it")
    sha256: str
    source: str = Field(description="the folder it is from, or analysis, upload, import")
    added: datetime
    size: int = 0
    duration: float | None = Field(default=None, description="s")
    frames: int = Field(description="that fingerprints are kept of")


@dataclass(frozen=True)
class FootageSource:
    """Where some of an owner's footage is from, and how much of it."""

    source: str
    files: int
    seconds: float
    frames: int  # that fingerprints are kept of
    newest: datetime  # when the latest of it was added


@dataclass(frozen=True)
class Prints:
    """The fingerprints of a file: of whole frames, and of the faces in some of them."""

    times: np.ndarray  # float32 [N], s
    hashes: np.ndarray  # uint8 [N, 32]
    face_times: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))  # [F], s
    face_hashes: np.ndarray = field(default_factory=lambda: np.zeros((0, HASH_BYTES), np.uint8))

    def packed(self) -> bytes:
        """Return them as they are kept: all times, then all hashes, little-endian; of the frames,
        then of the faces."""
        return _packed(self.times, self.hashes) + _packed(self.face_times, self.face_hashes)

    @classmethod
    def unpack(cls, data: bytes, frames: int) -> Prints:
        """Return what `packed` wrote, of `frames` frames; of what was kept before faces were, those
        are none. ValueError where it is cut off."""
        at = frames * _ROW_BYTES
        faces, cut = divmod(len(data) - at, _ROW_BYTES)
        if faces < 0 or cut:
            raise ValueError("the fingerprints are cut off")
        return cls(*_unpacked(data[:at], frames), *_unpacked(data[at:], faces))


def _packed(times: np.ndarray, hashes: np.ndarray) -> bytes:
    return times.astype("<f4").tobytes() + hashes.astype(np.uint8).tobytes()


def _unpacked(data: bytes, rows: int) -> tuple[np.ndarray, np.ndarray]:
    hashes = np.frombuffer(data, np.uint8, offset=4 * rows) if rows else np.zeros(0, np.uint8)
    return np.frombuffer(data, "<f4", rows), hashes.reshape(rows, HASH_BYTES)


class FootageStore(StoredRows):
    """The known footage of a server's people, in SQLite or PostgreSQL."""

    def add(
        self,
        owner: str,
        name: str,
        prints: Prints,
        *,
        sha256: str,
        source: str,
        size: int = 0,
        duration: float | None = None,
    ) -> Footage | None:
        """Keep the fingerprints of a file; None where its content is known already. Raise
        InputError if this owner's library is full."""
        if self.count(owner) >= MAX_FOOTAGE:
            full = _("A library holds {most} files at most.").format(most=f"{MAX_FOOTAGE:,}")
            raise InputError(full, hint=_("Remove some first."))
        new = Footage(
            id=new_id(), name=kept_name(name), sha256=sha256, source=source,
            added=datetime.now(UTC), size=size, duration=duration, frames=len(prints.times),
        )  # fmt: skip
        row = new.model_dump() | {"owner": owner, "prints": prints.packed()}
        with self._database.writing() as connection:
            return new if insert_new(connection, table, row) else None

    def list(self, owner: str) -> list[Footage]:
        """Return what an owner knows, the newest first."""
        owned = select(*_LISTED).where(table.c.owner == owner)
        newest = owned.order_by(table.c.added.desc(), table.c.id)
        return [_footage(row) for row in self._database.rows(newest)]

    def page(
        self, owner: str, text: str = "", *, offset: int = 0, limit: int = 50
    ) -> tuple[Sequence[Footage], int]:
        """Return some of what an owner knows, the newest first, and how many there are in all. Each
        part of `text`, split at spaces, must occur in the name."""
        every = [table.c.owner == owner]
        every += [table.c.name.icontains(part, autoescape=True) for part in text.split()]
        newest = select(*_LISTED).where(*every).order_by(table.c.added.desc(), table.c.id)
        with self._database.reading() as connection:
            total = connection.execute(select(func.count()).where(*every)).scalar_one()
            rows = connection.execute(newest.offset(offset).limit(limit))
            return [_footage(row) for row in rows], total

    def sources(self, owner: str) -> Sequence[FootageSource]:
        """Return where what an owner knows is from, the latest first."""
        newest = func.max(table.c.added)
        seconds = func.coalesce(func.sum(table.c.duration), 0.0)
        parts = [func.count(), seconds, func.sum(table.c.frames), newest]
        grouped = select(table.c.source, *parts).where(table.c.owner == owner)
        rows = self._database.rows(grouped.group_by(table.c.source).order_by(newest.desc()))
        return [FootageSource(*row) for row in map(tuple, rows)]

    def known_from(self, owner: str, source: str) -> Sequence[tuple[str, int, datetime]]:
        """Return name, bytes and time of each file that is known from one place."""
        columns = table.c.name, table.c.size, table.c.added
        this = select(*columns).where(table.c.owner == owner, table.c.source == source)
        return [(row.name, row.size, row.added) for row in self._database.rows(this)]

    def get(self, owner: str, id: str) -> Footage | None:
        """Return one of the owner's own."""
        this = select(*_LISTED).where(table.c.owner == owner, table.c.id == id)
        row = self._database.first(this)
        return _footage(row) if row else None

    def knows(self, owner: str, sha256: str) -> bool:
        """Return whether an owner knows this very file."""
        this = select(table.c.id).where(table.c.owner == owner, table.c.sha256 == sha256)
        return self._database.first(this) is not None

    def registered(self, owner: str, sha256: str) -> bool:
        """Return whether an owner added this very file as an original, rather than analyzed it
        alone."""
        this = table.c.owner == owner, table.c.sha256 == sha256, table.c.source != ANALYSES
        return self._database.first(select(table.c.id).where(*this)) is not None

    def count(self, owner: str, *, without: Collection[str] = ()) -> int:
        """Return how many files an owner knows, but for those of some contents, by sha256."""
        this = [table.c.owner == owner]
        if without:
            this += [table.c.sha256.not_in(list(without))]
        return int(self._database.scalar(select(func.count()).where(*this)))

    def remove(self, owner: str, ids: Collection[str]) -> int:
        """Forget some of the owner's own; return how many there were."""
        with self._database.writing() as connection:
            return sum(
                connection.execute(
                    delete(table).where(table.c.owner == owner, table.c.id.in_(some))
                ).rowcount
                for some in batches(ids)
            )

    def remove_source(self, owner: str, source: str) -> int:
        """Forget all that an owner knows from one place; return how much it was."""
        this = delete(table).where(table.c.owner == owner, table.c.source == source)
        return self._database.run(this)

    def promote(self, owner: str, sha256: str, source: str) -> None:
        """Have what was known by an analysis alone stay when that goes: it came from elsewhere."""
        this = table.c.owner == owner, table.c.sha256 == sha256, table.c.source == ANALYSES
        if source != ANALYSES:
            self._database.run(update(table).where(*this).values(source=source))

    def forget(self, owner: str, sha256s: Collection[str] | None = None) -> None:
        """Forget what is known by analyses alone: of these contents, or all of it."""
        conditions = [table.c.owner == owner, table.c.source == ANALYSES]
        if sha256s is not None:
            conditions.append(table.c.sha256.in_(list(sha256s)))
        self._database.run(delete(table).where(*conditions))

    def sweep(self, before: datetime) -> None:
        """Forget what is known by an analysis alone that is gone: of people whose records are in
        this database, and of others after their time. Of guests, who can't return without their
        cookie, all after its time."""
        here = or_(
            table.c.owner == LOCAL, table.c.owner.startswith(GUEST), table.c.owner.startswith(KEY)
        )
        same = records.c.owner == table.c.owner, records.c.sha256 == table.c.sha256
        lost = and_(here, ~select(records.c.id).where(*same).exists())
        old = table.c.added < before
        gone = delete(table).where(
            or_(
                and_(table.c.source == ANALYSES, or_(lost, old)),
                and_(table.c.owner.startswith(GUEST), old),
            )
        )
        self._database.run(gone)

    def prints(self, owner: str) -> Iterator[tuple[Footage, Prints]]:
        """Yield all an owner knows with its fingerprints, as of one moment."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(table).where(table.c.owner == owner).order_by(table.c.added, table.c.id),
                execution_options={"yield_per": 100},
            )
            for row in rows:
                yield _footage(row), Prints.unpack(row.prints, row.frames)

    def version(self, owner: str) -> tuple[int, str]:
        """Return how many files an owner knows, and something that changes with them."""
        newest = func.max(table.c.added), func.max(table.c.id), func.min(table.c.id)
        count = select(func.count(), *newest).where(table.c.owner == owner)
        [row] = self._database.rows(count)
        return row[0], repr(tuple(row))


def _footage(row: Row[Any]) -> Footage:
    return Footage(**{column.name: getattr(row, column.name) for column in _LISTED
                      if column.name != "owner"})  # fmt: skip


class FoundFootage(FrozenModel):
    """The known footage that a file shows best."""

    match_sha256: str = Field(description="sha256 of the known footage")
    name: str = Field(description="as its owner named it; hostile, escape it")
    source: str = Field(description="the folder it is from, or analysis, upload, import")
    start: float = Field(description="s, in the known footage: where the file begins in it")
    mirrored: bool
    matched: int
    asked: int = Field(description="frames of the file that are in it, of those looked for")
    by_faces: bool = Field(
        default=False,
        description="the faces in these frames match, not all of the picture: one of the two is "
        "cropped or framed anew",
    )
    added: datetime | None = Field(
        default=None, description="since when the footage is known; None where that is not known"
    )


class MissedLookup(NamedTuple):
    """A lookup that found nothing to tell of."""

    searched: int = 0  # files of the library
    matched: int = 0
    asked: int = 0  # frames of the file that the most alike one shows, of those looked for: too few
    refused: int = 0  # files that were left out, since a person said that they are not its original


_NOTHING = FoundFootage(
    match_sha256="", name="", source="", start=0.0, mirrored=False, matched=0, asked=0
)
"""How it is kept that nothing was found."""
_KEPT = [lookups.c[name] for name in FoundFootage.model_fields if name != "added"]


class LookupStore(StoredRows):
    """What was found in a server's libraries, in SQLite or PostgreSQL."""

    def save(self, owner: str, sha256: str, outcome: FoundFootage | MissedLookup) -> None:
        """Keep what a file shows, in place of what was found before."""
        missed = outcome if isinstance(outcome, MissedLookup) else None
        found = _NOTHING if isinstance(outcome, MissedLookup) else outcome
        row = found.model_dump(exclude={"added"}) | {"owner": owner, "sha256": sha256}
        if missed is not None:
            row |= missed._asdict()
            del row["refused"]
        with self._database.writing() as connection:
            upsert(connection, lookups, row | {"created": datetime.now(UTC)})

    def find(self, owner: str, sha256: str) -> FoundFootage | None:
        """Return what one of the owner's own files shows; None where that was taken out of their
        library since."""
        same = table.c.owner == lookups.c.owner, table.c.sha256 == lookups.c.match_sha256
        both = lookups.outerjoin(table, and_(*same))
        this = select(*_KEPT, table.c.added).select_from(both).where(
            lookups.c.owner == owner,
            lookups.c.sha256 == sha256,
            lookups.c.match_sha256 != "",
            or_(lookups.c.source == ANALYSES, table.c.id.is_not(None)),
        )  # fmt: skip
        row = self._database.first(this)
        return FoundFootage.model_validate(row._asdict()) if row else None

    def missed(self, owner: str, sha256: str) -> MissedLookup:
        """Return how one of the owner's own was looked for and not found; all 0 where it was found
        or not looked for."""
        this = lookups.c.owner == owner, lookups.c.sha256 == sha256, lookups.c.match_sha256 == ""
        columns = lookups.c.searched, lookups.c.matched, lookups.c.asked
        row = self._database.first(select(*columns).where(*this))
        missed = MissedLookup(row.searched, row.matched, row.asked) if row else MissedLookup()
        return missed._replace(refused=len(self.refused(owner, sha256)))

    def refuse(self, owner: str, sha256: str, match: str) -> None:
        """Note that a file does not come from this footage: it isn't told again."""
        row = {"owner": owner, "sha256": sha256, "match_sha256": match}
        with self._database.writing() as connection:
            upsert(connection, refusals, row | {"created": datetime.now(UTC)})
            this = (
                lookups.c.owner == owner,
                lookups.c.sha256 == sha256,
                lookups.c.match_sha256 == match,
            )
            connection.execute(delete(lookups).where(*this))

    def refused(self, owner: str, sha256: str) -> set[str]:
        """Return what the owner said is not the original of a file, by sha256."""
        this = refusals.c.owner == owner, refusals.c.sha256 == sha256
        rows = self._database.rows(select(refusals.c.match_sha256).where(*this))
        return {row.match_sha256 for row in rows}

    def forget(self, owner: str, sha256s: Collection[str]) -> None:
        """Forget all that files of these contents are part of."""
        wanted = list(sha256s)
        if not wanted:
            return
        with self._database.writing() as connection:
            for kept in (lookups, refusals):
                part = or_(kept.c.sha256.in_(wanted), kept.c.match_sha256.in_(wanted))
                connection.execute(delete(kept).where(kept.c.owner == owner, part))

    def sweep(self, before: datetime) -> None:
        """Forget what was found, or said, before a moment."""
        with self._database.writing() as connection:
            for kept in (lookups, refusals):
                connection.execute(delete(kept).where(kept.c.created < before))
