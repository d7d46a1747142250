"""The tables of the records, for SQLite and PostgreSQL alike, as the newest migration leaves them.

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
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

HEAD = "0002"
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

records = Table(
    "records",
    metadata,
    Column("id", Words, primary_key=True),
    Column("owner", Words, nullable=False),
    Column("created", Moment, nullable=False),
    Column("touched", Moment, nullable=False),
    Column("name", Words, nullable=False),
    Column("sha256", Words, nullable=False),
    Column("size", BYTES, nullable=False),
    Column("source", Words, nullable=False),
    Column("settings", Text, nullable=False),  # JSON
    Column("state", Words, nullable=False),
    Column("run", Words, nullable=False),
    Column("cache_key", Words, nullable=False),
    Column("fault", Text),  # JSON
    Column("again", Moment),
    Column("note", Words, nullable=False),
    Column("tags", WordList, nullable=False),
    Column("confirmed", Words, nullable=False),
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
    Column("search_text", Words, nullable=False),
    sqlite_with_rowid=False,
)
Index("records_by_time", records.c.owner, records.c.touched.desc(), records.c.id)
Index(
    "records_by_key",
    records.c.owner,
    records.c.cache_key,
    sqlite_where=records.c.cache_key != "",
    postgresql_where=records.c.cache_key != "",
)

results = Table(
    "results",
    metadata,
    Column("id", ForeignKey(records.c.id, ondelete="CASCADE"), primary_key=True),
    Column("analysis", LargeBinary, nullable=False),  # compressed JSON
    Column("thumbnail", LargeBinary),
)

shares = Table(
    "shares",
    metadata,
    Column("id", Words, primary_key=True),
    Column("record", ForeignKey(records.c.id, ondelete="CASCADE"), nullable=False),
    Column("token_hash", Words, nullable=False, unique=True),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("shares_of_record", shares.c.record)

preferences = Table(
    "preferences",
    metadata,
    Column("owner", Words, primary_key=True),
    Column("chosen", Text, nullable=False),  # JSON
    sqlite_with_rowid=False,
)

presets = Table(
    "presets",
    metadata,
    Column("owner", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    Column("mix", Text, nullable=False),  # JSON
    sqlite_with_rowid=False,
)
