"""Downloads of weights: what waits for a network takes no core, so all may run at once.

Kept: nothing but what was fetched, which lies where weights belong. An interrupted one goes on
where it was, when somebody starts it again.
"""

import logging
from collections.abc import Callable

from detector.sentences import _
from service.context import Principal
from service.records.model import State
from service.tasks.manager import TaskManager
from service.tasks.task import Priority, Task, TaskKind

OnProgress = Callable[[int, int], None]  # Bytes that are there, and of all files


class Download(Task):
    """The download of a model (`subject`); steps are bytes."""

    MIN_SECONDS = 2.0

    @property
    def error(self) -> str:
        return _("No connection.") if self.code == "no_connection" else super().error

    @property
    def hint(self) -> str:
        return _("Try again when there is one.") if self.code == "no_connection" else super().hint


KIND = TaskKind(
    "download",
    Priority.BATCH,
    0.0,
    Download,
    log_level=logging.WARNING,
    sentences={
        State.CANCELED: _(
            "Stopped. What was received is kept, and the next download goes on there."
        ),
        State.INTERRUPTED: _(
            "The server stopped. What was received is kept, and the next download goes on there."
        ),
        State.FAILED: _("Something went wrong here; the log says more."),
    },
)


class Downloads:
    """The downloads of a server, by the id of what comes."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks
        tasks.register(KIND)

    def start(
        self, model: str, work: Callable[[OnProgress], object], principal: Principal
    ) -> Download:
        """Begin `work(on_progress)` in the background, unless it is under way."""
        download = Download(KIND, principal.id, subject=model)
        return self._tasks.submit_once(download, lambda task: work(task.on_progress), principal)

    def find(self, model: str, principal: Principal) -> Download | None:
        """Return a download that runs or ended lately."""
        return self._tasks.latest(KIND, model, principal)

    def dismiss(self, model: str, principal: Principal) -> None:
        """Forget a download that has ended."""
        known = self.find(model, principal)
        if known is not None and not known.active:
            self._tasks.dismiss(known)
