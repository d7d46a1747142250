"""The table of tasks: what outlives the process that runs them.

A row says who runs a task (`server`); when that server no longer lives, the task was interrupted.
Results are not in here: each kind keeps its own where it belongs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Engine, Index, MetaData, String, Table, Text, create_engine
from sqlalchemy import event as events
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import SQLAlchemyError

from service.messages import _
from service.records.model import ErrorReport, RecordsError, State
from service.tasks.task import ACTIVE, Task, TaskKind

FILE = "tasks.db"
TIMEOUT_SECONDS = 15.0
"""Wait for another process that writes."""

metadata = MetaData()
tasks = Table(
    "tasks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("params", Text, nullable=False),
    Column("server", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("created", String(40), nullable=False),
    Column("started", String(40)),
    Column("ended", String(40)),
    Column("fault", Text),
    Index("tasks_by_owner", "owner", "kind", "created"),
    Index("tasks_by_state", "state"),
)


def sqlite_engine(path: Path) -> Engine:
    """Open a file, readable by this user of the computer only; made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": TIMEOUT_SECONDS})

    @events.listens_for(engine, "connect")
    def configure(connection: Any, record: object) -> None:
        for pragma in ("journal_mode = WAL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class TaskStore:
    """Rows of tasks, behind any database.

    Parameters
    ----------
    engine : Engine

    Raises
    ------
    RecordsError
        Here and in every method: the database can't be used.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with _refusals():
            metadata.create_all(engine)

    def add(self, task: Task, server: str) -> None:
        """Write a new task."""
        values = {
            "id": task.id,
            "kind": task.kind.name,
            "owner": task.owner,
            "subject": task.subject,
            "params": json.dumps(task.params),
            "server": server,
            **_changing(task, task.state),
        }
        with self._writing() as connection:
            connection.execute(tasks.insert().values(**values))

    def update(self, task: Task, state: State) -> None:
        """Write its new state, its times and its fault, unless it was deleted meanwhile."""
        with self._writing() as connection:
            connection.execute(
                tasks.update().where(tasks.c.id == task.id).values(**_changing(task, state))
            )

    def get(self, id: str) -> Row[Any] | None:
        with self._writing() as connection:
            return connection.execute(tasks.select().where(tasks.c.id == id)).first()

    def active(self) -> list[Row[Any]]:
        """Return all that waited or ran when somebody last said so, oldest first."""
        query = tasks.select().where(tasks.c.state.in_(ACTIVE)).order_by(tasks.c.created)
        with self._writing() as connection:
            return list(connection.execute(query))

    def interrupt(self, id: str, server: str, now: datetime) -> bool:
        """Note that a task was lost with its server; False when somebody else did."""
        query = tasks.update().where(
            tasks.c.id == id, tasks.c.server == server, tasks.c.state.in_(ACTIVE)
        )
        with self._writing() as connection:
            done = connection.execute(query.values(state=State.INTERRUPTED, ended=_text(now)))
            return bool(done.rowcount)

    def delete(self, ids: Collection[str]) -> None:
        with self._writing() as connection:
            connection.execute(tasks.delete().where(tasks.c.id.in_(list(ids))))

    def delete_subject(self, kind: str, subject: str) -> None:
        """Delete all tasks of a kind about something."""
        with self._writing() as connection:
            connection.execute(
                tasks.delete().where(tasks.c.kind == kind, tasks.c.subject == subject)
            )

    def sweep(self, before: datetime) -> list[str]:
        """Delete what ended before a moment; the ids."""
        old = tasks.c.ended < _text(before)
        with self._writing() as connection:
            ids = [row.id for row in connection.execute(tasks.select().where(old))]
            connection.execute(tasks.delete().where(tasks.c.id.in_(ids)))
        return ids

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction: all of it or nothing."""
        with _refusals(), self._engine.begin() as connection:
            yield connection


def restore(row: Row[Any], kind: TaskKind) -> Task:
    """Make a task from its row, as it was last written."""
    make = kind.restore or Task
    params = json.loads(row.params)
    task: Task = make(kind, row.owner, subject=row.subject, params=params, id=row.id)
    task.created = datetime.fromisoformat(row.created)
    task.started = datetime.fromisoformat(row.started) if row.started else None
    task.ended = datetime.fromisoformat(row.ended) if row.ended else None
    task.fault = ErrorReport.model_validate_json(row.fault) if row.fault else None
    task.state = State(row.state)
    return task


def _changing(task: Task, state: State) -> dict[str, str | None]:
    return {
        "state": state.value,
        "created": _text(task.created),
        "started": _text(task.started),
        "ended": _text(task.ended),
        "fault": task.fault.model_dump_json() if task.fault else None,
    }


def _text(moment: datetime | None) -> str | None:
    """UTC with microseconds, so that it sorts as text."""
    return moment.isoformat(timespec="microseconds") if moment else None


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise RecordsError(_("The list of tasks can't be used: {problem}.").format(
            problem=type(error).__name__
        )) from error  # fmt: skip
