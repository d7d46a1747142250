"""Robustness runs: a part of a file is changed and analyzed again, one file at a time.

Kept: the outcome, with the result it is about. An interrupted one is offered again by the tab that
shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, Robustness
from service.context import Principal
from service.error_reports import message_of
from service.messages import _
from service.records.model import State
from service.tasks.errors import QueueFull
from service.tasks.manager import TaskManager
from service.tasks.task import INTERNAL, Priority, Task, TaskKind

if TYPE_CHECKING:
    from detector.pipeline import Analyzer

MAX_WAITING = 5
"""Files that may wait."""

OnTrial = Callable[[int, int, str], None]
Perturb = Callable[[Path, Analysis, OnTrial, Event], Robustness]
"""Runs the trials of a file (`perturb_with`)."""
Keep = Callable[[Robustness], None]
"""Adds the outcome to the result; called in the worker."""


class RobustnessTask(Task):
    """The trials of one file (`subject`: its record); steps are trials, `stage` the one that runs,
    its result a `Robustness`."""

    @property
    def error(self) -> str:
        """Why there is no outcome, for a person; empty while there may be one."""
        if self.state is State.CANCELED:
            return _("You stopped it.")
        if self.state is State.INTERRUPTED:
            return _("The server stopped before this was done.")
        if self.fault is None:
            return ""
        if self.fault.problem.code == INTERNAL:
            return _("It stopped. Your file is not at fault.")
        return message_of(self.fault)


def _refuse(waiting: int, running: int) -> UnmaskError | None:
    if waiting < MAX_WAITING:
        return None
    return QueueFull(_("Too many files are waiting. Try again in a few minutes."))


KIND = TaskKind(
    "robustness", Priority.INTERACTIVE, 2.0, max_running=1, refuse=_refuse, restore=RobustnessTask
)


def perturb_with(analyzer: Callable[[], Analyzer]) -> Perturb:
    """Return what runs the trials of a file with an analyzer, which is asked for in the worker."""

    def perturb(path: Path, analysis: Analysis, tell: OnTrial, cancel: Event) -> Robustness:
        from detector.perturbation.robustness import try_out  # brings torch

        return try_out(path, analysis, analyzer(), observe=tell, cancel=cancel)

    return perturb


class RobustnessQueue:
    """The robustness runs of a server.

    Parameters
    ----------
    tasks : TaskManager
    perturb : callable
    """

    def __init__(self, tasks: TaskManager, perturb: Perturb) -> None:
        self._tasks, self._perturb = tasks, perturb
        tasks.register(KIND)

    def start(
        self, key: str, path: Path, analysis: Analysis, principal: Principal, keep: Keep
    ) -> RobustnessTask:
        """Put a file's trials in line; the running ones where there are any.

        Raises
        ------
        QueueFull
            Too many files are waiting.
        """
        known = self.find(key, principal)
        if known is not None and known.active:
            return known
        task = RobustnessTask(KIND, principal.id, subject=key)
        self._tasks.submit(task, partial(self._work, path, analysis, keep))
        return task

    def find(self, key: str, principal: Principal) -> RobustnessTask | None:
        """Return the trials of a file, running or ended."""
        found = self._tasks.latest(KIND, key, principal)
        return found if isinstance(found, RobustnessTask) else None

    def _work(self, path: Path, analysis: Analysis, keep: Keep, task: Task) -> Robustness:
        found = self._perturb(path, analysis, task.on_progress, task.cancel)
        keep(found)
        return found
