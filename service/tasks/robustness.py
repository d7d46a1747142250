"""Robustness runs: a part of a file is changed and analyzed again, one file at a time.

Kept: the outcome, with the result it is about. An interrupted one is offered again by the tab that
shows it.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Event

from detector.decision import decide
from detector.schema.analysis import Analysis, Robustness
from detector.sentences import _
from service.context import Principal
from service.records.model import State
from service.tasks.jobs import Job, Jobs
from service.tasks.manager import TaskManager
from service.tasks.task import Priority, Task, TaskKind, bounded_line

MAX_WAITING = 5  # Files that may wait

OnTrial = Callable[[int, int, str], None]
Perturb = Callable[[Path, Analysis, OnTrial, Event], Robustness]  # Runs the trials of a file
OnResult = Callable[[Robustness], None]  # Adds the outcome to the result; called in the worker


KIND = TaskKind(
    "robustness",
    Priority.INTERACTIVE,
    2.0,
    Task,
    max_running=1,
    refuse=bounded_line(MAX_WAITING),
    sentences={
        State.CANCELED: _("You stopped it."),
        State.INTERRUPTED: _("The server stopped before this was done."),
        State.FAILED: _("It stopped. Your file is not at fault."),
    },
)


def add_to(jobs: Jobs, job: Job, outcome: Robustness) -> None:
    """Add the outcome of trials to a finished result."""
    jobs.update(job, lambda a: decide(a.model_copy(update={"robustness": outcome})))


class RobustnessQueue:
    """The robustness runs of a server. A task's subject is the record, its steps are trials,
    `stage` the one that runs, its result a `Robustness`."""

    def __init__(self, tasks: TaskManager, perturb: Perturb) -> None:
        self._tasks, self._perturb = tasks, perturb
        tasks.register(KIND)

    def start(
        self, key: str, path: Path, analysis: Analysis, principal: Principal, on_result: OnResult
    ) -> Task:
        """Queue a file's trials, or return the running ones; raise QueueFull."""

        def work(task: Task) -> Robustness:
            outcome = self._perturb(path, analysis, task.on_progress, task.cancel)
            on_result(outcome)
            return outcome

        task = Task(KIND, principal.id, subject=key)
        return self._tasks.submit_once(task, work, principal)

    def find(self, key: str, principal: Principal) -> Task | None:
        """Return the trials of a file, running or ended."""
        return self._tasks.latest(KIND, key, principal)
