"""Downloads of weights: what waits for a network takes no core, so all may run at once.

Kept: nothing but what was fetched, which lies where weights belong. An interrupted one goes on
where it was, when somebody starts it again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from service.context import Principal
from service.error_reports import hint_of, message_of
from service.messages import _
from service.records.model import State
from service.tasks.manager import TaskManager
from service.tasks.task import INTERNAL, Priority, Task, TaskKind

OnProgress = Callable[[int, int], None]
"""Called with the bytes that are there and those of all files."""


class Download(Task):
    """The download of a model (`subject`); steps are bytes."""

    MIN_SECONDS = 2.0

    @property
    def error(self) -> str:
        """Why it ended without the file, for a person; empty while it runs and when it came."""
        if self.state is State.CANCELED:
            return _("Stopped. What was received is kept, and the next download goes on there.")
        if self.state is State.INTERRUPTED:
            return _(
                "The server stopped. What was received is kept, and the next download goes on "
                "there."
            )
        if self.fault is None:
            return ""
        if self.code == "no_connection":
            return _("No connection.")
        if self.fault.problem.code == INTERNAL:
            return _("Something went wrong here; the log says more.")
        return message_of(self.fault)

    @property
    def code(self) -> str:
        """Which error it was, where it was one that is known; else empty, also where a person
        stopped it."""
        code = self.fault.problem.code if self.fault is not None else ""
        return "" if code == INTERNAL else code

    @property
    def hint(self) -> str:
        """What to do about it; may be empty."""
        if self.code == "no_connection":
            return _("Try again when there is one.")
        return hint_of(self.fault) if self.fault is not None else ""


KIND = TaskKind("download", Priority.BATCH, 0.0, restore=Download, log_level=logging.WARNING)


class Downloads:
    """The downloads of a server, by the id of what comes."""

    def __init__(self, tasks: TaskManager) -> None:
        self._tasks = tasks
        self._starting = threading.Lock()
        tasks.register(KIND)

    def start(
        self, model: str, work: Callable[[OnProgress], object], principal: Principal
    ) -> Download:
        """Begin `work(on_progress)` in the background, unless it is under way."""
        with self._starting:
            known = self.find(model, principal)
            if known is not None and known.active:
                return known
            self.dismiss(model, principal)
            download = Download(KIND, principal.id, subject=model)
            self._tasks.submit(download, lambda task: work(task.on_progress))
            return download

    def find(self, model: str, principal: Principal) -> Download | None:
        """Return a download that runs or ended lately."""
        found = self._tasks.latest(KIND, model, principal)
        return found if isinstance(found, Download) else None

    def dismiss(self, model: str, principal: Principal) -> None:
        """Forget a download that has ended."""
        known = self.find(model, principal)
        if known is not None and not known.active:
            self._tasks.dismiss(known)
