"""Known footage of people, each visible to its owner only: fingerprints, results of lookups, and
rejected matches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from detector.comparison.fingerprint import HASH_BYTES
from detector.errors import InputError
from detector.media.files import one_line
from detector.schema.summary import ANALYSES, MAX_NAME_LENGTH, FoundFootage
from detector.sentences import _, numeral
from service.context import new_id
from service.records.database import StoredRows, affected, insert_new, upsert
from service.records.model import GUEST, KEY, LOCAL, MissedLookup
from service.records.tables import RECORDS, Footage, LookupRow, RefusedMatch, batches

_ROW_BYTES = 4 + HASH_BYTES
MAX_FOOTAGE = 200_000  # files of an owner


def kept_name(name: str) -> str:
    """Return a file's name as it is stored."""
    return one_line(name)[:MAX_NAME_LENGTH]


@dataclass(frozen=True)
class FootageSource:
    """Source of some of an owner's footage, and its amount."""

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
        """Return the stored form: all times, then all hashes, little-endian; of the frames, then of
        the faces."""
        return _packed(self.times, self.hashes) + _packed(self.face_times, self.face_hashes)

    @classmethod
    def unpack(cls, data: bytes, frames: int) -> Prints:
        """Read the stored form of `frames` frames. Raise ValueError if it is truncated."""
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
        """Store the fingerprints of a file; return None if its content is known. Raise InputError
        if this owner's library is full."""
        if self.count(owner) >= MAX_FOOTAGE:
            full = _("A library holds {most} files at most.").format(most=numeral(MAX_FOOTAGE))
            raise InputError(full, hint=_("Remove some first."))
        new = Footage(
            id=new_id(), owner=owner, name=kept_name(name), sha256=sha256, source=source,
            added=datetime.now(UTC), size=size, duration=duration, frames=len(prints.times),
            prints=prints.packed(),
        )  # fmt: skip
        with self._database.writing() as session:
            return new if insert_new(session, new) else None

    def list(self, owner: str) -> list[Footage]:
        """Return an owner's footage, the newest first."""
        owned = select(Footage).where(Footage.owner == owner)
        return self._database.all(owned.order_by(Footage.added.desc(), Footage.id))

    def page(
        self, owner: str, text: str = "", *, offset: int = 0, limit: int = 50
    ) -> tuple[Sequence[Footage], int]:
        """Return a page of an owner's footage, the newest first, and the number of all matches.
        Each word of `text` must occur in the name."""
        every: list[ColumnElement[bool]] = [Footage.owner == owner]
        every += [Footage.name.icontains(part, autoescape=True) for part in text.split()]
        newest = select(Footage).where(*every).order_by(Footage.added.desc(), Footage.id)
        with self._database.reading() as session:
            total = session.execute(select(func.count()).where(*every)).scalar_one()
            return list(session.scalars(newest.offset(offset).limit(limit))), total

    def sources(self, owner: str) -> Sequence[FootageSource]:
        """Return the sources of an owner's footage, the latest first."""
        newest = func.max(Footage.added)
        seconds = func.coalesce(func.sum(Footage.duration), 0.0)
        parts = [func.count(), seconds, func.sum(Footage.frames), newest]
        grouped = select(Footage.source, *parts).where(Footage.owner == owner)
        rows = self._database.rows(grouped.group_by(Footage.source).order_by(newest.desc()))
        return [FootageSource(*row) for row in map(tuple, rows)]

    def known_from(self, owner: str, source: str) -> Sequence[tuple[str, int, datetime]]:
        """Return name, bytes and time of each file from one source."""
        columns = Footage.name, Footage.size, Footage.added
        this = select(*columns).where(Footage.owner == owner, Footage.source == source)
        return [(row.name, row.size, row.added) for row in self._database.rows(this)]

    def get(self, owner: str, id: str) -> Footage | None:
        """Return a file of the owner."""
        this = select(Footage).where(Footage.owner == owner, Footage.id == id)
        found: Footage | None = self._database.scalar(this)
        return found

    def knows(self, owner: str, sha256: str) -> bool:
        """Return whether an owner's footage contains this very file."""
        this = select(Footage.id).where(Footage.owner == owner, Footage.sha256 == sha256)
        return self._database.first(this) is not None

    def registered(self, owner: str, sha256: str) -> bool:
        """Return whether an owner added this very file as an original, rather than only analyzed
        it."""
        this = Footage.owner == owner, Footage.sha256 == sha256, Footage.source != ANALYSES
        return self._database.first(select(Footage.id).where(*this)) is not None

    def count(self, owner: str, *, without: Collection[str] = ()) -> int:
        """Return how many files an owner's footage has, except those of some contents, by
        sha256."""
        this = [Footage.owner == owner]
        if without:
            this += [Footage.sha256.not_in(list(without))]
        return int(self._database.scalar(select(func.count()).where(*this)))

    def remove(self, owner: str, ids: Collection[str]) -> int:
        """Delete some of the owner's files; return how many existed."""
        these = delete(Footage).where(Footage.owner == owner)
        with self._database.writing() as session:
            return sum(
                affected(session, these.where(Footage.id.in_(some))) for some in batches(ids)
            )

    def remove_source(self, owner: str, source: str) -> int:
        """Delete all of an owner's footage from one source; return how much it was."""
        this = delete(Footage).where(Footage.owner == owner, Footage.source == source)
        return self._database.run(this)

    def promote(self, owner: str, sha256: str, source: str) -> None:
        """Keep footage that is known from an analysis when that is deleted: it was added from
        elsewhere too."""
        this = Footage.owner == owner, Footage.sha256 == sha256, Footage.source == ANALYSES
        if source != ANALYSES:
            self._database.run(update(Footage).where(*this).values(source=source))

    def forget(self, owner: str, sha256s: Collection[str] | None = None) -> None:
        """Delete footage that is known from analyses only: of these contents, or all of it."""
        conditions = [Footage.owner == owner, Footage.source == ANALYSES]
        if sha256s is not None:
            conditions.append(Footage.sha256.in_(list(sha256s)))
        self._database.run(delete(Footage).where(*conditions))

    def sweep(self, before: datetime) -> None:
        """Delete footage that is known only from deleted analyses: of people whose records are in
        this database, and of others after their time. A guest can't return without a cookie, so all
        their footage goes after its time."""
        here = or_(
            Footage.owner == LOCAL, Footage.owner.startswith(GUEST), Footage.owner.startswith(KEY)
        )
        same = RECORDS.c.owner == Footage.owner, RECORDS.c.sha256 == Footage.sha256
        lost = and_(here, ~select(RECORDS.c.id).where(*same).exists())
        old = Footage.added < before
        gone = delete(Footage).where(
            or_(
                and_(Footage.source == ANALYSES, or_(lost, old)),
                and_(Footage.owner.startswith(GUEST), old),
            )
        )
        self._database.run(gone)

    def prints(self, owner: str) -> Iterator[tuple[Footage, Prints]]:
        """Yield an owner's footage with its fingerprints, as one snapshot."""
        owned = select(Footage, Footage.prints).where(Footage.owner == owner)
        oldest = owned.order_by(Footage.added, Footage.id)
        with self._database.reading() as session:
            for known, data in session.execute(oldest, execution_options={"yield_per": 100}):
                yield known, Prints.unpack(data, known.frames)

    def version(self, owner: str) -> tuple[int, str]:
        """Return the number of an owner's files, and a value that changes with them."""
        newest = func.max(Footage.added), func.max(Footage.id), func.min(Footage.id)
        count = select(func.count(), *newest).where(Footage.owner == owner)
        [row] = self._database.rows(count)
        return row[0], repr(tuple(row))


_LOOKED_UP: tuple[type[LookupRow | RefusedMatch], ...] = (LookupRow, RefusedMatch)


class LookupStore(StoredRows):
    """Results of lookups in a server's libraries, in SQLite or PostgreSQL."""

    def save(self, owner: str, sha256: str, outcome: FoundFootage | MissedLookup) -> None:
        """Store the result of a lookup over an earlier one."""
        match = outcome.match_sha256 if isinstance(outcome, FoundFootage) else ""
        row = LookupRow(
            owner=owner, sha256=sha256, match_sha256=match, created=datetime.now(UTC),
            outcome=outcome,
        )  # fmt: skip
        with self._database.writing() as session:
            upsert(session, row)

    def find(self, owner: str, sha256: str) -> FoundFootage | None:
        """Return the match of the owner's file; None if that was removed from their
        library since."""
        same = Footage.owner == LookupRow.owner, Footage.sha256 == LookupRow.match_sha256
        this = LookupRow.owner == owner, LookupRow.sha256 == sha256, LookupRow.match_sha256 != ""
        both = select(LookupRow.outcome, Footage.added).outerjoin(Footage, and_(*same))
        row = self._database.first(both.where(*this))
        if row is None or (row.added is None and row.outcome.source != ANALYSES):
            return None
        found: FoundFootage = row.outcome.model_copy(update={"added": row.added})
        return found

    def missed(self, owner: str, sha256: str) -> MissedLookup:
        """Return the statistics of an unsuccessful lookup; all 0 if the file was found or not
        looked up."""
        this = LookupRow.owner == owner, LookupRow.sha256 == sha256
        outcome = self._database.scalar(select(LookupRow.outcome).where(*this))
        missed = outcome if isinstance(outcome, MissedLookup) else MissedLookup()
        return missed._replace(refused=len(self.refused(owner, sha256)))

    def refuse(self, owner: str, sha256: str, match: str) -> None:
        """Store that a file does not come from this footage; it isn't reported again."""
        this = {"owner": owner, "sha256": sha256, "match_sha256": match}
        with self._database.writing() as session:
            upsert(session, RefusedMatch(**this, created=datetime.now(UTC)))
            session.execute(delete(LookupRow).filter_by(**this))

    def refused(self, owner: str, sha256: str) -> set[str]:
        """Return the footage that the owner rejected as the original of a file, by sha256."""
        this = RefusedMatch.owner == owner, RefusedMatch.sha256 == sha256
        rows = self._database.rows(select(RefusedMatch.match_sha256).where(*this))
        return {row.match_sha256 for row in rows}

    def forget(self, owner: str, sha256s: Collection[str]) -> None:
        """Delete all results that involve files of these contents."""
        wanted = list(sha256s)
        if not wanted:
            return
        with self._database.writing() as session:
            for kept in _LOOKED_UP:
                part = or_(kept.sha256.in_(wanted), kept.match_sha256.in_(wanted))
                session.execute(delete(kept).where(kept.owner == owner, part))

    def sweep(self, before: datetime) -> None:
        """Delete results and rejections from before a moment."""
        with self._database.writing() as session:
            for kept in _LOOKED_UP:
                session.execute(delete(kept).where(kept.created < before))
