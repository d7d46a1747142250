"""The table of tasks: what outlives the process that runs them.

A row says who runs a task (`server`); when that server no longer lives, the task was interrupted.
Results are not in here: each kind keeps its own where it belongs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Column, Index, MetaData, Table, Text
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import SQLAlchemyError

from service.messages import _
from service.records.database import sqlite_engine
from service.records.model import ErrorReport, RecordsError, State
from service.tasks.task import ACTIVE, Task, TaskKind

FILE = "tasks.db"
FORM = 1
"""Of the table. Whoever changes it counts on: tasks of another form are forgotten."""

metadata = MetaData()
tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("started", Text),
    Column("ended", Text),
    Column("fault", Text),
    Index("tasks_by_owner", "owner", "kind", "created"),
    Index("tasks_by_state", "state"),
)


class TaskStore:
    """The tasks of the servers of one data folder, in a file beside what they work on.

    Parameters
    ----------
    data : Path
        The data folder.

    Raises
    ------
    RecordsError
        Here and in every method: the file can't be used.
    """

    def __init__(self, data: Path) -> None:
        url = URL.create("sqlite+pysqlite", database=str(data / FILE))
        self._engine = sqlite_engine(url).execution_options(writes=True)
        self._turn = threading.Lock()  # SQLite would let a thread try, sleep and try again
        with self._transaction() as connection:
            form = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if form not in (0, FORM):
                metadata.drop_all(connection)  # tasks are gone after hours anyway
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {FORM}")

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
        with self._transaction() as connection:
            connection.execute(tasks.insert().values(**values))

    def update(self, task: Task, state: State) -> None:
        """Write its new state, its times and its fault, unless it was deleted meanwhile."""
        with self._transaction() as connection:
            connection.execute(
                tasks.update().where(tasks.c.id == task.id).values(**_changing(task, state))
            )

    def get(self, id: str) -> Row[Any] | None:
        with self._transaction() as connection:
            return connection.execute(tasks.select().where(tasks.c.id == id)).first()

    def active(self) -> list[Row[Any]]:
        """Return all that waited or ran when somebody last said so, oldest first."""
        query = tasks.select().where(tasks.c.state.in_(ACTIVE)).order_by(tasks.c.created)
        with self._transaction() as connection:
            return list(connection.execute(query))

    def interrupt(self, id: str, server: str, now: datetime) -> bool:
        """Note that a task was lost with its server; False when somebody else did."""
        query = tasks.update().where(
            tasks.c.id == id, tasks.c.server == server, tasks.c.state.in_(ACTIVE)
        )
        with self._transaction() as connection:
            done = connection.execute(query.values(state=State.INTERRUPTED, ended=_text(now)))
            return bool(done.rowcount)

    def delete(self, ids: Collection[str]) -> None:
        with self._transaction() as connection:
            connection.execute(tasks.delete().where(tasks.c.id.in_(list(ids))))

    def delete_subject(self, kind: str, subject: str) -> None:
        """Delete all tasks of a kind about something."""
        with self._transaction() as connection:
            connection.execute(
                tasks.delete().where(tasks.c.kind == kind, tasks.c.subject == subject)
            )

    def sweep(self, before: datetime) -> list[str]:
        """Delete what ended before a moment; the ids."""
        old = tasks.c.ended < _text(before)
        with self._transaction() as connection:
            ids = [row.id for row in connection.execute(tasks.select().where(old))]
            connection.execute(tasks.delete().where(tasks.c.id.in_(ids)))
        return ids

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """All of it or nothing, whatever stops it."""
        try:
            with self._turn, self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            text = _("The list of tasks can't be used: {problem}.")
            raise RecordsError(text.format(problem=type(error).__name__)) from error


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
