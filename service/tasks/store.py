"""The table of tasks: what outlives the process that runs them, and what other processes see.

A row says who runs a task (`server`); when that server no longer lives, the task was interrupted.
Results are not in here: each kind keeps its own where it belongs.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Row

from service.records.database import Database
from service.records.model import ErrorReport, State
from service.records.tables import tasks
from service.tasks.task import ACTIVE, StepProgress, Task, TaskKind


class TaskStore:
    """The tasks of all servers of a database. Every method raises RecordsError if that can't be
    used."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, task: Task, server: str) -> None:
        """Write a new task."""
        values = {
            "id": task.id,
            "kind": task.kind.name,
            "owner": task.owner,
            "subject": task.subject,
            "params": json.dumps(task.params),
            "server": server,
            "created": task.created,
            **_state_columns(task, task.state),
        }
        self.database.run(insert(tasks).values(values))

    def update(self, task: Task, state: State) -> bool:
        """Write its new state, its times, its fault and how far it is; return whether it is still
        wanted: neither deleted meanwhile, nor asked to stop (`request_cancel`), nor given up for
        lost by another server (`interrupt`). What was given up does not begin to run again."""
        which = [tasks.c.id == task.id]
        if state in ACTIVE:
            which.append(tasks.c.state.in_(ACTIVE))
        changed = update(tasks).where(*which).values(_state_columns(task, state))
        with self.database.writing() as connection:
            return connection.execute(changed.returning(tasks.c.cancel)).scalar() is False

    def request_cancel(self, id: str) -> None:
        """Ask the process that runs a task to stop it."""
        self.database.run(update(tasks).where(tasks.c.id == id).values(cancel=True))

    def get(self, id: str) -> Row[Any] | None:
        """Return the row of a task."""
        return self.database.first(select(tasks).where(tasks.c.id == id))

    def active(self) -> Sequence[Row[Any]]:
        """Return all that waited or ran when somebody last said so, oldest first."""
        waiting = select(tasks).where(tasks.c.state.in_(ACTIVE))
        return self.database.rows(waiting.order_by(tasks.c.created))

    def wanted(self, server: str) -> set[str]:
        """Return the ids of what waits or runs on a server and was not asked to stop."""
        mine = tasks.c.server == server, tasks.c.state.in_(ACTIVE), tasks.c.cancel.is_(False)
        return {row.id for row in self.database.rows(select(tasks.c.id).where(*mine))}

    def interrupt(self, id: str, server: str, now: datetime) -> bool:
        """Note that a task was lost with its server; False when somebody else did."""
        which = tasks.c.id == id, tasks.c.server == server, tasks.c.state.in_(ACTIVE)
        changed = update(tasks).where(*which).values(state=State.INTERRUPTED, ended=now)
        return bool(self.database.run(changed))

    def delete(self, id: str) -> None:
        """Delete a task."""
        self.database.run(delete(tasks).where(tasks.c.id == id))

    def delete_subject(self, kind: str, subject: str) -> None:
        """Delete all tasks of a kind about something."""
        self.database.run(delete(tasks).where(tasks.c.kind == kind, tasks.c.subject == subject))

    def sweep(self, before: datetime) -> set[str]:
        """Delete what ended before a moment; return the ids."""
        old = delete(tasks).where(tasks.c.ended < before).returning(tasks.c.id)
        with self.database.writing() as connection:
            return set(connection.execute(old).scalars())


def restore(row: Row[Any], kind: TaskKind[Any]) -> Task:
    """Make a task from its row, as it was last written."""
    params = json.loads(row.params)
    task: Task = kind.restore(kind, row.owner, subject=row.subject, params=params, id=row.id)
    task.created, task.started, task.ended = row.created, row.started, row.ended
    task.fault = ErrorReport.model_validate_json(row.fault) if row.fault else None
    task.progress = StepProgress(**json.loads(row.progress)) if row.progress else None
    task.state = State(row.state)
    return task


def _state_columns(task: Task, state: State) -> dict[str, Any]:
    progress = task.progress
    if progress is not None and not isinstance(progress, StepProgress):
        progress = StepProgress(progress.stage, round(1000 * progress.fraction), 1000)
    return {
        "state": state,
        "started": task.started,
        "ended": task.ended,
        "fault": task.fault.model_dump_json() if task.fault else None,
        "progress": json.dumps(asdict(progress)) if progress else None,
    }
