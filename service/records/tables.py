"""The tables of records and tasks, for SQLite and PostgreSQL alike.

A change of a table here needs a step in `migrations/versions`, which older databases get.
"""

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

HEAD = "0016"  # The newest migration


def stamp(moment: datetime) -> str:
    """Return a time as a text of one length, in UTC, so that texts compare as times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def storable(text: str) -> str:
    """Return a text without NUL, which PostgreSQL has in none: file names are a stranger's."""
    return text.replace("\x00", "\ufffd")


class TextType(TypeDecorator[str]):
    """A text of people's or of a `StrEnum`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(str(value))


class UtcDateTime(TypeDecorator[datetime]):
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


class StringList(TypeDecorator[tuple[str, ...]]):
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


def _keys(*names: str) -> list[Column[Any]]:
    return [Column(name, TextType, primary_key=True) for name in names]


def _optional(type: Any, *names: str) -> list[Column[Any]]:
    return [Column(name, type) for name in names]


def _required(type: Any, *names: str) -> list[Column[Any]]:
    return [Column(name, type, nullable=False) for name in names]


records = _table(
    "records",
    *_keys("id"),
    *_required(TextType, "owner", "name", "sha256", "source", "state", "run", "cache_key"),
    *_required(TextType, "note", "confirmed", "search_text"),
    *_required(UtcDateTime, "created", "touched"),
    *_required(BYTES, "size"),
    *_required(StringList, "tags"),
    *_required(Text, "settings"),  # JSON
    *_optional(Text, "fault"),  # JSON
    *_optional(UtcDateTime, "last_cache_hit"),
    # The summary of the result, all of it or nothing.
    *_optional(UtcDateTime, "analyzed"),
    *_optional(TextType, "verdict", "question", "kind", "version"),
    *_optional(NUMBER, "probability", "duration"),
    *_optional(Integer, "subject_count"),
    Column("models", StringList, nullable=False, server_default="[]"),
    *_optional(Text, "seal", "interval", "proof"),  # JSON
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
    *_keys("id"),
    Column("record", ForeignKey(records.c.id, ondelete="CASCADE"), nullable=False),
    Column("token_hash", TextType, nullable=False, unique=True),
    *_required(UtcDateTime, "created", "expires"),
)
Index("shares_of_record", shares.c.record)

preferences = _table("preferences", *_keys("owner"), *_required(Text, "chosen"))  # JSON

presets = _table("presets", *_keys("owner", "name"), *_required(Text, "ensemble"))  # JSON

tasks = _table(
    "tasks",
    *_keys("id"),
    *_required(TextType, "kind", "owner", "subject", "server", "state"),
    *_required(Text, "params"),  # JSON, as `fault` and `progress` are
    *_required(UtcDateTime, "created"),
    *_optional(UtcDateTime, "started", "ended"),
    *_optional(Text, "fault", "progress"),
    Column("cancel", Boolean, nullable=False, server_default=false()),
)
Index("tasks_by_state", tasks.c.state)
Index("tasks_by_subject", tasks.c.kind, tasks.c.subject)

servers = _table("servers", *_keys("id"), *_required(UtcDateTime, "seen"))  # the database's clock

seal_keys = _table(
    "seal_keys",
    *_keys("key"),  # public
    *_required(UtcDateTime, "added"),
    *_optional(UtcDateTime, "revoked"),
)

rate_counts = _table(
    "rate_counts",
    *_keys("key"),  # hashed
    Column("slot", BYTES, primary_key=True, autoincrement=False),
    *_required(Integer, "count"),
    *_required(UtcDateTime, "expires"),
)
Index("rate_counts_by_end", rate_counts.c.expires)

api_keys = _table(
    "api_keys",
    *_keys("id"),
    *_required(TextType, "name", "hash"),
    *_required(StringList, "scopes"),
    *_required(UtcDateTime, "created"),
    *_optional(UtcDateTime, "expires", "revoked", "used"),
    *_optional(Integer, "files_per_hour", "files_per_day"),
)

api_requests = _table(
    "api_requests",
    *_keys("owner", "key"),
    *_required(TextType, "fingerprint"),
    *_optional(TextType, "subject"),  # None: being worked on
    *_required(UtcDateTime, "created"),
)

api_batches = _table(
    "api_batches",
    *_keys("id"),
    *_required(TextType, "owner"),
    *_required(UtcDateTime, "created"),
    *_required(Text, "items"),  # JSON
    Column("name", TextType, nullable=False, server_default=""),
)

cases = _table(
    "cases",
    *_keys("id"),
    *_required(TextType, "owner"),
    *_required(UtcDateTime, "created", "touched"),
    *_required(Integer, "entries"),
    *_required(Boolean, "closed"),
    *_required(StringList, "analyses"),
    *_required(Text, "log"),  # JSON Lines
)
Index("cases_of_owner", cases.c.owner, cases.c.touched)

footage = _table(
    "footage",
    *_keys("id"),
    *_required(TextType, "owner", "sha256", "name"),
    *_required(TextType, "source"),  # the folder, or where else it comes from
    *_required(UtcDateTime, "added"),
    *_required(BYTES, "size"),
    *_optional(NUMBER, "duration"),
    *_required(Integer, "frames"),
    *_required(LargeBinary, "prints"),  # times and hashes, see records.footage
    rowid=True,
)
Index("footage_by_content", footage.c.owner, footage.c.sha256, unique=True)

comparisons = _table(
    "comparisons",
    *_keys("id"),
    *_required(TextType, "owner", "copy_sha256", "original_sha256", "version"),
    *_required(UtcDateTime, "created"),
    *_required(LargeBinary, "comparison"),  # compressed JSON
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
    *_keys("owner", "sha256"),
    *_required(TextType, "match_sha256", "name", "source"),
    *_required(NUMBER, "start"),
    *_required(Boolean, "mirrored"),
    *_required(Integer, "matched", "asked"),
    *_required(UtcDateTime, "created"),
    Column("searched", Integer, nullable=False, server_default="0"),
    Column("by_faces", Boolean, nullable=False, server_default=false()),
)

refusals = _table(
    "refusals", *_keys("owner", "sha256", "match_sha256"), *_required(UtcDateTime, "created")
)
