"""Which task runs next: by priority, then fairly between owners, within a budget of cores. Where it
runs: `ThreadExecutor`.

The rules, all of them:

1. A task starts when its cores are free. Cores that less important ones hold count as free: those
   pause at their next step (`checkpoint`).
2. Of each priority one may always run, whatever the others hold: a camera that is watched all day
   slows a batch down, it does not stop it.
3. Within a priority, owners take turns (start-time fair queueing, Goyal et al. 1996, a task being
   the unit): one file does not wait for another owner's twenty. No task overtakes one that waits
   for cores.
4. Cameras are reserved, never queued (`reserve`): a live picture can't wait.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.tasks.task import Priority, Task, TaskKind

log = logging.getLogger(__name__)

PAUSE_RATIO = 4.0  # A batch that others need the cores of works a fifth of the time
MAX_PAUSE_SECONDS = 30.0  # Longest wait between two steps
NICENESS = 5  # of a task's threads: three times the processor time to one that draws a page

Run = Callable[[Task], None]
Fail = Callable[[Task, BaseException], None]


@dataclass(eq=False)
class Reservation:
    """Cores that are reserved while a viewer watches. Give them back with `release`."""

    cores: float
    priority: Priority
    release: Callable[[], None] = lambda: None


@dataclass(eq=False)
class _Entry:
    task: Task
    run: Run
    fail: Fail
    turn: int = 0  # in whose turn it starts: its owner's first since the line moved, second …
    resumed: float = 0.0


class Scheduler:
    """The line of all tasks of a process, on a budget of `cores`. A batch pauses `pause_ratio`
    times as long as its last step took, `max_pause` s at most."""

    def __init__(
        self,
        cores: float,
        executor: ThreadExecutor,
        *,
        pause_ratio: float = PAUSE_RATIO,
        max_pause: float = MAX_PAUSE_SECONDS,
    ) -> None:
        self.cores = cores
        self._executor = executor
        self._pause_ratio, self._max_pause = pause_ratio, max_pause
        self._held = False
        self._changed = threading.Condition(threading.RLock())
        self._waiting: list[_Entry] = []  # in the order they came
        self._running: dict[Task, _Entry] = {}
        self._reserved: list[Reservation] = []
        self._turn: dict[Priority, int] = dict.fromkeys(Priority, 0)  # of what started last
        self._last: dict[tuple[str, Priority], int] = {}  # of each owner's last in line

    def add(self, task: Task, run: Run, fail: Fail) -> None:
        """Queue a task to `run` in a worker, or `fail`; raise UnmaskError (`TaskKind.refuse`)."""
        with self._changed:
            self.refuse_when_full(task.kind)
            line, now = (task.owner, task.kind.priority), self._turn[task.kind.priority]
            turn = self._last[line] = max(now, self._last.get(line, now - 1) + 1)
            self._waiting.append(_Entry(task, run, fail, turn))
        self._dispatch()

    def refuse_when_full(self, kind: TaskKind[Any]) -> None:
        """Raise what `add` would."""
        waiting, running = self.count(kind.name)
        if refusal := kind.refuse(waiting, running):
            raise refusal

    @property
    def held(self) -> bool:
        """Return whether nothing more starts that keeps cores busy."""
        return self._held

    def hold(self) -> None:
        """Start nothing more that keeps cores busy: what runs goes on, what comes waits in line."""
        self._held = True

    def resume(self) -> None:
        """Start what waits again."""
        self._held = False
        self._dispatch()

    def advance(self, task: Task) -> bool:
        """Put a waiting task before all others of its priority; whether it still waits."""
        with self._changed:
            entry = next((e for e in self._waiting if e.task is task), None)
            if entry is None:
                return False
            peers = [e for e in self._waiting if e.task.kind.priority == task.kind.priority]
            entry.turn = min(peer.turn for peer in peers) - 1
        return True

    def remove(self, task: Task) -> bool:
        """Take a task out of the line; whether it was still in it."""
        with self._changed:
            removed = next((e for e in self._waiting if e.task is task), None)
            if removed is not None:
                self._waiting.remove(removed)
                who = task.owner, task.kind.priority
                # What its owner has in line after it moves up.
                self._last[who] = self._last.get(who, 0) - 1
                for entry in self._waiting:
                    own = (entry.task.owner, entry.task.kind.priority) == who
                    entry.turn -= own and entry.turn > removed.turn
            self._changed.notify_all()  # one that runs and pauses looks whether it was canceled
        if removed is None:
            return False
        self._dispatch()  # it may have held the place of others
        return True

    def reserve(self, cores: float, priority: Priority = Priority.LIVE) -> Reservation:
        """Hold cores at once, whatever runs, until they are released."""
        reservation = Reservation(cores, priority)

        def release() -> None:
            with self._changed:
                if reservation not in self._reserved:
                    return
                self._reserved.remove(reservation)
                self._changed.notify_all()
            self._dispatch()

        reservation.release = release
        with self._changed:
            self._reserved.append(reservation)
        return reservation

    def count(self, kind: str) -> tuple[int, int]:
        """Return how many of a kind wait, and how many run."""
        with self._changed:
            waiting = sum(entry.task.kind.name == kind for entry in self._waiting)
            running = sum(task.kind.name == kind for task in self._running)
        return waiting, running

    def ahead(self, task: Task) -> int:
        """Return how many waiting tasks of its kind come before this one; 0 when it runs."""
        with self._changed:
            line = [e.task for e in self._line() if e.task.kind.name == task.kind.name]
        return line.index(task) if task in line else 0

    def checkpoint(self, task: Task) -> None:
        """Pause a task between two steps while more important ones need its cores."""
        with self._changed:
            entry = self._running.get(task)
            if entry is None:
                return
            now = time.monotonic()
            pause = min(self._max_pause, self._pause_ratio * (now - entry.resumed))
            deadline = now + pause
            while self._pressed(task) and not task.cancel.is_set():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            entry.resumed = time.monotonic()

    def close(self, timeout: float) -> None:
        """Start nothing more, and wait for what runs; s at most."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()
        self._executor.close(timeout)

    # --- inside: the lock is held, but in _dispatch and _run --------------------------------------

    def _line(self) -> list[_Entry]:
        """Return all that wait, in the order they would start."""
        return sorted(self._waiting, key=lambda e: (e.task.kind.priority, e.turn))

    def _used(self, priority: Priority) -> float:
        """Cores held by what is as important or more."""
        held = [(t.kind.cores, t.kind.priority) for t in self._running]
        held += [(r.cores, r.priority) for r in self._reserved]
        return sum(cores for cores, of in held if of <= priority)

    def _fits(self, task: Task) -> bool:
        kind = task.kind
        peers = any(t.kind.priority == kind.priority and t.kind.cores for t in self._running)
        # A hair of slack: five tasks of 0.4 cores are two cores.
        return not kind.cores or not peers or (
            self._used(kind.priority) + kind.cores <= self.cores + 1e-9
        )  # fmt: skip

    def _pressed(self, task: Task) -> bool:
        """Return whether more important ones need the cores of a running task."""
        if not task.kind.cores or task.kind.priority is not Priority.BATCH:
            return False
        above = Priority(task.kind.priority - 1)
        return self._used(above) + task.kind.cores > self.cores + 1e-9

    def _next(self) -> _Entry | None:
        """Return what may start now, moved from the line to what runs."""
        blocked: set[Priority] = set()
        for entry in self._line():
            kind = entry.task.kind
            if self._held and kind.cores:
                continue
            if kind.max_running is not None and self.count(kind.name)[1] >= kind.max_running:
                continue
            if kind.cores and (kind.priority in blocked or not self._fits(entry.task)):
                blocked.add(kind.priority)
                continue
            self._waiting.remove(entry)
            self._running[entry.task] = entry
            self._turn[kind.priority] = max(self._turn[kind.priority], entry.turn)
            self._last = {
                who: turn for who, turn in self._last.items() if turn >= self._turn[who[1]]
            }
            return entry
        return None

    def _dispatch(self) -> None:
        while True:
            with self._changed:
                entry = self._next()
            if entry is None:
                return
            try:
                self._executor.start(entry.task.kind.name, partial(self._run, entry))
            except Exception as error:
                log.exception("a worker could not be started")
                self._end(entry, error)

    def _run(self, entry: _Entry) -> None:
        """In a worker: whatever happens in it, the cores come back."""
        entry.resumed = time.monotonic()
        failure: BaseException | None = None
        try:
            entry.run(entry.task)
        except BaseException as error:  # also a thread that is told to exit
            failure = error
        self._end(entry, failure)
        self._dispatch()

    def _end(self, entry: _Entry, failure: BaseException | None) -> None:
        try:
            if failure is not None:
                entry.fail(entry.task, failure)
        finally:
            with self._changed:
                self._running.pop(entry.task, None)
                self._changed.notify_all()


class ThreadExecutor:
    """A daemon thread for each task, so that a stopping server need not wait for them. Runs at once
    what it is given, however much that is."""

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def start(self, name: str, call: Callable[[], None]) -> None:
        """Run a call in a thread of its own, which gives way to those that draw pages; raise
        RuntimeError if it can't be started."""

        def work() -> None:
            if sys.platform == "linux":  # elsewhere a thread has no priority of its own
                own = os.PRIO_PROCESS, threading.get_native_id()
                with suppress(OSError):
                    os.setpriority(*own, min(os.getpriority(*own) + NICENESS, 19))
            call()

        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        with self._lock:
            self._threads = {one for one in self._threads if one.is_alive()} | {thread}

    def close(self, timeout: float) -> None:
        """Wait for all threads, s at most in all."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
