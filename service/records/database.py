"""The database of the records, SQLite or PostgreSQL: migration, transactions, errors.

SQLite is a file, `<data>/unmask.db`. Its write-ahead log lets other processes in; a writer waits
for another up to `TIMEOUT_SECONDS`. Deleted data is gone from the disk: freed pages are overwritten
(`secure_delete`), and the log, which holds old pages, is emptied after each deletion.

PostgreSQL is named by an address (`postgresql+psycopg://user:password@host/name`).
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Executable,
    Row,
    Select,
    Text,
    column,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from detector import paths
from detector.sentences import _
from service.config import get_config
from service.records.model import RecordsError
from service.records.tables import HEAD, Base, UtcDateTime, metadata

log = logging.getLogger(__name__)

FILE = paths.RECORDS
AnyRow = TypeVar("AnyRow")
AGAIN_SECONDS = 0.3  # to wait for it again
TIMEOUT_SECONDS = 6.0  # to wait for another process that writes, or for a server that answers


def configured() -> Path | str:
    """Return the place of the records: UNMASK_DATABASE, else a file in the data folder."""
    return get_config().database.get_secret_value() or paths.data() / FILE


class Database:
    """An open database: a file of SQLite's, created if it is missing, readable by this user of the
    computer only; or a PostgreSQL database by its address. Every method raises RecordsError if it
    can't be used. Opening raises it also, and changes nothing, if the database is not Unmask's, was
    written by a newer version, or is exposed by a Supabase API."""

    def __init__(self, where: Path | str) -> None:
        url = _address(where)
        self.dialect = url.get_backend_name()
        self._refusal = _refused_file if self.dialect == "sqlite" else _refused_server
        self._read: Engine
        self._write: Engine
        if self.dialect == "sqlite":
            engine = sqlite_engine(url)
            self._read, self._write = engine, engine.execution_options(writes=True)
            # In a process a thread waits for its turn here: SQLite would let it try, sleep and
            # try again.
            self._turn: Any = threading.Lock()
        else:
            engine = _postgresql(url)
            # What one question reads is of one moment, as in SQLite.
            self._read = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._write, self._turn = engine, nullcontext()
        try:
            with self.writing() as session:
                if self.dialect == "postgresql":
                    _refuse_if_served(session.connection())
                upgrade(session.connection())
        except BaseException:
            self.close()
            raise

    @property
    def engine(self) -> Engine:
        """Return the writing engine, for tests and tools."""
        return self._write

    @property
    def shared(self) -> bool:
        """Return whether several machines may share it; a file belongs to one."""
        return self.dialect != "sqlite"

    @property
    def now(self) -> ColumnElement[datetime]:
        """Return the time by the database's clock, common to all its servers, as an SQL
        expression."""
        if self.dialect == "sqlite":
            return func.strftime("%Y-%m-%dT%H:%M:%f000Z", "now", type_=UtcDateTime)
        return func.clock_timestamp(type_=UtcDateTime)

    def close(self) -> None:
        """Close all connections."""
        self._write.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a read transaction on one snapshot. Its objects stay readable afterwards."""
        with self._refusing(), _session(self._read) as session, session.begin():
            yield session

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Session]:
        """Open a write transaction. Without `durable`, a shared server need not wait for the disk:
        a crash of the database may lose it."""
        with self._turn, self._refusing(), _session(self._write) as session, session.begin():
            if not durable and self.dialect == "postgresql":
                session.execute(select(func.set_config("synchronous_commit", "off", True)))
            yield session

    def rows(self, query: Executable) -> Sequence[Row[Any]]:
        """Read all rows of a query."""
        with self.reading() as session:
            return session.execute(query).all()

    def first(self, query: Executable) -> Row[Any] | None:
        """Read the first row of a query."""
        with self.reading() as session:
            return session.execute(query).first()

    def all(self, query: Select[AnyRow]) -> list[AnyRow]:
        """Read the objects of a query of one class."""
        with self.reading() as session:
            return list(session.scalars(query))

    def scalar(self, query: Executable) -> Any:
        """Read the first column of the first row of a query, or the first object; None if there is
        none."""
        with self.reading() as session:
            return session.scalar(query)

    def run(self, statement: Executable) -> int:
        """Write one statement and return the number of changed rows."""
        with self.writing() as session:
            return affected(session, statement)

    def empty_log(self) -> None:
        """Empty SQLite's write-ahead log, which holds old pages. A reader in another process or a
        full disk can prevent that; the sweeper tries again."""
        try:
            self._pragma("wal_checkpoint(TRUNCATE)")
        except RecordsError as error:
            if error.code != "disk_full":  # what was deleted is: that is no failure to delete it
                raise
            log.warning("the log of the records was not emptied: the disk is full")

    def shrink(self) -> None:
        """Return freed pages to the disk. PostgreSQL does so by itself."""
        self._pragma("incremental_vacuum")
        self.empty_log()

    def _pragma(self, command: str) -> None:
        """Run an SQLite command that works only outside of a transaction."""
        if self.dialect != "sqlite":
            return
        with self._refusing():
            connection = self._write.raw_connection()
            try:
                # A script is run to its end; `execute` would free a single page.
                connection.cursor().executescript(f"PRAGMA {command}")
            except self._write.dialect.loaded_dbapi.Error as error:
                raise self._refusal(error) from error
            finally:
                connection.close()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            raise self._refusal(cause) from error


def _session(engine: Engine) -> Session:
    return Session(engine, expire_on_commit=False)


class StoredRows:
    """Base of stores in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database


def _address(where: Path | str) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite+pysqlite", database=str(where))
    try:
        url = make_url(where)
        if url.get_backend_name() in ("postgresql", "postgres"):
            return url.set(drivername="postgresql+psycopg")
    except ArgumentError:
        pass
    # Never the text itself: a password stands in it.
    text = _("UNMASK_DATABASE is not a valid PostgreSQL URL.")
    hint = _("It looks like postgresql://user:password@host/name.")
    raise RecordsError(text, code="records_address", hint=hint)


# --- SQLite ---------------------------------------------------------------------------------------


def sqlite_engine(url: URL) -> Engine:
    """Open a file of SQLite's, readable by this user of the computer only; create it if it is
    missing. Transactions with the execution option `writes` wait for other processes at their
    beginning. Raise RecordsError if it can't be opened."""
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise _refused_file(error) from error
    # Without `isolation_level` Python's module begins no transaction of its own: see `begin`.
    arguments = {"timeout": TIMEOUT_SECONDS, "isolation_level": None}
    engine = create_engine(url, connect_args=arguments, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Only an empty file takes it.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        for pragma in (
            "journal_mode = WAL",
            "secure_delete = ON",
            "foreign_keys = ON",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    locked = threading.Event()  # The last writer waited in vain

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer that began as a reader could meet another's change, and would have to begin anew.
        if not connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql("BEGIN")
            return
        # A request writes several times: it waits once, not for each, until one succeeds again.
        patience = min(TIMEOUT_SECONDS, AGAIN_SECONDS) if locked.is_set() else TIMEOUT_SECONDS
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(1000 * patience)}")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except DBAPIError:
            locked.set()
            raise
        locked.clear()

    return engine


def _refused_file(error: BaseException) -> RecordsError:
    """Translate an SQLite error; its own words name columns, never contents."""
    text = str(error).lower()
    if "not a database" in text or "malformed" in text:
        problem = _("The file {name} in the data folder is damaged or is something else.")
        hint = _("Put a copy of it back, or move it away to begin anew. Nothing was changed.")
        return RecordsError(problem.format(name=FILE), code="records_damaged", hint=hint)
    if "locked" in text or "busy" in text:
        return _in_use()
    if "full" in text:
        problem = _("There is no room left on this computer's disk to keep records.")
        return RecordsError(problem, code="disk_full", hint=_("Free some space and try again."))
    why = error.strerror if isinstance(error, OSError) else error
    return RecordsError(_("The records can't be used: {problem}.").format(problem=why))


# --- PostgreSQL -----------------------------------------------------------------------------------


def _postgresql(url: URL) -> Engine:
    arguments = {"connect_timeout": int(TIMEOUT_SECONDS)}
    try:
        # The ping is for a server that was started anew.
        options: Any = {"connect_args": arguments, "pool_pre_ping": True, "hide_parameters": True}
        engine = create_engine(url, **options)
    except ImportError as error:
        text = _("UNMASK_DATABASE names a PostgreSQL database, and its driver is not installed.")
        hint = _("pip install 'psycopg[binary]'")
        raise RecordsError(text, code="records_setup", hint=hint) from error

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        timeout = [f"{int(TIMEOUT_SECONDS * 1000)}ms"]
        connection.execute("SELECT set_config('lock_timeout', %s, false)", timeout)
        connection.commit()

    return engine


_SERVED = text("""
    SELECT true FROM (
        SELECT a.grantee FROM pg_namespace n, aclexplode(n.nspacl) a
            WHERE n.nspname = current_schema() AND a.grantee <> 0
        UNION ALL
        SELECT a.grantee FROM pg_default_acl d, aclexplode(d.defaclacl) a
            WHERE d.defaclobjtype = 'r'
            AND d.defaclnamespace IN (0, to_regnamespace(quote_ident(current_schema())))
        UNION ALL
        SELECT a.grantee FROM pg_class c
            LEFT JOIN pg_attribute t ON t.attrelid = c.oid AND t.attacl IS NOT NULL,
            LATERAL (
                SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(t.attacl)
            ) a
            WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
            AND c.relname = ANY (:tables)
    ) grants
    WHERE grants.grantee = 0 OR grants.grantee::regrole::text IN ('anon', 'authenticated')
    LIMIT 1
""")
"""Grants that open our schema, its future tables or its tables to everybody or to the roles of a
Supabase API. Usage of `public` belongs to everybody in any database, and opens no table."""


def _refuse_if_served(connection: Connection) -> None:
    """Raise RecordsError at start if a publishable key or other login could access the records."""
    if connection.scalar(_SERVED, {"tables": [*metadata.tables, "alembic_version"]}):
        text = _(
            "UNMASK_DATABASE names a database whose tables are open to others, as in a "
            "Supabase project: everybody with its publishable key could read and erase the "
            "records."
        )
        hint = _(
            "Name a PostgreSQL database of its own in UNMASK_DATABASE, or set SUPABASE_URL "
            "alone, to keep accounts' records in the project. Nothing was changed."
        )
        raise RecordsError(text, code="records_setup", hint=hint)


def _refused_server(error: BaseException) -> RecordsError:
    """Translate a PostgreSQL error; its own words may quote a row or the address."""
    state = getattr(error, "sqlstate", None) or ""
    code, hint = "records", _("Try again in a moment.")
    if state in ("55P03", "40P01", "40001"):  # lock timeout, deadlock, serialization
        return _in_use()
    if state.startswith("53"):  # disk full, too many connections, out of memory
        code, hint = "disk_full", _("Try again in a moment, or tell who runs this server.")
        text = _("The database of the records has no room left ({code}).")
    elif not state or state.startswith(("08", "57P")):
        code = "records_unreachable"
        text = _("The database of the records can't be reached just now.")
    elif state.startswith("28") or state in ("3D000", "42501"):
        code, hint = "records_setup", _("Look at the name, user and password in UNMASK_DATABASE.")
        text = _("The database of the records does not let this server in ({code}).")
    else:
        text = _("The records can't be used just now ({code}).")
    return RecordsError(text.format(code=state), code=code, hint=hint)


def _in_use() -> RecordsError:
    text = _("The records are in use by another program.")
    return RecordsError(text, code="records_locked", hint=_("Try again in a moment."))


# --- statements -----------------------------------------------------------------------------------


def lock(session: Session, names: Iterable[str]) -> None:
    """Block other transactions that lock one of these names until this one ends. Locked in sorted
    order to avoid deadlocks; SQLite allows one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        for name in sorted(names):
            session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def affected(session: Session, statement: Executable) -> int:
    """Run a statement and return the number of changed rows."""
    return cast(CursorResult[Any], session.execute(statement)).rowcount


def upsert(session: Session, new: Base) -> None:
    """Insert a row, or overwrite the one with the same primary key."""
    inserted, key = _insert(session, new)
    others = {c.name: c for c in inserted.excluded if c.name not in key}
    session.execute(inserted.on_conflict_do_update(index_elements=key, set_=others))


def insert_new(session: Session, new: Base) -> bool:
    """Insert a row unless its key exists or is inserted concurrently; return whether."""
    inserted, key = _insert(session, new)
    # Not its row count, which a driver need not know.
    made = inserted.on_conflict_do_nothing().returning(*(getattr(type(new), name) for name in key))
    return session.execute(made).first() is not None


def _insert(session: Session, new: Base) -> tuple[Any, list[str]]:
    """Return the statement that inserts an object, and the names of its primary key."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {field.name: getattr(new, field.name) for field in fields(new)}
    key = [column.name for column in inspect(type(new)).primary_key]
    return dialect.insert(type(new)).values(row), key


# --- migrations: a new database gets its tables at once, an older one the steps in
# `migrations/versions` that it lacks (Alembic's recipe for a database from scratch). All of that is
# one transaction under the database's own lock: two servers that start at once do it once, and a
# stop in between leaves what was there. Steps are numbered without a gap. -------------------------

SCRIPTS = Path(__file__).parent / "migrations"
INITIAL = "0019"  # The first step; there were others before anything was published
LOCK = 0x756E6D61736B  # Key of PostgreSQL's advisory lock: "unmask"
MIGRATION_SECONDS = 600  # to wait for another server that migrates

_one_at_a_time = threading.Lock()  # Alembic's `op` is a global of the process


def upgrade(connection: Connection) -> None:
    """Create the tables of a new database, or run the missing migrations of an older one, in a
    transaction of `connection`. Raise RecordsError and change nothing if a newer version wrote it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.set_config("lock_timeout", f"{MIGRATION_SECONDS}s", True)))
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    revision = _revision(connection)
    if revision > int(HEAD):
        raise RecordsError(
            _(
                "The records here were written by a newer Unmask (form {form}; this one knows "
                "{known})."
            ).format(form=revision, known=int(HEAD)),
            code="records_newer",
            hint=_(
                "Start that version again, or choose another folder with UNMASK_DATA. Nothing "
                "was changed."
            ),
        )
    if not revision:
        metadata.create_all(connection, checkfirst=False)
    if revision < int(HEAD):
        _migrate(connection, "upgrade" if revision else "stamp")


def _revision(connection: Connection) -> int:
    """Return the number of the last migration of a database, 0 for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return 0
    query = select(table("alembic_version", column("version_num", Text)))
    revision: str | None = connection.execute(query).scalar_one_or_none()
    if revision is not None and not revision.isdigit():
        text = _("The database holds something else than the records of Unmask.")
        hint = _("Name a database of its own in UNMASK_DATABASE. Nothing was changed.")
        raise RecordsError(text, code="records_damaged", hint=hint)
    if revision is not None and int(revision) < int(INITIAL):
        raise RecordsError(
            _(
                "The records here were written by an unpublished older Unmask (form {form}; this "
                "one reads {known} and later)."
            ).format(form=int(revision), known=int(INITIAL)),
            code="records_damaged",
            hint=_("Name another database in UNMASK_DATABASE. Nothing was changed."),
        )
    return int(revision or 0)


def _migrate(connection: Connection, action: Literal["upgrade", "stamp"]) -> None:
    # Half a second to import, which a database that is up to date need not wait for.
    from alembic import command, config

    settings = config.Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with _one_at_a_time:
        getattr(command, action)(settings, "head")
