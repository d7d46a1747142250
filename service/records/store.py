"""What is kept of analyses, and what any place to keep it must be able to do.

`Store` is the one seam: pages, jobs and the live page speak it and know neither SQLite nor
Supabase. This module holds the protocol, the rows and the rules that hold for every store; it opens
no file.

Two ids matter and are never mixed up. An *owner* (`auth.Person.id`) is whose a row is: "local",
"guest:…" or the id of an account. Every method takes it, and to anybody else a row does not exist:
the answer is the same as for an id that was never given. A record's *id* is 128 random bits and is
also the address of its result (`/?a=<id>`), see `Store.open`.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from dashboard.i18n import _
from detector.errors import InputError
from detector.schema.analysis import (
    Analysis,
    CustomEnsemble,
    ErrorDetail,
    Label,
    Probability,
    Question,
    Settings,
)

LOCAL = "local"
"""The owner of everything analyzed at this computer's own screen."""
GUEST = "guest:"
"""How the ids of visitors without an account begin."""

MOST_NOTE, MOST_TAG, MOST_TAGS, MOST_NAME = 4000, 40, 20, 300
"""characters of a note and a tag, tags of a record, characters of a name"""
MOST_PRESETS = 40
MOST_PAGE = 500
"""records of one page at most"""
THUMBNAIL_BYTES = 10_000
LONGEST_SHARE = timedelta(days=90)


class State(StrEnum):
    """Where an analysis stands. A store holds QUEUED until a run has ended; RUNNING and INTERRUPTED
    are what `service.tasks.jobs` makes of it, who knows whether the run still lives."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    INTERRUPTED = "interrupted"
    """The server stopped before this was done."""


class Confirmed(StrEnum):
    """What an analyst found out about a file, whatever the models say."""

    OPEN = ""
    FAKE = "fake"
    REAL = "real"


class RecordsError(InputError):
    """The place where records are kept can't be used: full, locked, not reachable, or newer."""

    default_code = "records"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorReport(_Row):
    """Why a job failed.

    Attributes
    ----------
    problem : Problem
        For the person: what, and what to do.
    ours : bool
        The file is not at fault.
    reference : str
        Printed on the page and in the log, to find one from the other.
    details : str
        For a bug report. Holds no file name, path or setting of this computer.
    """

    problem: ErrorDetail
    ours: bool
    reference: str
    when: datetime
    details: str


class Summary(_Row):
    """What lists, filters and counts need of a result, so that they never read a whole one."""

    analyzed: datetime
    verdict: Label
    question: Question | None = None
    probability: Probability | None = Field(
        default=None, description="combined likelihood: the one number of the file"
    )
    people: int = 0
    kind: str = Field(description="video, image or animation")
    duration: float | None = Field(default=None, description="s")
    models: tuple[str, ...] = Field(default=(), description="ids of those that gave a score")
    version: str = Field(default="", description="of Unmask, that scored it")

    @classmethod
    def of(cls, analysis: Analysis) -> Summary:
        verdict = analysis.verdict
        return cls(
            analyzed=analysis.created,
            verdict=verdict.label,
            question=verdict.question,
            probability=verdict.probability,
            people=sum(not track.whole for track in analysis.tracks),
            kind=analysis.media.kind,
            duration=analysis.media.duration,
            models=tuple(model.id for model in analysis.models if model.scored),
            version=analysis.software.version,
        )


class Record(_Row):
    """One analysis in a list: everything but the result itself (`Store.analysis`).

    Times are in UTC, whole to the microsecond.
    """

    id: str = Field(description="22 URL-safe characters; the upload's token and folder too")
    owner: str
    created: datetime = Field(description="when the file was first brought")
    touched: datetime = Field(
        description="when it was last brought or asked for: lists are in this order, and retention "
        "counts from here"
    )
    name: str = Field(description="as the person named the file; hostile, escape it")
    sha256: str = Field(default="", description="of the media; empty where there never was a file")
    size: int = Field(default=0, description="bytes of the media")
    source: Literal["upload", "live"] = Field(
        default="upload", description="live: a session in front of a camera, without a file"
    )
    settings: Settings = Field(default_factory=Settings)
    state: State = State.QUEUED
    run: str = Field(
        default="", description="the latest run, <server>:<number>; an older one may not write"
    )
    cache_key: str = Field(
        default="", description="everything that decided the answer (records.cache); empty: not "
        "to be used again"
    )  # fmt: skip
    fault: ErrorReport | None = None
    result: Summary | None = Field(default=None, description="once there is a result")
    again: datetime | None = Field(
        default=None, description="when the same file last came and was given this result"
    )
    note: str = ""
    tags: tuple[str, ...] = ()
    confirmed: Confirmed = Confirmed.OPEN


Order = Literal["newest", "oldest", "name", "likelihood"]


class Query(_Row):
    """What is looked for. Everything that is given must hold; within one list, any of it.

    `text` is split at spaces; each part must occur in the name, sha256, note or a tag, whatever the
    case.
    """

    text: str = ""
    verdicts: frozenset[Label] = frozenset()
    models: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    confirmed: frozenset[Confirmed] = frozenset()
    since: datetime | None = Field(default=None, description="`touched` at or after")
    until: datetime | None = Field(default=None, description="`touched` before")
    order: Order = "newest"
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=50, ge=1, le=MOST_PAGE)


class Page(_Row):
    """A part of what was found.

    `counts` is by verdict under all filters but that of the verdict, None for what has no result,
    so that a page can say how many each choice would show. Orders are total (ties by id): no record
    is on two pages.
    """

    records: tuple[Record, ...]
    total: int
    counts: dict[Label | None, int]


class Facets(_Row):
    """What an owner can filter by: how many records have each tag and each model."""

    tags: dict[str, int] = {}
    models: dict[str, int] = {}


class Share(_Row):
    """A read-only link to one record.

    `token` is given by `Store.share` alone: a store keeps only its hash, so that nobody who reads
    the database can open a link, and a link can be shown once.
    """

    id: str
    record: str
    created: datetime
    expires: datetime
    token: str = ""


class Shared(_Row):
    """What somebody with a link gets: no note, tag or label, not the place of the recording.

    `record` names the media on this server and must not reach the person's browser: it is the
    address that gives more than reading.
    """

    share: str
    record: str
    name: str
    analysis: Analysis
    expires: datetime


class Preferences(BaseModel):
    """What a person set for themselves. What a newer version added is left as it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    keep_days: float | None = Field(
        default=None, gt=0, description="how long their records are kept; None: as the server does"
    )


class Usage(_Row):
    """What an owner's records take up in the store (the media's bytes are `Uploads.size`)."""

    records: int = 0
    bytes: int = 0


class Store(Protocol):
    """Where analyses are kept. Safe to call from several threads.

    Methods that change something return what changed, and nothing (None, False, an empty list)
    when the owner has no such row. All raise `RecordsError` when the store can't be used.
    """

    # --- analyses

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        """Keep a new record. With `analysis` it is a finished one (`record.result` is filled in).

        Raises
        ------
        RecordsError
            The id is taken, also by somebody else.
        """

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        """A new run of a kept file: QUEUED, without result, thumbnail and fault."""

    def finish(
        self,
        owner: str,
        id: str,
        run: str,
        analysis: Analysis,
        *,
        thumbnail: bytes | None = None,
        cache_key: str = "",
    ) -> bool:
        """The end of a run: all of the result or nothing. False if the record is gone or belongs to
        a later run."""

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        """The end of a run without a result: FAILED or CANCELED. False as in `finish`."""

    def amend(self, owner: str, id: str, analysis: Analysis) -> bool:
        """Put a result that says more in the place of a finished one."""

    def get(self, owner: str, id: str) -> Record | None:
        """One of the owner's own records."""

    def open(self, viewer: str, id: str) -> Record | None:
        """The record behind an address, for whoever asks.

        The address is a secret that opens what people without an account analyzed, theirs or not:
        they have nothing else to show after a lost cookie. What belongs to an account opens for
        that account alone. Lists, notes, links and deletion go by owner all the same.
        """

    def analysis(self, owner: str, id: str) -> Analysis | None:
        """The whole result; None also when it was written by a version that can't be read."""

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        """WebP pictures by id, of those that have one; at most `THUMBNAIL_BYTES` each."""

    def search(self, owner: str, query: Query) -> Page: ...

    def facets(self, owner: str) -> Facets: ...

    def cached(self, owner: str, cache_key: str) -> Record | None:
        """The owner's newest finished record with this key."""

    def brought_again(self, owner: str, id: str, now: datetime) -> Record | None:
        """The same file came once more and got this result: sets `again` and `touched`."""

    def change(
        self,
        owner: str,
        id: str,
        *,
        note: str | None = None,
        tags: Iterable[str] | None = None,
        confirmed: Confirmed | None = None,
    ) -> Record | None:
        """Change what is given.

        Raises
        ------
        InputError
            Too long, or too many; nothing is changed.
        """

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        """Delete records with results, thumbnails and shares; the ids that were there. The media is
        the caller's (`Jobs.forget`)."""

    def ids(self, owner: str) -> list[str]:
        """Of all the owner's records."""

    def forget(self, owner: str) -> list[str]:
        """Delete everything of an owner, presets and settings too; the ids of the records."""

    def usage(self, owner: str) -> Usage: ...

    # --- shares

    def share(self, owner: str, id: str, lasts: timedelta, now: datetime) -> Share | None:
        """A new link to a finished record, with its token.

        Raises
        ------
        InputError
            It would last longer than `LONGEST_SHARE`, or not at all.
        """

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[Share]:
        """Links that are in force, to one record or to any, newest first; without tokens."""

    def revoke(self, owner: str, share_id: str) -> bool: ...

    def shared(self, token: str, now: datetime) -> Shared | None:
        """What a link leads to; None when it is unknown, revoked, over, or its record is gone."""

    # --- a person's own settings

    def preferences(self, owner: str) -> Preferences: ...

    def prefer(self, owner: str, preferences: Preferences) -> None: ...

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        """Ensembles by name, in the order of their names."""

    def keep_preset(self, owner: str, mix: CustomEnsemble) -> None:
        """Keep one under its name, in place of another of that name.

        Raises
        ------
        InputError
            It has no name, or there are `MOST_PRESETS` already.
        """

    def delete_preset(self, owner: str, name: str) -> bool: ...


# --- rules that hold for every store --------------------------------------------------------------


def new_id() -> str:
    """A fresh id of a record or token of a share: 22 URL-safe characters, 128 random bits."""
    return secrets.token_urlsafe(16)


def has_account(owner: str) -> bool:
    """Whether an owner can prove who they are from anywhere."""
    return owner != LOCAL and not owner.startswith(GUEST)


def _clean_note(note: str) -> str:
    note = note.strip()
    if len(note) > MOST_NOTE:
        raise InputError(
            _("A note can have {most} characters; this one has {number}.").format(
                most=f"{MOST_NOTE:,}", number=f"{len(note):,}"
            ),
            hint=_("Nothing was changed."),
        )
    return note


def _clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags without needless spaces and repetitions, in the order given."""
    kept: dict[str, str] = {}
    for tag in tags:
        tag = " ".join(tag.split())
        if len(tag) > MOST_TAG:
            raise InputError(
                _("A tag can have {most} characters; “{start}…” has {number}.").format(
                    most=MOST_TAG, start=tag[:MOST_TAG], number=len(tag)
                ),
                hint=_("Nothing was changed."),
            )
        if tag:
            kept.setdefault(tag.casefold(), tag)
    if len(kept) > MOST_TAGS:
        raise InputError(
            _("A file can have {most} tags.").format(most=MOST_TAGS),
            hint=_("Nothing was changed."),
        )
    return tuple(kept.values())


def wanted(
    note: str | None, tags: Iterable[str] | None, confirmed: Confirmed | None
) -> dict[str, Any]:
    """The fields of a record that `Store.change` changes, cleaned.

    Raises
    ------
    InputError
        As there.
    """
    given: dict[str, Any] = {}
    if note is not None:
        given["note"] = _clean_note(note)
    if tags is not None:
        given["tags"] = _clean_tags(tags)
    if confirmed is not None:
        given["confirmed"] = confirmed
    return given


def check_lasts(lasts: timedelta) -> None:
    if not timedelta(0) < lasts <= LONGEST_SHARE:
        most = _("A link can last up to {number} days.")
        raise InputError(most.format(number=LONGEST_SHARE.days))


def check_preset(mix: CustomEnsemble, known: Collection[str]) -> None:
    if not mix.name.strip():
        raise InputError(_("Give the preset a name."))
    if mix.name not in known and len(known) >= MOST_PRESETS:
        full = _("There are {number} presets already. Delete one first.")
        raise InputError(full.format(number=MOST_PRESETS))


def folded(text: str) -> str:
    """A text as it is compared in a search: without differences of case and of form."""
    return unicodedata.normalize("NFKC", text).casefold()


def haystack(record: Record) -> str:
    """What a search looks through."""
    return folded("\n".join((record.name, record.sha256, record.note, *record.tags)))


def for_strangers(analysis: Analysis) -> Analysis:
    """A result without the place where it was recorded."""
    if analysis.provenance is None or analysis.provenance.place is None:
        return analysis
    return analysis.model_copy(update={"provenance": analysis.provenance.without_place()})
