"""Scheduling: by priority, then round robin between owners, within a budget of cores.

The rules, all of them:

    1. A task starts when its cores are free. Cores of less important tasks count as free: those
       pause at their next step (`must_yield`).
    2. Of each priority one may always run, whatever the others hold: a camera that runs all day
       slows a batch down, it does not stop it.
    3. Within a priority, owners take turns: one file does not wait for another owner's twenty. No
       task overtakes one that waits for cores.
    4. Cameras are reserved, never queued (`reserved`): a live picture can't wait.
"""

from __future__ import annotations

from collections import Counter
from itertools import count

from service.tasks.task import Priority, Task

_SLACK = 1e-9  # cores: five tasks of 0.4 cores are two cores


class Scheduler:
    """Waiting and running tasks of a process, on a budget of `cores`. Not thread-safe."""

    def __init__(self, cores: float) -> None:
        self.cores = cores
        self.suspended = False  # Nothing more starts that keeps cores busy
        self.running: list[Task] = []
        self.reserved: list[float] = []  # Cores of each camera
        self._waiting: dict[Task, int] = {}  # In the order they came; 0, or below: put first
        self._served: dict[tuple[str, Priority], int] = {}  # When each owner had a turn last
        self._clock = count(1)

    def add(self, task: Task) -> None:
        """Add a waiting task."""
        self._waiting[task] = 0

    def remove(self, task: Task) -> bool:
        """Remove a waiting task; return whether it was waiting."""
        return self._waiting.pop(task, None) is not None

    def advance(self, task: Task) -> bool:
        """Move a waiting task before all others of its priority; return whether it still waits."""
        if task in self._waiting:
            self._waiting[task] = -next(self._clock)
        return task in self._waiting

    def next(self) -> Task | None:
        """Return the tasks that may start now, and mark them as running."""
        blocked: set[Priority] = set()
        for task in self.waiting():
            kind = task.kind
            if self.suspended and kind.cores:
                continue
            if kind.max_running is not None and self.count(kind.name)[1] >= kind.max_running:
                continue
            if kind.cores and (kind.priority in blocked or not self._fits(task)):
                blocked.add(kind.priority)
                continue
            del self._waiting[task]
            self.running.append(task)
            self._served[task.owner, kind.priority] = next(self._clock)
            return task
        return None

    def end(self, task: Task) -> None:
        """Release the cores of a task."""
        self.running.remove(task)
        there = {(one.owner, one.kind.priority) for one in (*self._waiting, *self.running)}
        self._served = {who: turn for who, turn in self._served.items() if who in there}

    def count(self, kind: str) -> tuple[int, int]:
        """Return how many tasks of a kind wait, and how many run."""
        waiting, running = (
            sum(task.kind.name == kind for task in tasks) for tasks in (self._waiting, self.running)
        )
        return waiting, running

    def waiting(self) -> list[Task]:
        """Return all waiting tasks in the order they would start."""
        rounds: Counter[tuple[str, Priority]] = Counter()
        places = {}
        for task, first in sorted(self._waiting.items(), key=lambda item: item[1]):
            owner = task.owner, task.kind.priority
            places[task] = task.kind.priority, first, rounds[owner], self._served.get(owner, 0)
            rounds[owner] += 1
        return sorted(places, key=places.__getitem__)

    def ahead(self, task: Task) -> int:
        """Return how many waiting tasks of its kind precede this one; 0 while it runs."""
        line = [one for one in self.waiting() if one.kind.name == task.kind.name]
        return line.index(task) if task in line else 0

    def must_yield(self, task: Task) -> bool:
        """Return whether more important tasks need the cores of a running one."""
        kind = task.kind
        if not kind.cores or kind.priority is not Priority.BATCH:
            return False
        return self._used(Priority.INTERACTIVE) + kind.cores > self.cores + _SLACK

    def _used(self, priority: Priority) -> float:
        """Return the cores of tasks of the same or higher importance."""
        running = (task.kind for task in self.running)
        return sum(self.reserved) + sum(k.cores for k in running if k.priority <= priority)

    def _fits(self, task: Task) -> bool:
        kind = task.kind
        peers = any(t.kind.priority == kind.priority and t.kind.cores for t in self.running)
        return not peers or self._used(kind.priority) + kind.cores <= self.cores + _SLACK
