"""All background work of a server: takes tasks in, runs them, and finds them for who may see them.

Every task ends DONE, FAILED, CANCELED or INTERRUPTED, once, whatever happens in its worker; what a
server took with it when it died is noticed by the others, or the next one (`recover`). Servers on
one database see and stop each other's tasks; how far one is, they hear every half second.

The table of tasks (`TaskStore`) is what outlives the process. A row says who runs a task
(`server`); when that server no longer lives, the task was interrupted. Results are not in there:
each kind keeps its own where it belongs.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, cast

from sqlalchemy import delete, select, update

from detector.errors import Canceled, InputError, UnmaskError
from service.context import Principal
from service.records.database import Database
from service.records.instances import BEAT_SECONDS, Server
from service.records.model import ErrorReport, State, fault_of
from service.records.tables import TaskRow
from service.tasks.scheduler import Scheduler, ThreadExecutor
from service.tasks.task import ACTIVE, RESUMED, SYSTEM, AnyTask, StepProgress, Task, TaskKind

log = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0  # Longest wait for workers when a server stops
IDLE_POLL_SECONDS = 10.0  # Between two looks: a first visitor has opened a file by then
REPORT_SECONDS = 0.5  # Between two writes of progress, and two looks at other servers' tasks

Work = Callable[[AnyTask], object]  # Returns the result; raises `Canceled`
OnEnd = Callable[[AnyTask, State, ErrorReport | None], None]  # Called once


class TaskManager:
    """The tasks of a server; its scheduler has by default a budget of all cores of this computer,
    and threads."""

    def __init__(
        self, store: TaskStore, server: Server, scheduler: Scheduler | None = None
    ) -> None:
        self.server = server
        self.scheduler = scheduler or Scheduler(os.cpu_count() or 2, ThreadExecutor())
        self._store = store
        self._kinds: dict[str, TaskKind[Any]] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._tasks: dict[str, OrderedDict[str, Task]] = {}
        self._here: set[Task] = set()  # What waits or runs in this process
        self._on_end: dict[Task, OnEnd[Any]] = {}
        self._reported: dict[Task, float] = {}
        self._lost: set[Task] = set()
        self._foreign: list[Task] = []
        self._foreign_read = float("-inf")

    def register(self, kind: TaskKind[Any]) -> None:
        """Make a kind known, before `recover` and whatever may find a task of it."""
        self._kinds[kind.name] = kind

    def submit(
        self,
        task: AnyTask,
        work: Work[AnyTask],
        on_end: OnEnd[AnyTask] = lambda task, state, fault: None,
    ) -> None:
        """Queue a task; raise UnmaskError if refused (`TaskKind.refuse`), or RecordsError."""
        self.scheduler.refuse_when_full(task.kind)
        self._store.add(task, self.server.id)
        task.checkpoint = lambda: self._checkpoint(task)
        with self._lock:
            self._here.add(task)
            self._on_end[task] = on_end
            self._remember(task)
        try:
            self.scheduler.add(task, lambda _: self._run(task, work), self._fail)
        except BaseException:
            with self._lock:
                del self._on_end[task]  # it never began
                self._here.discard(task)
            self.dismiss(task)
            raise

    def submit_once(
        self,
        task: AnyTask,
        work: Work[AnyTask],
        principal: Principal,
        on_end: OnEnd[AnyTask] = lambda task, state, fault: None,
    ) -> AnyTask:
        """Queue a task, or return its kind's active one about the same thing; raise as `submit`."""
        with self._starting:
            known = self.latest(task.kind, task.subject, principal)
            if known is not None and known.active:
                return cast(AnyTask, known)
            self.submit(task, work, on_end)
        if known is not None:
            self.dismiss(known)
        return task

    def counts(self) -> list[tuple[str, int, int]]:
        """Return each kind's name with how many tasks of it wait and run."""
        return [(name, *self.scheduler.count(name)) for name in self._kinds]

    def wait_until_idle(self, stopped: threading.Event) -> bool:
        """Wait until no task waits or runs in this process; return False if stopped first."""
        while not stopped.wait(IDLE_POLL_SECONDS):
            with self._lock:
                if not self._here:
                    return True
        return False

    def active(self) -> list[Task]:
        """Return all that waits or runs, of everybody, what is longest at work first."""
        kinds = self._kinds.values()
        found = [task for kind in kinds for task in self.visible(kind, SYSTEM) if task.active]
        return sorted(found, key=lambda task: (task.started is None, task.started or task.created))

    def find(self, id: str, principal: Principal) -> Task | None:
        """Return a task by its id; None when there is none, or the caller may not see it."""
        with self._lock:
            known = next((tasks[id] for tasks in self._tasks.values() if id in tasks), None)
        task = known or self._restore(id)
        return task if task is not None and task.visible_to(principal) else None

    def latest(self, kind: TaskKind[AnyTask], subject: str, principal: Principal) -> AnyTask | None:
        """Return the newest task about something that the caller may see, as `visible`."""
        own = [task for task in self.visible(kind, principal) if task.subject == subject]
        return own[-1] if own else None

    def visible(self, kind: TaskKind[AnyTask], principal: Principal) -> list[AnyTask]:
        """Return the tasks of a kind that a caller may see, of all servers, oldest first."""
        with self._lock:
            own = list(self._tasks.get(kind.name, {}).values())
        known = {task.id for task in own}
        foreign = [t for t in self._remote_tasks() if t.kind is kind and t.id not in known]
        return [cast(AnyTask, task) for task in foreign + own if task.visible_to(principal)]

    def subjects(self, kind: TaskKind[Any]) -> set[str]:
        """Return what the tasks of a kind are about that wait or run, on any server."""
        return {row.subject for row in self._store.active() if row.kind == kind.name}

    def now(self, task: Task) -> Task:
        """Return a task as it is now: itself where it runs here, else as its server last said."""
        if not task.active or self.runs_here(task):
            return task
        return self._restore(task.id) or task

    def runs_here(self, task: Task) -> bool:
        """Return whether it waits or runs in this process."""
        return task in self._here

    def cancel(self, task: Task) -> None:
        """Ask a task to stop: one that waits ends at once, one that runs at its next step, that of
        another server when it next says how far it is, or looks (`apply_remote_cancellations`)."""
        task.cancel.set()
        if self.scheduler.remove(task):
            self._end(task, State.CANCELED)
        elif task.active and not self.runs_here(task):
            with _suppress_store_errors():
                self._store.request_cancel(task.id)

    def fail_waiting(self, task: Task, error: BaseException) -> bool:
        """End a task that still waits, for a reason that its work would meet; whether it did."""
        if not self.scheduler.remove(task):
            return False
        self._fail(task, error)
        return True

    def dismiss(self, task: Task) -> None:
        """Stop a task and forget it."""
        self.cancel(task)
        with self._lock:
            self._tasks.get(task.kind.name, OrderedDict()).pop(task.id, None)
        with _suppress_store_errors():
            self._store.delete(task.id)

    def dismiss_subject(self, kind: TaskKind[Any], subject: str) -> None:
        """Stop and forget all tasks about something, of any owner: it is deleted."""
        with self._lock:
            known = self._tasks.get(kind.name, OrderedDict())
            about = [task for task in known.values() if task.subject == subject]
            for task in about:
                del known[task.id]
        for task in about:
            self.cancel(task)
        with _suppress_store_errors():
            self._store.delete_subject(kind.name, subject)

    def apply_remote_cancellations(self) -> None:
        """Cancel tasks that another server canceled or deleted; raise RecordsError."""
        with self._lock:
            own = [task for task in self._here if not task.cancel.is_set()]
        wanted = self._store.wanted(self.server.id) if own else set()
        for task in own:
            if task.id not in wanted:
                self.cancel(task)

    def recover(self) -> list[Task]:
        """Return the tasks of dead servers, marked as interrupted; raise RecordsError."""
        lost = []
        for row in self._store.active():
            if row.kind not in self._kinds or self.server.alive(row.server):
                continue
            kind = self._kinds[row.kind]
            if not self._store.interrupt(row.id, row.server, datetime.now(UTC)):
                continue  # another server noticed it first
            task = restore(row, kind)
            task.state = State.INTERRUPTED
            with self._lock:
                self._remember(task)
            lost.append(task)
        # A batch after the analyses of its files: it begins what waits by then.
        for task in sorted(lost, key=lambda task: task.kind.priority):
            if not task.params.get(RESUMED):
                try:
                    task.kind.on_interrupted(task)
                except UnmaskError as error:
                    log.warning("a lost %s was not resumed: %s", task.kind.name, error.code)
        return lost

    def resume(self, task: Task, work: Work[Any]) -> None:
        """Queue a lost task again under its id; raise as `submit`."""
        params = task.params | {RESUMED: True}
        kind = task.kind
        again = kind.restore(kind, task.owner, subject=task.subject, params=params, id=task.id)
        self.dismiss(task)
        self.submit(again, work)

    def watch(self) -> None:
        """Apply remote cancellations and take over dead servers' tasks until this is closed."""
        while not self._closing.wait(BEAT_SECONDS):
            with _suppress_store_errors():
                self.apply_remote_cancellations()
                self.recover()

    def sweep(self, older_than: timedelta, *, now: datetime | None = None) -> None:
        """Forget what ended long enough ago."""
        expired = self._store.sweep((now or datetime.now(UTC)) - older_than)
        with self._lock:
            for known in self._tasks.values():
                for id in expired & set(known):
                    del known[id]

    def close(self) -> None:
        """Stop and wait for the workers; running tasks are offered again as interrupted."""
        self._closing.set()
        with self._lock:
            active = [t for known in self._tasks.values() for t in known.values() if t.active]
        for task in active:
            self.cancel(task)
        self.scheduler.close(CLOSE_SECONDS)
        self.server.close()
        self._store.database.close()

    # --- inside -----------------------------------------------------------------------------------

    def _run(self, task: AnyTask, work: Work[AnyTask]) -> None:
        """In a worker: always leaves a final state."""
        task.begin()
        self._report(task)
        try:
            if task.cancel.is_set():
                raise Canceled
            task.result = work(task)
        except Canceled:
            self._end(task, State.CANCELED)
        except BaseException as error:
            self._fail(task, error)
        else:
            self._end(task, State.DONE)

    def _checkpoint(self, task: Task) -> None:
        if time.monotonic() - self._reported.get(task, 0.0) >= REPORT_SECONDS:
            self._report(task)
        self.scheduler.checkpoint(task)

    def _report(self, task: Task) -> None:
        """Store progress; stop a task that was canceled, deleted or marked lost elsewhere."""
        self._reported[task] = time.monotonic()
        with _suppress_store_errors():
            if not self._store.update(task, State.RUNNING):
                row = self._store.get(task.id)
                if row is not None and row.state == State.INTERRUPTED:
                    self._lost.add(task)
                task.cancel.set()

    def _fail(self, task: Task, error: BaseException) -> None:
        fault = fault_of(error)
        if fault.ours:
            level = task.kind.log_level if isinstance(error, UnmaskError) else logging.ERROR
            name, reference = task.kind.name, fault.reference
            log.log(level, "%s failed, reference %s: %s", name, reference, error, exc_info=error)
        self._end(task, State.FAILED, fault)

    def _end(self, task: Task, state: State, fault: ErrorReport | None = None) -> None:
        """Give a task its final state; once is enough."""
        with self._lock:
            on_end = self._on_end.pop(task, None)
            self._reported.pop(task, None)
            lost = task in self._lost
            self._lost.discard(task)
        if on_end is None:
            return
        if (self._closing.is_set() or lost) and state is State.CANCELED:
            task.state = State.INTERRUPTED
            self._here.discard(task)
            return
        try:
            on_end(task, state, fault)
        except Exception:
            log.exception("the end of a task could not be noted")
        finally:
            task.fault, task.ended = fault, datetime.now(UTC)
            with _suppress_store_errors():
                self._store.update(task, state)
            task.checkpoint = _nothing  # breaks a reference cycle: memory is freed at once
            task.state = state
            self._here.discard(task)

    def _restore(self, id: str) -> Task | None:
        row = self._store.get(id)
        if row is None or row.kind not in self._kinds:
            return None
        task = restore(row, self._kinds[row.kind])
        if task.active and not self.server.alive(row.server):
            task.state = State.INTERRUPTED
        if not task.active:
            with self._lock:
                self._remember(task)
        return task

    def _remote_tasks(self) -> list[Task]:
        """Return the tasks that wait or run on other live servers."""
        now = time.monotonic()
        if now - self._foreign_read >= REPORT_SECONDS:
            self._foreign_read = now
            with _suppress_store_errors():
                self._foreign = [
                    restore(row, self._kinds[row.kind])
                    for row in self._store.active()
                    if row.server != self.server.id
                    and row.kind in self._kinds
                    and self.server.alive(row.server)
                ]
        return self._foreign

    def _remember(self, task: Task) -> None:
        """Keep a task in memory. The lock is held."""
        known = self._tasks.setdefault(task.kind.name, OrderedDict())
        known[task.id] = task
        idle = [id for id, one in known.items() if not one.active and one is not task]
        for id in idle[: max(0, len(known) - task.kind.max_in_memory)]:
            del known[id]


class TaskQueue(Generic[AnyTask]):
    """The tasks of one kind, by what they are about."""

    def __init__(self, tasks: TaskManager, kind: TaskKind[AnyTask]) -> None:
        self._tasks, self.kind = tasks, kind
        tasks.register(kind)

    def find(self, subject: str, principal: Principal) -> AnyTask | None:
        """Return the newest about something, running or ended lately."""
        return self._tasks.latest(self.kind, subject, principal)

    def dismiss(self, subject: str, principal: Principal) -> None:
        """Forget how the newest ended, so that another may begin."""
        task = self.find(subject, principal)
        if task is not None and not task.active:
            self._tasks.dismiss(task)


def _nothing() -> None: ...


@contextmanager
def _suppress_store_errors() -> Iterator[None]:
    """Log it where a store refuses to write or read the state of tasks: that costs no more."""
    try:
        yield
    except InputError as error:
        log.warning("the state of a task could not be kept or read: %s", error.message)


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
