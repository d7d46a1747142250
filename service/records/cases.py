"""Cases: analyses, links and notes that belong together, as an append-only audit log.

The contents of a case are derived from its log. Each entry has the SHA-256 of its own canonical
JSON, which includes the hash of the entry before (a hash chain).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError, field_serializer

from detector.schema.base import FrozenModel
from detector.seals import canonical, digest
from detector.sentences import _
from service.records.model import RecordsError
from service.records.tables import CASES, Limit, RowGateway

MAX_CASES = 500  # of an owner; deploy/supabase/migrations say the same, as of the log's length
MAX_LOG_BYTES = 2_000_000
FIRST = "0" * 64  # Stands for the hash before the first entry


class CaseStatus(StrEnum):
    """Status of a case."""

    OPEN = "open"
    REVIEWED = "reviewed"
    CLOSED = "closed"


class CaseAction(StrEnum):
    """Action of a log entry."""

    CREATED = "created"
    RENAMED = "renamed"
    FILE_ADDED = "file_added"
    FILE_REMOVED = "file_removed"
    LINK_ADDED = "link_added"
    NOTE_ADDED = "note_added"
    STATUS_SET = "status_set"
    EXPORTED = "exported"


class CaseEntry(FrozenModel):
    """One entry of a case's log."""

    number: int = Field(ge=1)
    time: datetime = Field(description="UTC")
    actor: str = Field(description="the account, API key or guest, and the name that was typed")
    action: CaseAction
    details: dict[str, str] = {}
    previous: str = Field(description="hash of the entry before")
    hash: str = Field(description="SHA-256 of the canonical JSON of all other fields")

    @field_serializer("time")
    def _in_utc(self, time: datetime) -> str:
        return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def tree(self) -> dict[str, Any]:
        """Return the entry as JSON."""
        return self.model_dump(mode="json")


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the hash of an entry's JSON tree."""
    return digest(canonical({name: entry[name] for name in entry if name != "hash"}))


def first_broken(log: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the position, from 1, of the first entry that was changed, removed or moved; None if
    the whole chain is intact. `log` has the entries' JSON trees."""
    previous = FIRST
    for number, entry in enumerate(log, 1):
        chained = entry.get("number") == number and entry.get("previous") == previous
        if not chained or entry.get("hash") != entry_hash(entry):
            return number
        previous = entry["hash"]
    return None


class Case(FrozenModel):
    """A case of one owner."""

    id: str = Field(description="22 URL-safe characters")
    owner: str
    log: tuple[CaseEntry, ...] = ()

    def appended(self, actor: str, action: CaseAction, details: Mapping[str, str]) -> Case:
        """Return the case with one more entry."""
        now = datetime.now(UTC)
        entry = CaseEntry(
            number=len(self.log) + 1,
            time=now.replace(microsecond=now.microsecond // 1000 * 1000),  # as it is stored
            actor=actor,
            action=action,
            details={name: value for name, value in details.items() if value},
            previous=self.head,
            hash="",
        )
        entry = entry.model_copy(update={"hash": entry_hash(entry.tree)})
        return self.model_copy(update={"log": (*self.log, entry)})

    @property
    def head(self) -> str:
        """Return the hash of the newest entry, by which its holder can verify the log."""
        return self.log[-1].hash if self.log else FIRST

    @property
    def first_broken(self) -> int | None:
        return first_broken([entry.tree for entry in self.log])

    @property
    def created(self) -> datetime:
        return self.log[0].time

    @property
    def touched(self) -> datetime:
        return self.log[-1].time

    @property
    def title(self) -> str:
        return self._last("title")

    @property
    def status(self) -> CaseStatus:
        return CaseStatus(self._last("status") or CaseStatus.OPEN)

    @property
    def closed(self) -> bool:
        return self.status is CaseStatus.CLOSED

    @property
    def reviewer(self) -> str:
        return self._last("reviewer")

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Return the facts recorded about each analysis when it was added, by its id."""
        files: dict[str, dict[str, str]] = {}
        for entry in self.log:
            if entry.action is CaseAction.FILE_ADDED:
                files[entry.details["analysis"]] = entry.details
            elif entry.action is CaseAction.FILE_REMOVED:
                files.pop(entry.details["analysis"], None)
        return files

    @property
    def tree(self) -> dict[str, Any]:
        """Return the case with its contents, for JSON."""
        return {
            "id": self.id,
            "title": self.title,
            "status": self.status.value,
            "reviewer": self.reviewer,
            "files": list(self.files.values()),
        }

    def entries(self, action: CaseAction) -> list[CaseEntry]:
        """Return the entries of one action."""
        return [entry for entry in self.log if entry.action is action]

    def as_lines(self) -> str:
        """Return the log as JSON Lines, as it is stored and exported."""
        return "".join(canonical(entry.tree).decode() + "\n" for entry in self.log)

    @classmethod
    def read(cls, id: str, owner: str, lines: str) -> Case:
        """Return the case of a stored log. Raise RecordsError if this version can't read it."""
        try:
            log = [json.loads(line) for line in lines.split("\n") if line]
            return cls.model_validate({"id": id, "owner": owner, "log": log})
        except (ValueError, ValidationError) as error:
            text = _("The log of this case can't be read: it was damaged or changed.")
            raise RecordsError(text, code="records_unreadable") from error

    def _last(self, name: str) -> str:
        return next((e.details[name] for e in reversed(self.log) if name in e.details), "")


def too_many_cases() -> RecordsError:
    """Return the error of a case over the limit."""
    text = _("There can be {most} cases.").format(most=MAX_CASES)
    return RecordsError(text, code="quota", hint=_("Delete some."))


_CASE = ("id", "owner", "touched", "log")


class Cases:
    """The cases of a store, each visible to its owner only."""

    def __init__(self, rows: RowGateway) -> None:
        self.rows = rows

    def all(self, owner: str) -> list[Case]:
        """Return the owner's cases, the latest change first."""
        rows = self.rows.select(CASES, _CASE, {"owner": owner}, ("-touched", "id"))
        return [Case.read(row["id"], row["owner"], row["log"]) for row in rows]

    def get(self, owner: str, id: str) -> Case | None:
        rows = self.rows.select(CASES, _CASE, {"owner": owner, "id": id}, limit=1)
        return next((Case.read(row["id"], row["owner"], row["log"]) for row in rows), None)

    def save(self, case: Case, known: int) -> bool:
        """Store a case that had `known` entries when it was read; 0: a new one. Return False if it
        was changed by another request or deleted meanwhile. Raise RecordsError if the case or the
        number of cases is over the limit."""
        log = case.as_lines()
        if len(log.encode()) > MAX_LOG_BYTES:
            raise RecordsError(_("This case is full. Begin another one."), code="quota")
        row = {
            "touched": case.touched,
            "entries": len(case.log),
            "closed": case.closed,
            "analyses": tuple(case.files),
            "log": log,
        }
        this = {"owner": case.owner, "id": case.id}
        if known:
            return bool(self.rows.update(CASES, row, this | {"entries": known}, ["id"]))
        limit = Limit({"owner": case.owner}, MAX_CASES, too_many_cases())
        self.rows.insert(CASES, row | this | {"created": case.created}, limit)
        return True

    def delete(self, owner: str, id: str) -> bool:
        return bool(self.rows.delete(CASES, {"owner": owner, "id": id}, ["id"]))
