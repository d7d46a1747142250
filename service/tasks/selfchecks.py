"""The self-check of the models that are here, one at a time.

Kept: its outcomes, in memory, until the next one: what they say of speed holds for everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.context import Principal
from service.error_reports import message_of
from service.messages import _
from service.records.model import State
from service.tasks.manager import TaskManager
from service.tasks.task import INTERNAL, Priority, Task, TaskKind

if TYPE_CHECKING:
    from detector.selfcheck import Outcome

SUBJECT = "self-check"


class SelfCheck(Task):
    """One check of all models; steps are models, its result a list of `Outcome`."""

    @property
    def error(self) -> str:
        """Why there is no outcome, for a person; empty while there may be one."""
        if self.state in (State.CANCELED, State.INTERRUPTED):
            return _("It was stopped.")
        if self.fault is None:
            return ""
        if self.fault.problem.code == INTERNAL:
            return _("Something went wrong here; the log says more.")
        return message_of(self.fault)


KIND = TaskKind(SUBJECT, Priority.BATCH, 1.0, max_running=1, restore=SelfCheck)


class SelfChecks:
    """The self-checks of a server."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks
        self._outcomes: dict[str, Outcome] = {}
        tasks.register(KIND)

    def start(self, principal: Principal) -> SelfCheck:
        """Begin, unless it is under way."""
        known = self.find(principal)
        if known is not None and known.active:
            return known
        check = SelfCheck(KIND, principal.id, subject=SUBJECT)
        self._tasks.submit(check, self._work)
        return check

    def find(self, principal: Principal) -> SelfCheck | None:
        """Return the newest, running or ended."""
        found = self._tasks.latest(KIND, SUBJECT, principal)
        return found if isinstance(found, SelfCheck) else None

    def seconds(self, model: str) -> float | None:
        """Return the seconds that a face or window takes a model, as the last self-check measured
        it here; None before one."""
        outcome = self._outcomes.get(model)
        if outcome is None or outcome.milliseconds is None:
            return None
        return outcome.milliseconds / 1000

    def _work(self, task: Task) -> list[Outcome]:
        from detector.selfcheck import selfcheck  # brings torch

        outcomes = selfcheck(progress=lambda p: task.on_progress(p.number - 1, p.of))
        self._outcomes = {outcome.id: outcome for outcome in outcomes}
        return outcomes
