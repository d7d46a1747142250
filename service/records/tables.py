"""The tables of records and tasks, for SQLite and PostgreSQL alike, as the newest migration leaves
them.

Whoever changes a table here adds a step to `migrations/versions`; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

HEAD = "0015"
"""The newest migration."""


def stamp(moment: datetime) -> str:
    """Return a time as a text of one length, in UTC, so that texts compare as times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def storable(text: str) -> str:
    """Return a text without NUL, which PostgreSQL has in none: file names are a stranger's."""
    return text.replace("\x00", "\ufffd")


class Words(TypeDecorator[str]):
    """A text of people's or of a `StrEnum`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(str(value))


class Moment(TypeDecorator[datetime]):
    """A time in UTC, whole to the microsecond. SQLite has no such type: a text that sorts."""

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


class WordList(TypeDecorator[tuple[str, ...]]):
    """Several texts in their order, as JSON that both databases can look into."""

    impl = Text
    cache_ok = True

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
        return tuple(json.loads(value) if isinstance(value, str) else value)


# SQLite's are as wide under their short names.
BYTES = Integer().with_variant(BigInteger(), "postgresql")
NUMBER: TypeEngine[float] = REAL().with_variant(Double(), "postgresql")

metadata = MetaData()


def _table(name: str, *columns: Column[Any], rowid: bool = False) -> Table:
    return Table(name, metadata, *columns, sqlite_with_rowid=rowid)


def _required(type: Any, *names: str) -> list[Column[Any]]:
    return [Column(name, type, nullable=False) for name in names]


records = _table(
    "records",
    Column("id", Words, primary_key=True),
    *_required(Words, "owner", "name", "sha256", "source", "state", "run", "cache_key"),
    *_required(Words, "note", "confirmed", "search_text"),
    *_required(Moment, "created", "touched"),
    *_required(BYTES, "size"),
    *_required(WordList, "tags"),
    *_required(Text, "settings"),  # JSON
    Column("fault", Text),  # JSON
    Column("again", Moment),
    # The summary of the result, all of it or nothing.
    Column("analyzed", Moment),
    Column("verdict", Words),
    Column("question", Words),
    Column("probability", NUMBER),
    Column("people", Integer),
    Column("kind", Words),
    Column("duration", NUMBER),
    Column("models", WordList, nullable=False, server_default="[]"),
    Column("version", Words),
    Column("seal", Text),  # JSON
    Column("copy_of", Words),
)
Index("records_by_time", records.c.owner, records.c.touched.desc(), records.c.id)
_keyed = records.c.cache_key != ""
Index(
    "records_by_key",
    records.c.owner,
    records.c.cache_key,
    sqlite_where=_keyed,
    postgresql_where=_keyed,
)

results = _table(
    "results",
    Column("id", ForeignKey(records.c.id, ondelete="CASCADE"), primary_key=True),
    Column("analysis", LargeBinary, nullable=False),  # compressed JSON
    Column("thumbnail", LargeBinary),
    rowid=True,
)

shares = _table(
    "shares",
    Column("id", Words, primary_key=True),
    Column("record", ForeignKey(records.c.id, ondelete="CASCADE"), nullable=False),
    Column("token_hash", Words, nullable=False, unique=True),
    *_required(Moment, "created", "expires"),
)
Index("shares_of_record", shares.c.record)

preferences = _table(
    "preferences", Column("owner", Words, primary_key=True), *_required(Text, "chosen")
)  # JSON

presets = _table(
    "presets",
    Column("owner", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    *_required(Text, "mix"),  # JSON
)

tasks = _table(
    "tasks",
    Column("id", Words, primary_key=True),
    *_required(Words, "kind", "owner", "subject", "server", "state"),
    *_required(Text, "params"),  # JSON, as `fault` and `progress` are
    *_required(Moment, "created"),
    Column("started", Moment),
    Column("ended", Moment),
    Column("fault", Text),
    Column("progress", Text),
    Column("cancel", Boolean, nullable=False, server_default=false()),
)
Index("tasks_by_state", tasks.c.state)
Index("tasks_by_subject", tasks.c.kind, tasks.c.subject)

servers = _table(
    "servers",
    Column("id", Words, primary_key=True),
    Column("seen", Moment, nullable=False),  # by the database's clock
)

seal_keys = _table(
    "seal_keys",
    Column("key", Words, primary_key=True),  # public
    Column("added", Moment, nullable=False),
    Column("revoked", Moment),
)

rate_counts = _table(
    "rate_counts",
    Column("key", Words, primary_key=True),  # hashed
    Column("slot", BYTES, primary_key=True, autoincrement=False),
    *_required(Integer, "count"),
    *_required(Moment, "expires"),
)
Index("rate_counts_by_end", rate_counts.c.expires)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Column("scopes", WordList, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked", Moment),
    Column("used", Moment),
    Column("files_per_hour", Integer),
    Column("files_per_day", Integer),
    sqlite_with_rowid=False,
)

api_requests = Table(
    "api_requests",
    metadata,
    Column("owner", Words, primary_key=True),
    Column("key", Words, primary_key=True),
    Column("fingerprint", Words, nullable=False),
    Column("subject", Words),  # None: being worked on
    Column("created", Moment, nullable=False),
    sqlite_with_rowid=False,
)

api_batches = Table(
    "api_batches",
    metadata,
    Column("id", Words, primary_key=True),
    Column("owner", Words, nullable=False),
    Column("created", Moment, nullable=False),
    Column("items", Text, nullable=False),  # JSON
    Column("name", Words, nullable=False, server_default=""),
    sqlite_with_rowid=False,
)

footage = _table(
    "footage",
    Column("id", Words, primary_key=True),
    *_required(Words, "owner", "sha256", "name"),
    Column("source", Words, nullable=False),  # the folder, or where else it comes from
    Column("added", Moment, nullable=False),
    Column("size", BYTES, nullable=False),
    Column("duration", NUMBER),
    Column("frames", Integer, nullable=False),
    Column("prints", LargeBinary, nullable=False),  # times and hashes, see records.footage
    rowid=True,
)
Index("footage_by_content", footage.c.owner, footage.c.sha256, unique=True)

comparisons = _table(
    "comparisons",
    Column("id", Words, primary_key=True),
    *_required(Words, "owner", "copy_sha256", "original_sha256", "version"),
    Column("created", Moment, nullable=False),
    Column("comparison", LargeBinary, nullable=False),  # compressed JSON
    rowid=True,
)
Index(
    "comparisons_by_content",
    comparisons.c.owner,
    comparisons.c.copy_sha256,
    comparisons.c.original_sha256,
    unique=True,
)

lookups = _table(
    "lookups",
    Column("owner", Words, primary_key=True),
    Column("sha256", Words, primary_key=True),
    *_required(Words, "found", "name", "source"),
    Column("start", NUMBER, nullable=False),
    Column("mirrored", Boolean, nullable=False),
    *_required(Integer, "matched", "asked"),
    Column("created", Moment, nullable=False),
    Column("searched", Integer, nullable=False, server_default="0"),
    Column("by_faces", Boolean, nullable=False, server_default=false()),
)

refusals = _table(
    "refusals",
    *(Column(name, Words, primary_key=True) for name in ("owner", "sha256", "found")),
    Column("created", Moment, nullable=False),
)
