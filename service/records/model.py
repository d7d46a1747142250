"""Data of the records: rows of all stores, and their limits.

Two ids must not be confused. An *owner* (`Principal.id`) is the person that a row belongs to:
"local", "guest:…" or the id of an account. Every method of a store takes it, and for any other
person a row does not exist: the answer is that for an unknown id. A record's *id* is 128 random
bits and is also the address of its result (`/?a=<id>`), see `AnalysisStore.open`.
"""

from __future__ import annotations

import secrets
import traceback
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from detector import __version__
from detector.errors import InputError, UnmaskError
from detector.media.files import one_line
from detector.schema.analysis import Analysis, ErrorDetail, Label, Settings
from detector.schema.base import FrozenModel
from detector.schema.summary import ResultSummary
from detector.sentences import Message, MessageSpec, _, spec_of

FileName = Annotated[str, AfterValidator(one_line)]  # as a person named it; escape it

LOCAL = "local"  # The owner of everything analyzed at this computer's own screen
GUEST = "guest:"  # How the ids of visitors without an account begin
KEY = "key:"  # How the ids of programs begin
MAX_NOTE_LENGTH, MAX_TAG_LENGTH, MAX_TAGS = 4000, 40, 20
"""characters of a note and a tag, tags of a record"""
MAX_PRESETS = 40
MAX_PAGE_SIZE = 500  # records of one page at most
MAX_THUMBNAIL_BYTES = 10_000
MAX_SHARE_TTL = timedelta(days=90)
MAX_LINKS = 100  # of a record; in a Supabase project deploy/supabase/migrations say the same


class State(StrEnum):
    """State of an analysis. A store holds QUEUED until a run has ended; `service.tasks.jobs`, which
    knows whether there is a run and whether it is alive, turns it into WAITING, RUNNING or
    INTERRUPTED."""

    WAITING = "waiting"  # Stored for a batch, which has not queued it yet
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    INTERRUPTED = "interrupted"  # The server stopped before this was done


class Confirmed(StrEnum):
    """Ground truth that an analyst confirmed, independent of the verdict."""

    OPEN = ""
    FAKE = "fake"
    REAL = "real"


class ResultOrigin(StrEnum):
    """Maker of a result."""

    HERE = "this_server"
    BEFORE = "before_seals"  # In this server's own database, from before it sealed results
    ELSEWHERE = "not_this_server"  # No seal, or one that does not hold


class RecordsError(InputError):
    """The store can't be used: full, locked, unreachable, or of a newer version."""

    default_code = "records"


class ErrorReport(FrozenModel):
    """Reason of a failed job."""

    problem: ErrorDetail  # For the person: what, and what to do, in English
    message: MessageSpec | None = None
    """The same, to be said in the reader's language, as `hint` is; where our own words say it."""
    hint: MessageSpec | None = None
    ours: bool  # The file is not at fault
    reference: str  # On the page and in the log, to find one from the other
    when: datetime
    details: str  # For a bug report; no file name, path or setting


class Record(FrozenModel):
    """One analysis in a list, without the result itself (`Store.analysis`). Times are in UTC, in
    whole microseconds."""

    id: str = Field(description="22 URL-safe characters; the upload's token and folder too")
    owner: str
    created: datetime = Field(description="when the file was first brought")
    touched: datetime = Field(
        description="when it was last brought or asked for: lists are in this order, and retention "
        "counts from here"
    )
    name: FileName
    sha256: str = Field(default="", description="of the media; empty where there never was a file")
    size: int = Field(default=0, description="bytes of the media")
    source: Literal["upload", "live"] = Field(
        default="upload", description="live: a session in front of a camera, without a file"
    )
    settings: Settings = Field(default_factory=Settings)
    state: State = State.QUEUED
    run: str = Field(
        default="",
        description="the latest run, <server>:<number>, which alone may write; empty before the "
        "first",
    )
    cache_key: str = Field(
        default="", description="everything that decided the answer (records.cache); empty: not "
        "to be used again"
    )  # fmt: skip
    fault: ErrorReport | None = None
    result: ResultSummary | None = Field(default=None, description="once there is a result")
    last_cache_hit: datetime | None = Field(
        default=None, description="when the same file last came and was given this result"
    )
    note: str = ""
    tags: tuple[str, ...] = ()
    confirmed: Confirmed = Confirmed.OPEN


Order = Literal["newest", "oldest", "name", "likelihood"]


class Query(FrozenModel):
    """Filters of a search. All of them apply; within one list, any value.

    `text` is split at spaces; each word must occur in the name, sha256, note or a tag, ignoring
    case.
    """

    text: str = ""
    verdicts: frozenset[Label | Literal[""]] = Field(
        default=frozenset(), description="labels of headlines; empty for no result"
    )
    models: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    confirmed: frozenset[Confirmed] = frozenset()
    since: datetime | None = Field(default=None, description="`touched` at or after")
    until: datetime | None = Field(default=None, description="`touched` before")
    order: Order = "newest"
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=50, ge=1, le=MAX_PAGE_SIZE)


class Page(FrozenModel):
    """A page of search results.

    `counts` is by the headline's label under all filters except the verdict, None for records
    without a result, so that a page can show how many each choice would give. Orders are total
    (ties by id): no record is on two pages.
    """

    records: tuple[Record, ...]
    total: int
    counts: dict[Label | None, int]


class Facets(FrozenModel):
    """Values to filter by: the number of an owner's records with each tag and each model."""

    tags: dict[str, int] = {}
    models: dict[str, int] = {}


class ShareLink(FrozenModel):
    """A read-only link to one record.

    `token` is returned by `Store.share` alone: a store holds only its hash, so that a reader of the
    database can't open a link.
    """

    id: str
    record: str
    created: datetime
    expires: datetime
    token: str = ""


class SharedResult(FrozenModel):
    """A result as a link shows it: without note, tags, labels and the place of the recording.

    `record` names the media on this server and must not reach the viewer's browser: that address
    allows more than reading. In a Supabase project `record` is its `detector.seals.record_hash`.
    """

    share: str
    record: str
    name: FileName
    analysis: Analysis
    expires: datetime
    origin: ResultOrigin


class Preferences(BaseModel):
    """A person's own settings. Unknown fields of a newer version are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    keep_days: float | None = Field(
        default=None, gt=0, description="how long their records are kept; None: as the server does"
    )
    find_originals: bool = Field(
        default=True,
        description="whether fingerprints of what they analyze are kept, and each file is looked "
        "for among them and the rest of their library",
    )
    watched: tuple[str, ...] = Field(
        default=(), description="folders of this computer whose new files are added"
    )
    base_rate: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="share of fakes among the files that they get: odds in words follow it",
    )
    language: str = Field(
        default="", description="the code of the language of the pages; empty: the browser's"
    )
    mirror: bool = Field(default=False, description="whether Live shows a camera as a mirror does")


class BatchItem(FrozenModel):
    """One file of a batch: its analysis, or the reason of its refusal."""

    name: FileName
    analysis: str | None = None
    refused: dict[str, str] | None = None
    known: bool = False  # Its content was here before: it shares that analysis
    turn: int = 0  # A higher one is analyzed first; grows each time somebody asks for it


class MissedLookup(NamedTuple):
    """Statistics of a lookup without a match to report."""

    searched: int = 0  # files of the library
    matched: int = 0
    asked: int = 0  # frames of the file that the most alike one shows, of those looked for: too few
    refused: int = 0  # files that were left out, since a person said that they are not its original


class Usage(FrozenModel):
    """Size of an owner's records in the store (of the media: `Uploads.size`)."""

    records: int = 0
    bytes: int = 0


_INTERNAL = "internal"
_STOPPED = _("The analysis stopped. Your file is not at fault.")


def fault_of(error: BaseException) -> ErrorReport:
    """Return the report of an error: a message for the person, details for a bug report."""
    ours = not isinstance(error, InputError)
    if isinstance(error, UnmaskError):
        message, hint = error.message, error.hint
        problem = ErrorDetail(code=error.code, message=message, hint=hint)
    else:
        message, hint = _STOPPED, ""
        problem = ErrorDetail(code=_INTERNAL, message=message)
    digits = secrets.token_hex(4).upper()
    reference, when = f"{digits[:4]}-{digits[4:]}", datetime.now(UTC)
    return ErrorReport(
        problem=problem,
        message=spec_of(message),
        hint=spec_of(hint),
        ours=ours,
        reference=reference,
        when=when,
        details=_details(error, problem, reference, when),
    )


def message_of(fault: ErrorReport) -> str:
    """Return a fault's message, which is translated when it is shown."""
    return Message(fault.message) if fault.message is not None else fault.problem.message


def hint_of(fault: ErrorReport) -> str:
    """Return a fault's hint; may be empty."""
    return Message(fault.hint) if fault.hint is not None else fault.problem.hint


def _details(error: BaseException, problem: ErrorDetail, reference: str, when: datetime) -> str:
    """Return type and traceback of an error, without the message of a foreign exception, which may
    name files."""
    lines = [
        f"Reference {reference}, {when:%Y-%m-%d %H:%M} UTC, Unmask {__version__}",
        f"{type(error).__name__} ({problem.code})",
    ]
    lines += [
        f"  {Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.lineno} "
        f"in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return "\n".join(lines)
