"""Small kinds of tasks: downloads of weights, self-checks of models, robustness runs.

Stored: downloaded weights, in their usual place; the outcomes of the last self-check, in memory;
the outcome of a robustness run, in the result it is about. An interrupted download resumes when it
is started again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from detector.decision import decide
from detector.perturbation.robustness import try_out
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Robustness
from detector.sentences import _
from service.context import Principal
from service.tasks.jobs import Job, Jobs
from service.tasks.queue import SubjectTasks, TaskQueue
from service.tasks.task import Priority, Task, TaskKind, bounded_line

if TYPE_CHECKING:
    from detector.selfcheck import Outcome

MAX_WAITING = 5  # Files that may wait for a robustness run
SELF_CHECK = "self-check"

OnProgress = Callable[[int, int], None]  # Bytes that are there, and of all files


class Download(Task):
    """The download of a model (`subject`); its steps are bytes."""

    @property
    def error(self) -> str:
        return _("No connection.") if self.code == "no_connection" else super().error

    @property
    def hint(self) -> str:
        return _("Try again when there is one.") if self.code == "no_connection" else super().hint


class Downloads(SubjectTasks[Download]):
    """The downloads of a server by id. Waiting for a network takes no core, so all may
    run at once."""

    def __init__(self, tasks: TaskQueue) -> None:
        kind = TaskKind(
            "download",
            Priority.BATCH,
            0.0,
            Download,
            log_level=logging.WARNING,
            min_seconds=2.0,
            canceled=_("Stopped. What was received is kept, and the next download goes on there."),
            interrupted=_(
                "The server stopped. What was received is kept, and the next download goes on "
                "there."
            ),
            failed=_("Something went wrong here; the log says more."),
        )
        super().__init__(tasks, kind)

    def start(
        self, model: str, work: Callable[[OnProgress], object], principal: Principal
    ) -> Download:
        """Run `work(on_progress)` in the background, unless it is running."""
        download = Download(self.kind, principal.id, subject=model)
        return self._tasks.submit(download, lambda task: work(task.on_progress), once_for=principal)


class SelfChecks(SubjectTasks[Task]):
    """The self-checks of the installed models, one at a time; their steps are models. Measured
    speeds are common to all users until the next one."""

    def __init__(self, tasks: TaskQueue) -> None:
        kind = TaskKind(
            SELF_CHECK,
            Priority.BATCH,
            1.0,
            Task,
            max_running=1,
            canceled=_("It was stopped."),
            interrupted=_("It was stopped."),
            failed=_("Something went wrong here; the log says more."),
        )
        super().__init__(tasks, kind)
        self._outcomes: dict[str, Outcome] = {}

    def start(self, principal: Principal) -> Task:
        """Start a self-check, unless one is running. Its result is a list of `Outcome`."""
        check = Task(self.kind, principal.id, subject=SELF_CHECK)
        return self._tasks.submit(check, self._work, once_for=principal)

    def seconds(self, model: str) -> float | None:
        """Return a model's seconds per item from the last self-check; None before one."""
        outcome = self._outcomes.get(model)
        if outcome is None or outcome.milliseconds is None:
            return None
        return outcome.milliseconds / 1000

    def _work(self, task: Task) -> list[Outcome]:
        from detector.selfcheck import selfcheck  # brings torch

        outcomes = selfcheck(progress=lambda p: task.on_progress(p.number - 1, p.of))
        self._outcomes = {outcome.id: outcome for outcome in outcomes}
        return outcomes


class RobustnessQueue(SubjectTasks[Task]):
    """The robustness runs of a server: a part of a file is altered and analyzed again, one file at
    a time. A task's subject is the record, its steps are trials, `stage` the running one, its
    result a `Robustness`. The tab of an interrupted one offers it again."""

    def __init__(self, tasks: TaskQueue, jobs: Jobs, analyzer: Analyzer) -> None:
        kind = TaskKind(
            "robustness",
            Priority.INTERACTIVE,
            2.0,
            Task,
            max_running=1,
            refuse=bounded_line(MAX_WAITING),
            canceled=_("You stopped it."),
            interrupted=_("The server stopped before this was done."),
            failed=_("It stopped. Your file is not at fault."),
        )
        super().__init__(tasks, kind)
        self._jobs, self._analyzer = jobs, analyzer

    def start(self, job: Job, analysis: Analysis, principal: Principal) -> Task:
        """Queue a result's trials, or return the running ones. Raise QueueFull."""

        def work(task: Task) -> Robustness:
            outcome = try_out(
                job.path, analysis, self._analyzer, on_progress=task.on_progress, cancel=task.cancel
            )
            self._jobs.update(job, lambda a: decide(a.model_copy(update={"robustness": outcome})))
            return outcome

        task = Task(self.kind, principal.id, subject=job.key)
        return self._tasks.submit(task, work, once_for=principal)
