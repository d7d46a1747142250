"""Tables and mapped classes, common to SQLite and PostgreSQL and, by `service.records.supabase`, to
a Supabase project.

A change of a table needs a migration in `migrations/versions`.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from inspect import isclass
from itertools import islice
from types import NoneType
from typing import Any, Literal, NamedTuple, Protocol, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column
from sqlalchemy.types import TypeEngine

from detector.schema.comparison import Comparison
from detector.schema.summary import FoundFootage
from service.context import Principal, PrincipalKind, Role, Scope
from service.records.model import (
    KEY,
    BatchItem,
    ErrorReport,
    MissedLookup,
    Record,
    RecordsError,
    ShareLink,
)
from service.records.rules import storable

HEAD = "0020"  # The newest migration


def stamp(moment: datetime) -> str:
    """Return a time in UTC as a text of fixed length, which sorts as times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class TextType(TypeDecorator[str]):
    """A text, or a `StrEnum`, without NUL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(str(value))


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, in whole microseconds; in SQLite, which has no such type, a text
    that sorts."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        timestamp = DateTime(timezone=True)
        return dialect.type_descriptor(timestamp if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else stamp(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC)


class StringList(TypeDecorator[tuple[str, ...]]):
    """A list of texts of a `type`, as JSON that both databases can search."""

    impl = Text
    cache_ok = True

    def __init__(self, type: type[str] = str) -> None:
        super().__init__()
        self.type = type

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        words = [storable(str(word)) for word in value]
        return words if dialect.name == "postgresql" else json.dumps(words)

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...] | None:
        if value is None:
            return None
        return tuple(map(self.type, json.loads(value) if isinstance(value, str) else value))


class Json(TypeDecorator[Any]):
    """A value, possibly with pydantic models, as JSON; read as a `type`, by default as
    plain JSON."""

    impl = Text
    cache_ok = True

    def __init__(self, type: Any = Any) -> None:
        super().__init__()
        self.type = type
        self._adapter = TypeAdapter(type)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else self._adapter.dump_json(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.validate_json(value)


class Packed(TypeDecorator[Any]):
    """Compressed JSON (about a tenth); read as a model, None if this version can't, or without a
    `type` as the JSON itself."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, type: Any = None) -> None:
        super().__init__()
        self.type = type

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else pack(value.model_dump_json())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        with suppress(zlib.error, ValidationError):
            data = zlib.decompress(value)
            return self.type.model_validate_json(data) if self.type else data
        return None


def pack(document: str) -> bytes:
    """Return JSON as `Packed` stores it."""
    return zlib.compress(document.encode(), 6)


# SQLite's are as wide under their short names.
BYTES = Integer().with_variant(BigInteger(), "postgresql")
NUMBER: TypeEngine[float] = REAL().with_variant(Double(), "postgresql")


class Base(MappedAsDataclass, DeclarativeBase, kw_only=True):
    """Base of all mapped classes. Objects outlive their transaction."""

    type_annotation_map = {
        str: TextType,
        datetime: UtcDateTime,
        float: NUMBER,
        tuple[str, ...]: StringList,
        tuple[Scope, ...]: StringList(Scope),
    }
    __table_args__ = {"sqlite_with_rowid": False}

    @property
    def tree(self) -> dict[str, Any]:
        """Return the fields that the owner may see, as JSON."""
        names = (field.name for field in fields(self) if field.name not in _PRIVATE)
        values = {name: getattr(self, name) for name in names}
        tree: dict[str, Any] = TypeAdapter(dict[str, Any]).dump_python(values, mode="json")
        return tree


_PRIVATE = ("owner", "hash", "prints")
metadata = Base.metadata


def columns(model: type[BaseModel], *, without: Collection[str] = ()) -> Iterator[Column[Any]]:
    """Yield a column for each field of a model; `id` is the primary key."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        nullable = NoneType in get_args(kind)
        if name not in without:
            type = _column_type(get_args(kind)[0] if nullable else kind)
            yield Column(name, type, primary_key=name == "id", nullable=nullable)


def _column_type(kind: Any) -> Any:
    if isclass(kind) and issubclass(kind, BaseModel):
        return Json()  # validated with the rest of its row
    types = {datetime: UtcDateTime, int: BYTES, tuple[str, ...]: StringList}
    if kind in types:
        return types[kind]
    if get_origin(kind) is Literal or (isclass(kind) and issubclass(kind, str)):
        return TextType
    raise TypeError(f"no column holds {kind}")


# --- what a Supabase project has too, see `RowGateway` -------------------------------------------

RECORDS = Table(
    "records",
    metadata,
    # Of the result, to filter and order by. Before the long ones: SQLite reads a row up to the
    # last column that it needs.
    Column("analyzed", UtcDateTime),
    Column("headline", TextType),
    Column("probability", NUMBER),
    Column("models", StringList, nullable=False),
    *columns(Record),
    Column("search_text", TextType, nullable=False),
    Column("thumbnail", LargeBinary),
    Column("document", Packed()),  # The whole result
    Index("records_by_key", "owner", "cache_key"),
    Index("records_by_file", "owner", "sha256"),
)
Index("records_by_time", RECORDS.c.owner, RECORDS.c.touched.desc(), RECORDS.c.id)
SHARES = Table(
    "shares",
    metadata,
    *columns(ShareLink, without=["token"]),
    Column("owner", TextType, nullable=False),
    Column("token_hash", TextType, nullable=False, unique=True),
    ForeignKeyConstraint(["record"], ["records.id"], ondelete="CASCADE"),
    Index("shares_of_record", "record"),
    sqlite_with_rowid=False,
)
SETTINGS = Table(
    "settings",  # Preferences, without a name, and presets by name
    metadata,
    Column("owner", TextType, primary_key=True),
    Column("kind", TextType, primary_key=True),
    Column("name", TextType, primary_key=True),
    Column("value", Json(), nullable=False),
    sqlite_with_rowid=False,
)
CASES = Table(
    "cases",  # The log of each case, and what it is found by
    metadata,
    Column("id", TextType, primary_key=True),
    Column("owner", TextType, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("touched", UtcDateTime, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("analyses", StringList, nullable=False),
    Column("log", Text, nullable=False),  # JSON Lines
    Index("cases_of_owner", "owner", "touched"),
    sqlite_with_rowid=False,
)


class TaskRow(Base):
    """A `service.tasks.task.Task` as its server last wrote it."""

    __tablename__ = "tasks"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    owner: Mapped[str]
    subject: Mapped[str]
    server: Mapped[str]
    state: Mapped[str]
    params: Mapped[Any] = mapped_column(Json(), nullable=False)
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    fault: Mapped[ErrorReport | None] = mapped_column(Json(ErrorReport))
    progress: Mapped[Any] = mapped_column(Json(), nullable=True)  # A `StepProgress`
    cancel: Mapped[bool] = mapped_column(server_default=false(), default=False)


Index("tasks_by_state", TaskRow.state)
Index("tasks_by_subject", TaskRow.kind, TaskRow.subject)


class ServerRow(Base):
    """A server of this database."""

    __tablename__ = "servers"
    id: Mapped[str] = mapped_column(primary_key=True)
    seen: Mapped[datetime]  # By the database's clock


class SealKeyRow(Base):
    """A public key of this database's servers."""

    __tablename__ = "seal_keys"
    key: Mapped[str] = mapped_column(primary_key=True)
    added: Mapped[datetime]
    revoked: Mapped[datetime | None]


class RateCount(Base):
    """Number of events of a key in a time slot."""

    __tablename__ = "rate_counts"
    key: Mapped[str] = mapped_column(primary_key=True)  # hashed
    slot: Mapped[int] = mapped_column(BYTES, primary_key=True, autoincrement=False)
    count: Mapped[int]
    expires: Mapped[datetime]


Index("rate_counts_by_end", RateCount.expires)


class ApiKey(Base):
    """An API key without its secret."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]  # whose or what for, as its maker said
    hash: Mapped[str]
    scopes: Mapped[tuple[Scope, ...]]
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    files_per_hour: Mapped[int | None]  # None: as an account's
    files_per_day: Mapped[int | None]  # None: any number
    revoked: Mapped[datetime | None] = mapped_column(default=None)
    used: Mapped[datetime | None] = mapped_column(default=None)  # last, to the minute

    def state(self, now: datetime) -> str:
        """Return "in force", "expired" or "revoked"."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "in force"

    @property
    def principal(self) -> Principal:
        """Return the principal of this key."""
        return Principal(
            f"{KEY}{self.id}",
            PrincipalKind.KEY,
            Role.ANALYST if Scope.ANALYZE in self.scopes else Role.VIEWER,
            files_per_hour=self.files_per_hour,
            files_per_day=self.files_per_day,
        )


class ApiRequest(Base):
    """An API request by its idempotency key."""

    __tablename__ = "api_requests"
    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    subject: Mapped[str | None]  # None: being worked on
    created: Mapped[datetime]


class Batch(Base):
    """A group of analyses that were submitted together, in upload order."""

    __tablename__ = "api_batches"
    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    created: Mapped[datetime]
    items: Mapped[tuple[BatchItem, ...]] = mapped_column(Json(tuple[BatchItem, ...]))
    name: Mapped[str] = mapped_column(server_default="")


class Footage(Base):
    """A known file of its owner; its fingerprints are loaded on access."""

    __tablename__ = "footage"
    __table_args__ = {"sqlite_with_rowid": True}
    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]  # as its owner named it; hostile, escape it
    sha256: Mapped[str]
    source: Mapped[str]  # the folder it is from, or analysis, upload, import
    added: Mapped[datetime]
    size: Mapped[int] = mapped_column(BYTES)
    duration: Mapped[float | None]  # s
    frames: Mapped[int]  # that fingerprints are kept of
    prints: Mapped[bytes] = mapped_column(deferred=True, repr=False, compare=False)
    """See `records.footage.Prints`"""


Index("footage_by_content", Footage.owner, Footage.sha256, unique=True)


class KeptComparison(Base):
    """A stored comparison. `comparison` is None in a row of another version that this one can't
    read; `ComparisonStore` returns none of these."""

    __tablename__ = "comparisons"
    __table_args__ = {"sqlite_with_rowid": True}
    id: Mapped[str] = mapped_column(primary_key=True)  # 22 URL-safe characters
    owner: Mapped[str]
    copy_sha256: Mapped[str]
    original_sha256: Mapped[str]
    version: Mapped[str]
    created: Mapped[datetime]
    comparison: Mapped[Comparison] = mapped_column(Packed(Comparison))


Index(
    "comparisons_by_content",
    KeptComparison.owner,
    KeptComparison.copy_sha256,
    KeptComparison.original_sha256,
    unique=True,
)


class LookupRow(Base):
    """Result of a lookup in known footage."""

    __tablename__ = "lookups"
    owner: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    match_sha256: Mapped[str]  # Empty: nothing was found
    created: Mapped[datetime]
    outcome: Mapped[FoundFootage | MissedLookup] = mapped_column(Json(FoundFootage | MissedLookup))


class RefusedMatch(Base):
    """Known footage that its owner rejected as the original of a file."""

    __tablename__ = "refusals"
    owner: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    match_sha256: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[datetime]


# --- their rows, in whatever database: the few things that it has to know ------------------------

Row = dict[str, Any]
Where = Mapping[str, Any]  # The columns of a row with their values; any one, where it is a list


class Limit(NamedTuple):
    """Maximum number of rows, and the error beyond it. A Supabase project counts by itself."""

    where: Where
    most: int
    refusal: RecordsError


class RowGateway(Protocol):
    """Access to rows by column. All methods raise RecordsError."""

    def select(
        self,
        table: Table,
        columns: Sequence[str],
        where: Where,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Row]:
        """Return some columns of rows, ordered by `order`; descending by `-column`. Without a
        limit, the table has an `id`, and `columns` contain it and the columns of the order."""

    def insert(self, table: Table, row: Row, limit: Limit | None = None) -> None:
        """Insert a row. Raise RecordsError (`records_taken`) if its key exists."""

    def update(self, table: Table, new: Row, where: Where, columns: Sequence[str]) -> list[Row]:
        """Update rows, and return their new columns."""

    def delete(self, table: Table, where: Where, columns: Sequence[str]) -> list[Row]:
        """Delete rows, and return their columns."""


def parts(where: Where, size: int = 0) -> Iterator[Where]:
    """Yield the condition with at most `size` values of a list at a time: databases limit the
    parameters of a statement."""
    name = next((name for name, value in where.items() if isinstance(value, list)), None)
    if name is None:
        yield where
        return
    for some in batches(where[name], size):
        yield {**where, name: some}


BATCH_SIZE = 500  # ids named in one statement; databases bound the number of its parameters


def batches(ids: Collection[str], size: int = 0) -> Iterator[Sequence[str]]:
    """Yield ids in parts of at most `size`, by default `BATCH_SIZE`."""
    rest = iter(ids)
    while some := list(islice(rest, size or BATCH_SIZE)):
        yield some
