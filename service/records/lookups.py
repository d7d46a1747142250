"""What of a person's known footage their files show: found quietly, each owner's alone; and what
they said is not the original of a file."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import and_, delete, or_, select

from service.records.database import Database, upsert
from service.records.footage import ANALYSES
from service.records.tables import footage, refusals
from service.records.tables import lookups as table


class FoundFootage(BaseModel):
    """The known footage that a file shows best."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
_KEPT = [table.c[name] for name in FoundFootage.model_fields if name != "added"]


class LookupStore:
    """What was found in a server's libraries, in SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, owner: str, sha256: str, outcome: FoundFootage | MissedLookup) -> None:
        """Keep what a file shows, in place of what was found before."""
        missed = outcome if isinstance(outcome, MissedLookup) else None
        found = _NOTHING if isinstance(outcome, MissedLookup) else outcome
        row = found.model_dump(exclude={"added"}) | {"owner": owner, "sha256": sha256}
        if missed is not None:
            row |= missed._asdict()
            del row["refused"]
        with self._database.writing() as connection:
            upsert(connection, table, row | {"created": datetime.now(UTC)})

    def find(self, owner: str, sha256: str) -> FoundFootage | None:
        """Return what one of the owner's own files shows; None where that was taken out of their
        library since."""
        same = footage.c.owner == table.c.owner, footage.c.sha256 == table.c.match_sha256
        both = table.outerjoin(footage, and_(*same))
        this = select(*_KEPT, footage.c.added).select_from(both).where(
            table.c.owner == owner,
            table.c.sha256 == sha256,
            table.c.match_sha256 != "",
            or_(table.c.source == ANALYSES, footage.c.id.is_not(None)),
        )  # fmt: skip
        row = self._database.first(this)
        return FoundFootage.model_validate(row._asdict()) if row else None

    def missed(self, owner: str, sha256: str) -> MissedLookup:
        """Return how one of the owner's own was looked for and not found; all 0 where it was found
        or not looked for."""
        this = table.c.owner == owner, table.c.sha256 == sha256, table.c.match_sha256 == ""
        columns = table.c.searched, table.c.matched, table.c.asked
        row = self._database.first(select(*columns).where(*this))
        missed = MissedLookup(row.searched, row.matched, row.asked) if row else MissedLookup()
        return missed._replace(refused=len(self.refused(owner, sha256)))

    def refuse(self, owner: str, sha256: str, match: str) -> None:
        """Note that a file does not come from this footage: it isn't told again."""
        row = {"owner": owner, "sha256": sha256, "match_sha256": match}
        with self._database.writing() as connection:
            upsert(connection, refusals, row | {"created": datetime.now(UTC)})
            this = table.c.owner == owner, table.c.sha256 == sha256, table.c.match_sha256 == match
            connection.execute(delete(table).where(*this))

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
            for kept in (table, refusals):
                part = or_(kept.c.sha256.in_(wanted), kept.c.match_sha256.in_(wanted))
                connection.execute(delete(kept).where(kept.c.owner == owner, part))

    def sweep(self, before: datetime) -> None:
        """Forget what was found, or said, before a moment."""
        with self._database.writing() as connection:
            for kept in (table, refusals):
                connection.execute(delete(kept).where(kept.c.created < before))
