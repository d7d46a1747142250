"""Comparisons as background work: a suspected copy held against its original.

Kept: the finding (`service.records.comparisons`), by the contents of both files. One whose server
was killed is resumed once, then offered again by the page that shows it.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from detector import media
from detector.comparison import compare
from detector.schema.analysis import Media
from detector.schema.comparison import Comparison
from detector.sentences import _
from service.context import Principal
from service.records.comparisons import ComparisonStore
from service.records.model import State
from service.tasks.manager import TaskManager
from service.tasks.task import Priority, Task, TaskKind, bounded_line

MAX_WAITING = 20  # Pairs that may wait
STEPS = 100  # percents, in which progress is told


KIND = TaskKind(
    "comparison",
    Priority.INTERACTIVE,
    1.0,
    Task,
    max_running=2,
    refuse=bounded_line(MAX_WAITING),
    sentences={
        State.CANCELED: _("You stopped it."),
        State.INTERRUPTED: _("The server stopped before this was done."),
        State.FAILED: _("It stopped. Your files are not at fault."),
    },
)


@dataclass(frozen=True)
class ComparedFile:
    """One of the two."""

    path: Path
    name: str  # As its owner named it
    sha256: str
    about: Media | None = None  # What is known of it; it is read where nothing is


@dataclass(frozen=True)
class ComparedPair:
    """What is compared. `on_found` is called in the worker once the finding is stored; `stated`: a
    person says which of the two is the original."""

    copy: ComparedFile
    original: ComparedFile
    on_found: Callable[[Comparison], None] = lambda found: None
    stated: bool = True


class Comparisons:
    """The comparisons of a server. The id of what was kept is that of the task. `pair_of` gives the
    pair of a lost task by its parameters; None where it can't be compared any more."""

    def __init__(
        self,
        tasks: TaskManager,
        store: ComparisonStore,
        pair_of: Callable[[Task], ComparedPair | None] = lambda task: None,
    ) -> None:
        self.store = store
        self._tasks, self._pair_of = tasks, pair_of
        self.kind = replace(KIND, on_interrupted=self._resume)
        tasks.register(self.kind)

    def start(
        self, pair: ComparedPair, principal: Principal, params: dict[str, Any] | None = None
    ) -> Task:
        """Queue a pair, or return its active task; `pair_of` finds it by `params`. Raise
        QueueFull."""
        subject = _subject(principal.id, pair.copy.sha256, pair.original.sha256)
        task = Task(self.kind, principal.id, subject=subject, params=params)
        return self._tasks.submit_once(task, partial(self._work, pair), principal)

    def find(self, copy: str, original: str, principal: Principal) -> Task | None:
        """Return the comparison of two files, by their sha256, that runs or ended lately."""
        return self._tasks.latest(self.kind, _subject(principal.id, copy, original), principal)

    def dismiss(self, copy: str, original: str, principal: Principal) -> None:
        """Forget how one ended, so that it may begin anew."""
        task = self.find(copy, original, principal)
        if task is not None and not task.active:
            self._tasks.dismiss(task)

    def _resume(self, task: Task) -> None:
        if (pair := self._pair_of(task)) is not None:
            self._tasks.resume(task, partial(self._work, pair))

    def _work(self, pair: ComparedPair, task: Task) -> str:
        def on_share(share: float) -> None:
            task.on_progress(round(STEPS * share), STEPS)

        on_share(0.0)
        found = compared(pair.copy, pair.original, on_share, task.cancel)
        if not pair.stated:
            found = found.model_copy(update={"role_source": "assumed"})
        if self.store.save(task.owner, found, task.id).id == task.id:
            pair.on_found(found)
        return task.id


def compared(
    copy: ComparedFile,
    original: ComparedFile,
    on_progress: Callable[[float], None],
    cancel: threading.Event,
) -> Comparison:
    """Return a comparison; raise MediaError, UsageError or Canceled."""
    abouts = [file.about or media.probe(file.path, name=file.name) for file in (copy, original)]
    named = [
        about.model_copy(update={"name": file.name, "sha256": file.sha256})
        for about, file in zip(abouts, (copy, original), strict=True)
    ]
    return compare(
        copy.path,
        original.path,
        copy_media=named[0],
        original_media=named[1],
        on_progress=on_progress,
        cancel=cancel,
    )


def _subject(owner: str, one: str, other: str) -> str:
    """Return an order-independent name of a pair and its owner; an admin sees all tasks."""
    return hashlib.sha256("\0".join((owner, *sorted((one, other)))).encode()).hexdigest()[:32]
