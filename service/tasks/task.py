"""A background task of any kind, and its row, which outlives the process. No thread is started
here.

A task is written by its worker and read by any page. Each attribute is replaced whole and never
changed in place, so a reader needs no lock; `state` is written last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import delete, select, update

from detector.errors import Canceled, UnmaskError
from detector.sentences import _
from service.context import Principal, new_id
from service.records.database import Database
from service.records.model import ErrorReport, State, hint_of, message_of
from service.records.tables import TaskRow

ACTIVE = (State.QUEUED, State.RUNNING)
IDLE = (State.WAITING, State.INTERRUPTED)  # States without an outcome that no task changes
RESUMED = "resumed"  # in the parameters of a task that follows a lost one
INTERNAL = "internal"  # The error code of what nobody raised on purpose
MAX_IN_MEMORY = 100  # Ended tasks of a kind in memory; older ones are in the store


class Priority(IntEnum):
    """Scheduling priority; a lower number runs first."""

    INTERACTIVE = 1  # Somebody waits in front of a page
    BATCH = 2  # Hours of background work; pauses while others need the cores


class QueueFull(UnmaskError):
    """Too many files are waiting."""

    default_code = "busy"


def bounded_line(
    most: int,
    text: str = _("Too many files are waiting. Try again in a few minutes."),
    hint: str = "",
) -> Callable[[int, int], QueueFull | None]:
    """Return a `TaskKind.refuse` with a maximum of waiting tasks, and the message beyond it."""

    def refuse(waiting: int, running: int) -> QueueFull | None:
        return None if waiting < most else QueueFull(text, hint=hint)

    return refuse


@dataclass(frozen=True)
class StepProgress:
    """Progress in steps: files, trials, bytes."""

    stage: str = ""  # What is done just now; may be empty
    done: int = 0
    total: int = 0  # Steps; 0 until it is known

    @property
    def fraction(self) -> float:
        """Return the share of finished steps, 0..1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class Task:
    """Work of one kind for one owner, the id of its requester. `subject`: the id of the record or
    model it is about; `params`: what a restart needs to run it again, plain JSON without people's
    file names. `id` may appear in addresses; default: 128 random bits."""

    def __init__(
        self,
        kind: TaskKind[Any],
        owner: str,
        *,
        subject: str = "",
        params: dict[str, Any] | None = None,
        id: str | None = None,
    ) -> None:
        self.kind, self.owner, self.subject = kind, owner, subject
        self.id = id or new_id()
        self.params = params or {}
        self.created = datetime.now(UTC)
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.cancel = threading.Event()  # Set when somebody asked to stop it (`TaskQueue.cancel`)
        self.progress: Any = None  # A `StepProgress` or `detector.pipeline.Progress`
        self.result: Any = None  # What the work returned, in this process only
        self.fault: ErrorReport | None = None  # Why it failed
        self.state = State.QUEUED
        self.checkpoint: Callable[[], None] = lambda: None
        """Called when progress was made; returns when the work may go on."""
        self._start_time: float | None = None
        self._first_step = 0

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    def visible_to(self, principal: Principal) -> bool:
        """Return whether a caller may see, stop and delete it: its owner, or an administrator."""
        return principal.id == self.owner or principal.may_administer

    def begin(self) -> None:
        """Record that a worker started it."""
        self.started, self._start_time = datetime.now(UTC), time.monotonic()
        self.state = State.RUNNING

    def elapsed(self) -> float:
        """Return the time since a worker started it, s; 0 before."""
        return time.monotonic() - self._start_time if self._start_time is not None else 0.0

    def on_progress(self, done: int, total: int, stage: str = "") -> None:
        """Report progress from the work between two steps. Raise Canceled if it is to stop."""
        if self.cancel.is_set():
            raise Canceled
        if self.progress is None:
            self._first_step = done  # a resumed file begins in the middle
        self.progress = StepProgress(stage, done, total)
        self.checkpoint()
        if self.cancel.is_set():
            raise Canceled

    @property
    def done(self) -> int:
        return getattr(self.progress, "done", 0)

    @property
    def total(self) -> int:
        """Return the number of steps; 0 until it is known."""
        return getattr(self.progress, "total", 0)

    @property
    def stage(self) -> str:
        """Return the present stage; may be empty."""
        return getattr(self.progress, "stage", "")

    @property
    def fraction(self) -> float:
        return self.progress.fraction if self.progress is not None else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return the remaining time by the rate so far, s; None while that is too uncertain."""
        steps, elapsed = self.done - self._first_step, self.elapsed()
        if self._start_time is None or not self.total:
            return None
        if steps < self.kind.min_steps or elapsed < self.kind.min_seconds:
            return None
        return elapsed / steps * (self.total - self.done)

    @property
    def code(self) -> str:
        """Return the code of its error, if known; empty also after a cancel."""
        code = self.fault.problem.code if self.fault is not None else ""
        return "" if code == INTERNAL else code

    @property
    def error(self) -> str:
        """Return why there is no result, for a person; empty while there may be one."""
        if self.state is State.CANCELED:
            return self.kind.canceled
        if self.state is State.INTERRUPTED:
            return self.kind.interrupted
        if self.fault is None:
            return ""
        ours = "" if self.code else self.kind.failed
        return ours or message_of(self.fault)

    @property
    def hint(self) -> str:
        """Return what to do about the error; may be empty."""
        return hint_of(self.fault) if self.fault is not None else ""


AnyTask = TypeVar("AnyTask", bound=Task)


@dataclass(frozen=True)
class TaskKind(Generic[AnyTask]):
    """Properties common to all tasks of a kind."""

    name: str  # As it stands in the store
    priority: Priority
    cores: float  # Cores that one keeps busy; 0 for what waits for a network
    restore: Callable[..., AnyTask]  # Makes a task of this kind from its row
    max_running: int | None = None  # Run at a time, however many cores there are
    refuse: Callable[[int, int], UnmaskError | None] = lambda waiting, running: None
    """Given how many wait and run, returns the error to raise instead of taking one more."""
    on_end: Callable[[Any, State, ErrorReport | None], None] = lambda task, state, fault: None
    """Called once with one that ended here, before its end is to be seen; not when its server
    stops."""
    on_interrupted: Callable[[Task], None] = lambda task: None
    """Called once with a task that was lost with its server, not with one that followed a lost one
    (`RESUMED`): what brings down its server must not bring down the next."""
    min_steps: int = 1  # What must be over before a time left is told, with `min_seconds`
    min_seconds: float = 0.0
    canceled: str = ""  # What to say of one that a person stopped
    interrupted: str = ""  # Of one whose server stopped
    failed: str = ""  # Of one that failed by our own error; else what the error itself says
    max_in_memory: int = MAX_IN_MEMORY  # Ended tasks remembered
    log_level: int = logging.ERROR  # Of what it raised on purpose


class TaskStore:
    """The tasks of all servers of a database. Every method raises RecordsError if it
    can't be used."""

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
        """Write a task's state, times, fault and progress; return whether it is still wanted: not
        deleted, not canceled (`request_cancel`), and not marked as lost by another server
        (`interrupt`). A lost one does not run again."""
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
        """Return all tasks that waited or ran at the last report, oldest first."""
        waiting = select(TaskRow).where(TaskRow.state.in_(ACTIVE))
        return self.database.all(waiting.order_by(TaskRow.created))

    def wanted(self, server: str) -> set[str]:
        """Return the ids of a server's waiting and running tasks that were not canceled."""
        mine = TaskRow.server == server, TaskRow.state.in_(ACTIVE), TaskRow.cancel.is_(False)
        return {row.id for row in self.database.rows(select(TaskRow.id).where(*mine))}

    def interrupt(self, id: str, server: str, now: datetime) -> bool:
        """Mark a task as lost with its server; return False if another server did."""
        which = TaskRow.id == id, TaskRow.server == server, TaskRow.state.in_(ACTIVE)
        changed = update(TaskRow).where(*which).values(state=State.INTERRUPTED, ended=now)
        return bool(self.database.run(changed))

    def delete(self, id: str) -> None:
        """Delete a task."""
        self.database.run(delete(TaskRow).where(TaskRow.id == id))

    def delete_subject(self, kind: str, subject: str) -> None:
        """Delete all tasks of a kind and a subject."""
        self.database.run(delete(TaskRow).where(TaskRow.kind == kind, TaskRow.subject == subject))

    def sweep(self, before: datetime) -> set[str]:
        """Delete tasks that ended before a moment; return their ids."""
        old = delete(TaskRow).where(TaskRow.ended < before).returning(TaskRow.id)
        with self.database.writing() as session:
            return set(session.execute(old).scalars())


def restore(row: TaskRow, kind: TaskKind[Any]) -> Task:
    """Return a task from its row."""
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
