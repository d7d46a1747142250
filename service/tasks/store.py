"""The rows of tasks: what outlives the process that runs them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from service.records.database import Database
from service.records.model import State
from service.records.tables import TaskRow
from service.tasks.task import ACTIVE, StepProgress, Task, TaskKind


class TaskStore:
    """The tasks of all servers of a database. Every method raises RecordsError if that can't be
    used."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, task: Task, server: str) -> None:
        """Write a new task."""
        row = TaskRow(
            id=task.id,
            kind=task.kind.name,
            owner=task.owner,
            subject=task.subject,
            params=task.params,
            server=server,
            created=task.created,
            **_state_columns(task, task.state),
        )
        with self.database.writing() as session:
            session.add(row)

    def update(self, task: Task, state: State) -> bool:
        """Write its new state, its times, its fault and how far it is; return whether it is still
        wanted: neither deleted meanwhile, nor asked to stop (`request_cancel`), nor given up for
        lost by another server (`interrupt`). What was given up does not begin to run again."""
        which = [TaskRow.id == task.id]
        if state in ACTIVE:
            which.append(TaskRow.state.in_(ACTIVE))
        changed = update(TaskRow).where(*which).values(_state_columns(task, state))
        with self.database.writing() as session:
            return session.execute(changed.returning(TaskRow.cancel)).scalar() is False

    def request_cancel(self, id: str) -> None:
        """Ask the process that runs a task to stop it."""
        self.database.run(update(TaskRow).where(TaskRow.id == id).values(cancel=True))

    def get(self, id: str) -> TaskRow | None:
        """Return the row of a task."""
        row: TaskRow | None = self.database.scalar(select(TaskRow).where(TaskRow.id == id))
        return row

    def active(self) -> list[TaskRow]:
        """Return all that waited or ran by the last report, oldest first."""
        waiting = select(TaskRow).where(TaskRow.state.in_(ACTIVE))
        return self.database.all(waiting.order_by(TaskRow.created))

    def wanted(self, server: str) -> set[str]:
        """Return the ids of what waits or runs on a server and was not asked to stop."""
        mine = TaskRow.server == server, TaskRow.state.in_(ACTIVE), TaskRow.cancel.is_(False)
        return {row.id for row in self.database.rows(select(TaskRow.id).where(*mine))}

    def interrupt(self, id: str, server: str, now: datetime) -> bool:
        """Note that a task was lost with its server; False when another server did."""
        which = TaskRow.id == id, TaskRow.server == server, TaskRow.state.in_(ACTIVE)
        changed = update(TaskRow).where(*which).values(state=State.INTERRUPTED, ended=now)
        return bool(self.database.run(changed))

    def delete(self, id: str) -> None:
        """Delete a task."""
        self.database.run(delete(TaskRow).where(TaskRow.id == id))

    def delete_subject(self, kind: str, subject: str) -> None:
        """Delete all tasks of a kind about something."""
        self.database.run(delete(TaskRow).where(TaskRow.kind == kind, TaskRow.subject == subject))

    def sweep(self, before: datetime) -> set[str]:
        """Delete what ended before a moment; return the ids."""
        old = delete(TaskRow).where(TaskRow.ended < before).returning(TaskRow.id)
        with self.database.writing() as session:
            return set(session.execute(old).scalars())


def restore(row: TaskRow, kind: TaskKind[Any]) -> Task:
    """Make a task from its row, as it was last written."""
    task: Task = kind.restore(kind, row.owner, subject=row.subject, params=row.params, id=row.id)
    task.created, task.started, task.ended = row.created, row.started, row.ended
    task.fault = row.fault
    task.progress = StepProgress(**row.progress) if row.progress else None
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
        "fault": task.fault,
        "progress": progress,
    }
