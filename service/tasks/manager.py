"""All background work of a server: takes tasks in, runs them, and finds them for who may see them.

Every task ends DONE, FAILED, CANCELED or INTERRUPTED, once, whatever happens in its worker; what a
server took with it when it died is noticed by the next one (`recover`).
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from detector.errors import Canceled, InputError, UnmaskError
from service.context import Principal
from service.error_reports import fault_of
from service.records.instances import Server
from service.records.model import ErrorReport, State
from service.tasks.executor import ThreadExecutor
from service.tasks.scheduler import Scheduler
from service.tasks.store import TaskStore, restore
from service.tasks.task import Task, TaskKind

log = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0
"""Longest wait for workers when a server stops."""

Work = Callable[[Task], object]
"""Does the work of a task and returns its result. Raises `Canceled` when it was asked to stop."""
OnEnd = Callable[[Task, State, ErrorReport | None], None]
"""Called once when a task is about to end, also one that no worker ever took."""


class TaskManager:
    """The tasks of a server.

    Parameters
    ----------
    store : TaskStore
    server : Server
    scheduler : Scheduler, optional
        Default: threads, and a budget of all cores of this computer.
    """

    def __init__(
        self,
        store: TaskStore,
        server: Server,
        scheduler: Scheduler | None = None,
    ) -> None:
        self.server = server
        self.scheduler = scheduler or Scheduler(os.cpu_count() or 2, ThreadExecutor())
        self._store = store
        self._kinds: dict[str, TaskKind] = {}
        self._closing = False
        self._lock = threading.Lock()
        self._known: dict[str, OrderedDict[str, Task]] = {}
        self._on_end: dict[Task, OnEnd] = {}

    def register(self, kind: TaskKind) -> None:
        """Make a kind known, before `recover` and whatever may find a task of it."""
        self._kinds[kind.name] = kind

    def submit(
        self, task: Task, work: Work, on_end: OnEnd = lambda task, state, fault: None
    ) -> None:
        """Put a task in line.

        Raises
        ------
        UnmaskError
            Its kind takes no more (`TaskKind.refuse`).
        RecordsError
            It could not be written down.
        """
        self.scheduler.refuse_when_full(task.kind)
        self._store.add(task, self.server.id)
        task.at_checkpoint = lambda: self.scheduler.checkpoint(task)
        with self._lock:
            self._on_end[task] = on_end
            self._remember(task)
        try:
            self.scheduler.add(task, lambda task: self._run(task, work), self._fail)
        except BaseException:
            with self._lock:
                del self._on_end[task]  # it never began
            self.dismiss(task)
            raise

    def refuse_when_full(self, kind: TaskKind) -> None:
        """Raise what `submit` would of a kind that takes no more."""
        self.scheduler.refuse_when_full(kind)

    def find(self, id: str, principal: Principal) -> Task | None:
        """Return a task by its id; None when there is none, or none for whoever asks."""
        with self._lock:
            known = next((tasks[id] for tasks in self._known.values() if id in tasks), None)
        task = known or self._restore(id)
        return task if task is not None and task.visible_to(principal) else None

    def latest(self, kind: TaskKind, subject: str, principal: Principal) -> Task | None:
        """Return the newest task about something that whoever asks may see, among those in memory:
        what runs, and what ended lately."""
        own = [t for t in self.visible(kind, principal) if t.subject == subject]
        return own[-1] if own else None

    def visible(self, kind: TaskKind, principal: Principal) -> list[Task]:
        """Return the tasks of a kind in memory that somebody may see, oldest first."""
        with self._lock:
            tasks = list(self._known.get(kind.name, {}).values())
        return [task for task in tasks if task.visible_to(principal)]

    def cancel(self, task: Task) -> None:
        """Ask a task to stop: one that waits ends at once, one that runs at its next step."""
        task.cancel.set()
        if self.scheduler.remove(task):
            self._end(task, State.CANCELED)

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
            self._known.get(task.kind.name, OrderedDict()).pop(task.id, None)
        self._keep(lambda: self._store.delete([task.id]))

    def dismiss_subject(self, kind: TaskKind, subject: str) -> None:
        """Stop and forget all tasks about something, whoever owns them: it is deleted."""
        with self._lock:
            known = self._known.get(kind.name, OrderedDict())
            about = [task for task in known.values() if task.subject == subject]
            for task in about:
                del known[task.id]
        for task in about:
            self.cancel(task)
        self._keep(lambda: self._store.delete_subject(kind.name, subject))

    def recover(self) -> list[Task]:
        """Note what was lost with a server that no longer lives; the tasks, interrupted."""
        lost = []
        for row in self._store.active():
            if row.kind not in self._kinds or self.server.alive(row.server):
                continue
            kind = self._kinds[row.kind]
            if not self._store.interrupt(row.id, row.server, datetime.now(UTC)):
                continue  # another server noticed it first
            task = restore(row, kind)
            task.state = State.INTERRUPTED
            kind.on_interrupted(task)
            with self._lock:
                self._remember(task)
            lost.append(task)
        return lost

    def sweep(self, older_than: timedelta, *, now: datetime | None = None) -> None:
        """Forget what ended long enough ago, and notice what was lost."""
        gone = set(self._store.sweep((now or datetime.now(UTC)) - older_than))
        with self._lock:
            for known in self._known.values():
                for id in gone & set(known):
                    del known[id]
        self.recover()

    def close(self) -> None:
        """Stop everything and wait for the workers. What they were at counts as interrupted: the
        next server offers it again."""
        self._closing = True
        with self._lock:
            active = [t for known in self._known.values() for t in known.values() if t.active]
        for task in active:
            self.cancel(task)
        self.scheduler.close(CLOSE_SECONDS)
        self._store.close()
        self.server.close()

    # --- inside -----------------------------------------------------------------------------------

    def _run(self, task: Task, work: Work) -> None:
        """In a worker: always leaves a final state."""
        task.begin()
        self._keep(lambda: self._store.update(task, State.RUNNING))
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

    def _fail(self, task: Task, error: BaseException) -> None:
        fault = fault_of(error)
        if fault.ours:
            level = task.kind.log_level if isinstance(error, UnmaskError) else logging.ERROR
            log.log(
                level,
                "%s failed, reference %s: %s",
                task.kind.name,
                fault.reference,
                error,
                exc_info=error,
            )
        self._end(task, State.FAILED, fault)

    def _end(self, task: Task, state: State, fault: ErrorReport | None = None) -> None:
        """Give a task its final state; once is enough."""
        with self._lock:
            on_end = self._on_end.pop(task, None)
        if on_end is None:
            return
        if self._closing and state is State.CANCELED:
            task.state = State.INTERRUPTED
            return
        try:
            on_end(task, state, fault)
        except Exception:
            log.exception("the end of a task could not be noted")
        finally:
            task.fault, task.ended = fault, datetime.now(UTC)
            self._keep(lambda: self._store.update(task, state))
            task.state = state

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

    def _remember(self, task: Task) -> None:
        """The lock is held."""
        known = self._known.setdefault(task.kind.name, OrderedDict())
        known[task.id] = task
        idle = [id for id, one in known.items() if not one.active and one is not task]
        for id in idle[: max(0, len(known) - task.kind.kept)]:
            del known[id]

    def _keep(self, write: Callable[[], object]) -> None:
        """Write; a store that refuses costs nothing but that."""
        try:
            write()
        except InputError as error:
            log.warning("the state of a task could not be kept: %s", error.message)
