"""The self-check of the models that are here, one at a time; steps are models.

Kept: its outcomes, in memory, until the next one: what they say of speed holds for everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detector.sentences import _
from service.context import Principal
from service.records.model import State
from service.tasks.manager import TaskManager
from service.tasks.task import Priority, Task, TaskKind

if TYPE_CHECKING:
    from detector.selfcheck import Outcome

SUBJECT = "self-check"
KIND = TaskKind(
    SUBJECT,
    Priority.BATCH,
    1.0,
    Task,
    max_running=1,
    sentences={
        State.CANCELED: _("It was stopped."),
        State.INTERRUPTED: _("It was stopped."),
        State.FAILED: _("Something went wrong here; the log says more."),
    },
)


class SelfChecks:
    """The self-checks of a server."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks
        self._outcomes: dict[str, Outcome] = {}
        tasks.register(KIND)

    def start(self, principal: Principal) -> Task:
        """Begin, unless it is under way."""
        check = Task(KIND, principal.id, subject=SUBJECT)
        return self._tasks.submit_once(check, self._work, principal)

    def find(self, principal: Principal) -> Task | None:
        """Return the newest, running or ended; its result is a list of `Outcome`."""
        return self._tasks.latest(KIND, SUBJECT, principal)

    def seconds(self, model: str) -> float | None:
        """Return a model's seconds per item from the last self-check here; None before one."""
        outcome = self._outcomes.get(model)
        if outcome is None or outcome.milliseconds is None:
            return None
        return outcome.milliseconds / 1000

    def _work(self, task: Task) -> list[Outcome]:
        from detector.selfcheck import selfcheck  # brings torch

        outcomes = selfcheck(progress=lambda p: task.on_progress(p.number - 1, p.of))
        self._outcomes = {outcome.id: outcome for outcome in outcomes}
        return outcomes
