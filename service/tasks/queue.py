"""The task queue of a server: submission, execution, lookup and recovery.

Every task ends DONE, FAILED, CANCELED or INTERRUPTED, once, whatever happens in its worker; the
lost tasks of a dead server are recovered by the others, or by the next one (`recover`). Servers on
one database see and cancel each other's tasks; they exchange progress every half second.

The table of tasks (`TaskStore`) outlives the process. A row names the running server (`server`);
when that is dead, the task was interrupted. Results are not in it: each kind stores its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Generic, cast

from detector.cores import usable_cores
from detector.errors import Canceled, InputError, UnmaskError
from detector.threads import Supervised
from service.context import SYSTEM, Principal
from service.records.instances import BEAT_SECONDS, Server
from service.records.model import ErrorReport, State, fault_of
from service.tasks.scheduler import Scheduler
from service.tasks.task import RESUMED, AnyTask, Task, TaskKind, TaskStore, restore

log = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0  # Longest wait for workers when a server stops
IDLE_POLL_SECONDS = 10.0  # Between two looks: a first visitor has opened a file by then
LOOK_SECONDS = 1.0  # Longest wait for a change: those of other servers are not announced
REPORT_SECONDS = 0.5  # Between two writes of progress, and two looks at other servers' tasks
PAUSE_RATIO = 4.0  # A batch that others need the cores of works a fifth of the time
MAX_PAUSE_SECONDS = 30.0  # Longest wait between two steps
NICENESS = 5  # of a task's thread: three times the processor time to one that draws a page

Work = Callable[[AnyTask], object]  # Returns the result; raises `Canceled`


@dataclass(eq=False)
class _Run:
    """State of a task that waits or runs in this process."""

    work: Work[Any]
    thread: Supervised[None] | None = None
    resumed: float = 0.0  # When its present step began
    reported: float = 0.0
    lost: bool = False  # Another server took this one for dead, and the task over
    ended: bool = False


class TaskQueue:
    """The tasks of a server, on a budget of `cores`, by default all of this computer. A batch whose
    cores others need pauses `pause_ratio` times as long as its last step took, `max_pause` s at
    most. `start` runs a call in the background in place of a supervised thread."""

    def __init__(
        self,
        store: TaskStore,
        server: Server,
        cores: float | None = None,
        *,
        start: Callable[[str, Callable[[], None]], Supervised[None] | None] | None = None,
        pause_ratio: float = PAUSE_RATIO,
        max_pause: float = MAX_PAUSE_SECONDS,
    ) -> None:
        self.server = server
        self._store, self._start = store, start
        self._pause_ratio, self._max_pause = pause_ratio, max_pause
        self._kinds: dict[str, TaskKind[Any]] = {}
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._changed = threading.Condition(threading.RLock())  # Guards the three that follow
        self._scheduler = Scheduler(cores or usable_cores())
        self._runs: dict[Task, _Run] = {}  # What waits or runs in this process
        self._tasks: dict[str, dict[str, Task]] = {}
        self._foreign: list[Task] = []
        self._foreign_read = float("-inf")
        self._changes = 0
        self._listeners: list[Callable[[], object]] = []

    def register(self, kind: TaskKind[AnyTask]) -> TaskKind[AnyTask]:
        """Register a kind, before `recover` and any lookup of its tasks."""
        self._kinds[kind.name] = kind
        return kind

    def submit(
        self,
        task: AnyTask,
        work: Work[AnyTask],
        *,
        once_for: Principal | None = None,
        permitted: bool = False,
    ) -> AnyTask:
        """Queue a task and return it; or return the active one of its kind with the same subject
        that the caller may see (`once_for`), forgetting an ended one. Raise UnmaskError if it is
        refused (`TaskKind.refuse`), or RecordsError. `permitted`: `refuse_when_full` was called
        before something was made that depends on it."""
        with self._starting:
            known = self.latest(task.kind, task.subject, once_for) if once_for else None
            if known is not None and known.active:
                return known
            if not permitted:
                self.refuse_when_full(task.kind)
            self._store.add(task, self.server.id)
            task.checkpoint = lambda: self._checkpoint(task)
            with self._changed:
                self._runs[task] = _Run(work)
                self._remember(task)
                self._scheduler.add(task)
                self._announce()
        self._dispatch()
        if known is not None:
            self.dismiss(known)
        return task

    def refuse_when_full(self, kind: TaskKind[Any]) -> None:
        """Raise UnmaskError as `submit` would."""
        with self._changed:
            waiting, running = self._scheduler.count(kind.name)
        if refusal := kind.refuse(waiting, running):
            raise refusal

    def counts(self) -> list[tuple[str, int, int]]:
        """Return the numbers of waiting and running tasks by the name of their kind."""
        with self._changed:
            return [(name, *self._scheduler.count(name)) for name in self._kinds]

    def ahead(self, task: Task) -> int:
        """Return how many waiting tasks of its kind precede this one; 0 while it runs."""
        with self._changed:
            return self._scheduler.ahead(task)

    def advance(self, task: Task) -> bool:
        """Move a waiting task before all others of its priority; return whether it still waits."""
        with self._changed:
            return self._scheduler.advance(task)

    @property
    def cores(self) -> float:
        """Return the budget of cores."""
        return self._scheduler.cores

    @property
    def suspended(self) -> bool:
        """Return whether the start of tasks that use cores is suspended."""
        return self._scheduler.suspended

    def suspend(self, on: bool = True) -> None:
        """Suspend or resume the start of tasks that use cores: running ones continue, new ones
        wait."""
        self._scheduler.suspended = on
        self._dispatch()

    def reserve(self, cores: float) -> Callable[[], None]:
        """Reserve cores for a camera at once; return the function that releases them."""
        with self._changed:
            self._scheduler.reserved.append(cores)
        left = [cores]

        def release() -> None:
            with self._changed:
                while left:
                    self._scheduler.reserved.remove(left.pop())
                self._announce()
            self._dispatch()

        return release

    def wait_until_idle(self, stopped: threading.Event) -> bool:
        """Wait until no task waits or runs in this process; return False if stopped first."""
        while not stopped.wait(IDLE_POLL_SECONDS):
            if not self._runs:
                return True
        return False

    def active(self) -> list[Task]:
        """Return all waiting and running tasks, of all owners, the longest running first."""
        kinds = self._kinds.values()
        found = [task for kind in kinds for task in self.visible(kind, SYSTEM) if task.active]
        return sorted(found, key=lambda task: (task.started is None, task.started or task.created))

    def find(self, id: str, principal: Principal) -> Task | None:
        """Return a task by its id; None if there is none, or the caller may not see it."""
        with self._changed:
            known = next((tasks[id] for tasks in self._tasks.values() if id in tasks), None)
        task = known or self._restore(id)
        return task if task is not None and task.visible_to(principal) else None

    def newest(self, kind: TaskKind[AnyTask], subject: str) -> AnyTask | None:
        """Return the newest task of a subject in this process's memory."""
        with self._changed:
            known = reversed(self._tasks.get(kind.name, {}).values())
            return next((cast(AnyTask, task) for task in known if task.subject == subject), None)

    def remember(self, task: AnyTask, known: Task | None) -> AnyTask:
        """Cache a task that was read from elsewhere in place of an older one that was `known` then;
        return one that began or ended here since, if any."""
        with self._changed:
            newest = self.newest(task.kind, task.subject)
            # Not one that is a row and no more: it was lost with its server.
            since = isinstance(newest, type(task)) and newest is not known
            if newest is not None and since and (newest.active or newest.id == task.id):
                return newest
            self._remember(task)
            return task

    def latest(self, kind: TaskKind[AnyTask], subject: str, principal: Principal) -> AnyTask | None:
        """Return the newest task of a subject that the caller may see, as `visible`."""
        own = [task for task in self.visible(kind, principal) if task.subject == subject]
        return own[-1] if own else None

    def visible(self, kind: TaskKind[AnyTask], principal: Principal) -> list[AnyTask]:
        """Return the tasks of a kind that a caller may see, of all servers, oldest first."""
        with self._changed:
            own = list(self._tasks.get(kind.name, {}).values())
        known = {task.id for task in own}
        foreign = [t for t in self._remote_tasks() if t.kind is kind and t.id not in known]
        return [cast(AnyTask, task) for task in foreign + own if task.visible_to(principal)]

    def subjects(self, kind: TaskKind[Any]) -> set[str]:
        """Return the subjects of a kind's waiting and running tasks, on any server."""
        return {row.subject for row in self._store.active() if row.kind == kind.name}

    def wait(self, task: Task, seconds: float | None = None) -> bool:
        """Wait until a task of this process has ended; return whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not task.active, seconds)

    @property
    def changes(self) -> int:
        """Return the number of changes so far: a task that began, reported, ended or was canceled,
        and cores that were released."""
        return self._changes

    def wait_for_change(self, seen: int, seconds: float = LOOK_SECONDS) -> None:
        """Wait until there were more `changes` than were `seen`, before a look that found nothing;
        at most so long: other servers, and other threads of a batch, announce nothing."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes > seen, seconds)

    def announce(self) -> None:
        """Wake all that wait: something else changed that they look at."""
        with self._changed:
            self._announce()

    @contextmanager
    def listening(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call a function at each change within a context, from any thread, with the lock held."""
        with self._changed:
            self._listeners.append(callback)
        try:
            yield
        finally:
            with self._changed:
                self._listeners.remove(callback)

    def _announce(self) -> None:
        """Wake all that wait. Requires the lock."""
        self._changes += 1
        self._changed.notify_all()
        for callback in self._listeners:
            callback()

    def now(self, task: Task) -> Task:
        """Return a task's present state: itself if it runs here, else its server's last report."""
        if not task.active or self.runs_here(task):
            return task
        return self._restore(task.id) or task

    def runs_here(self, task: Task) -> bool:
        """Return whether a task waits or runs in this process."""
        return task in self._runs

    def cancel(self, task: Task) -> None:
        """Cancel a task: a waiting one ends at once, a running one at its next step, that of
        another server at its next report or poll (`apply_remote_cancellations`)."""
        task.cancel.set()
        if self._withdraw(task):
            self._end(task, State.CANCELED)
        elif task.active and not self.runs_here(task):
            with suppress_store_errors():
                self._store.request_cancel(task.id)

    def fail_waiting(self, task: Task, error: BaseException) -> bool:
        """End a waiting task with an error that its work would meet; return whether it
        was waiting."""
        waited = self._withdraw(task)
        if waited:
            self._fail(task, error)
        return waited

    def dismiss(self, task: Task) -> None:
        """Stop a task and forget it."""
        self.cancel(task)
        with self._changed:
            self._tasks.get(task.kind.name, {}).pop(task.id, None)
        with suppress_store_errors():
            self._store.delete(task.id)

    def dismiss_subject(self, kind: TaskKind[Any], subject: str) -> None:
        """Stop and forget all tasks of a deleted subject, of any owner."""
        with self._changed:
            known = self._tasks.get(kind.name, {})
            about = [task for task in known.values() if task.subject == subject]
            for task in about:
                del known[task.id]
        for task in about:
            self.cancel(task)
        with suppress_store_errors():
            self._store.delete_subject(kind.name, subject)

    def apply_remote_cancellations(self) -> None:
        """Cancel tasks that another server canceled or deleted. Raise RecordsError."""
        with self._changed:
            own = [task for task in self._runs if not task.cancel.is_set()]
        wanted = self._store.wanted(self.server.id) if own else set()
        for task in own:
            if task.id not in wanted:
                self.cancel(task)

    def recover(self) -> list[Task]:
        """Return the tasks of dead servers, marked as interrupted. Raise RecordsError."""
        lost = []
        for row in self._store.active():
            if row.kind not in self._kinds or self.server.alive(row.server):
                continue
            kind = self._kinds[row.kind]
            if not self._store.interrupt(row.id, row.server, datetime.now(UTC)):
                continue  # another server noticed it first
            task = restore(row, kind)
            task.state = State.INTERRUPTED
            with self._changed:
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
        """Apply remote cancellations and recover dead servers' tasks until `close`."""
        while not self._closing.wait(BEAT_SECONDS):
            with suppress_store_errors():
                self.apply_remote_cancellations()
                self.recover()

    def sweep(self, older_than: timedelta, *, now: datetime | None = None) -> None:
        """Forget ended tasks after their time."""
        expired = self._store.sweep((now or datetime.now(UTC)) - older_than)
        with self._changed:
            for known in self._tasks.values():
                for id in expired & set(known):
                    del known[id]

    def end_watch(self) -> None:
        """End `watch`, and start no more tasks."""
        self._closing.set()

    def close(self) -> None:
        """Stop and wait for the workers; running tasks are offered again as interrupted."""
        self._closing.set()
        with self._changed:
            runs = dict(self._runs)
        for task in runs:
            self.cancel(task)
        deadline = time.monotonic() + CLOSE_SECONDS
        for run in runs.values():
            if run.thread is not None:
                run.thread.wait(deadline - time.monotonic())
        self.server.close()
        self._store.database.close()

    def run_in_background(
        self, name: str, work: Callable[[], None], stop: Callable[[], object]
    ) -> Supervised[None] | None:
        """Run a call in a thread of low priority; `stop` asks it to end. Raise RuntimeError if no
        thread is left."""
        if self._start is not None:
            return self._start(name, work)
        return Supervised(name, work, owner=self, stop=stop, niceness=NICENESS).start()

    # --- inside -----------------------------------------------------------------------------------

    def _interrupt(self, task: Task) -> None:
        """Stop a running task at the end of the process; the next one offers it again."""
        self._closing.set()
        task.cancel.set()
        self.announce()

    def _withdraw(self, task: Task) -> bool:
        """Remove a waiting task from the line; return whether it was waiting."""
        with self._changed:
            waited = self._scheduler.remove(task)
            self._announce()  # one that runs and pauses looks whether it was canceled
        if waited:
            self._dispatch()  # it may have held the place of others
        return waited

    def _dispatch(self) -> None:
        """Start the tasks that may run now."""
        while not self._closing.is_set():
            with self._changed:
                task = self._scheduler.next()
                if task is None:
                    return
                run = self._runs[task]
            try:
                run.thread = self.run_in_background(
                    task.kind.name, partial(self._run, task, run), partial(self._interrupt, task)
                )
            except Exception as error:
                log.exception("a worker could not be started")
                self._fail(task, error)
                with self._changed:
                    self._scheduler.end(task)

    def _run(self, task: Task, run: _Run) -> None:
        """Run a task in a worker; always write a final state and release its cores."""
        try:
            task.begin()
            self._report(task, run)
            if task.cancel.is_set():
                raise Canceled
            run.resumed = time.monotonic()
            task.result = run.work(task)
        except Canceled:
            self._end(task, State.CANCELED)
        except BaseException as error:  # also a thread that is told to exit
            self._fail(task, error)
        else:
            self._end(task, State.DONE)
        finally:
            with self._changed:
                self._scheduler.end(task)
                self._announce()
            self._dispatch()

    def _checkpoint(self, task: Task) -> None:
        """Report a running task between two steps, and pause it while more important ones need its
        cores."""
        run = self._runs[task]
        if time.monotonic() - run.reported >= REPORT_SECONDS:
            self._report(task, run)
        with self._changed:
            now = time.monotonic()
            deadline = now + min(self._max_pause, self._pause_ratio * (now - run.resumed))
            while self._scheduler.must_yield(task) and not task.cancel.is_set():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            run.resumed = time.monotonic()

    def _report(self, task: Task, run: _Run) -> None:
        """Store progress; stop a task that was canceled, deleted or marked as lost elsewhere."""
        run.reported = time.monotonic()
        with suppress_store_errors():
            if not self._store.update(task, State.RUNNING):
                row = self._store.get(task.id)
                run.lost |= row is not None and row.state == State.INTERRUPTED
                task.cancel.set()
        self.announce()

    def _fail(self, task: Task, error: BaseException) -> None:
        fault = fault_of(error)
        if fault.ours:
            level = task.kind.log_level if isinstance(error, UnmaskError) else logging.ERROR
            name, reference = task.kind.name, fault.reference
            log.log(level, "%s failed, reference %s: %s", name, reference, error, exc_info=error)
        self._end(task, State.FAILED, fault)

    def _end(self, task: Task, state: State, fault: ErrorReport | None = None) -> None:
        """Give a task its final state. Idempotent."""
        with self._changed:
            run = self._runs.get(task)
            if run is None or run.ended:
                return
            run.ended = True
        try:
            if (self._closing.is_set() or run.lost) and state is State.CANCELED:
                state = State.INTERRUPTED
                return
            try:
                task.kind.on_end(task, state, fault)
            except Exception:
                log.exception("the end of a task could not be noted")
            task.fault, task.ended = fault, datetime.now(UTC)
            with suppress_store_errors():
                self._store.update(task, state)
        finally:
            task.checkpoint = _nothing  # breaks a reference cycle: memory is freed at once
            with self._changed:
                task.state = state
                self._runs.pop(task)
                self._announce()

    def _restore(self, id: str) -> Task | None:
        row = self._store.get(id)
        if row is None or row.kind not in self._kinds:
            return None
        task = restore(row, self._kinds[row.kind])
        if task.active and not self.server.alive(row.server):
            task.state = State.INTERRUPTED
        if not task.active:
            with self._changed:
                self._remember(task)
        return task

    def _remote_tasks(self) -> list[Task]:
        """Return the waiting and running tasks of other live servers."""
        now = time.monotonic()
        if now - self._foreign_read >= REPORT_SECONDS:
            self._foreign_read = now
            with suppress_store_errors():
                self._foreign = [
                    restore(row, self._kinds[row.kind])
                    for row in self._store.active()
                    if row.server != self.server.id
                    and row.kind in self._kinds
                    and self.server.alive(row.server)
                ]
        return self._foreign

    def _remember(self, task: Task) -> None:
        """Cache a task in memory. Requires the lock."""
        known = self._tasks.setdefault(task.kind.name, {})
        known[task.id] = task
        idle = [id for id, one in known.items() if not one.active and one is not task]
        for id in idle[: max(0, len(known) - task.kind.max_in_memory)]:
            del known[id]


class SubjectTasks(Generic[AnyTask]):
    """The tasks of one kind by their subject."""

    def __init__(self, tasks: TaskQueue, kind: TaskKind[AnyTask]) -> None:
        self._tasks, self.kind = tasks, tasks.register(kind)

    def find(self, subject: str, principal: Principal) -> AnyTask | None:
        """Return the newest task of a subject, running or ended lately."""
        return self._tasks.latest(self.kind, subject, principal)

    def dismiss(self, subject: str, principal: Principal) -> None:
        """Forget the outcome of the newest task, so that another may begin."""
        task = self.find(subject, principal)
        if task is not None and not task.active:
            self._tasks.dismiss(task)


def _nothing() -> None: ...


@contextmanager
def suppress_store_errors() -> Iterator[None]:
    """Log a store's refusal to write or read a task or its result, without failing the task:
    a result stays readable until the server stops."""
    try:
        yield
    except InputError as error:
        log.warning("the state of a task could not be kept or read: %s", error.message)
