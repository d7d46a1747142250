"""Comparisons as background work: two files compared; and lookups: is what was just analyzed known
footage of its owner's?

Kept of a comparison: the finding (`service.records.comparisons`), by the contents of both files.
One whose server was killed is resumed once, then offered again by the page that shows it.

A lookup runs after an analysis with the lowest priority, and changes nothing of its verdict. Kept
of it: fingerprints of the file (`service.records.footage`), the best match
(`service.records.footage`), and what comes of holding the two against each other where the other
file is still there.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from detector import media
from detector.comparison import compare
from detector.schema.analysis import Media
from detector.schema.comparison import Comparison, RoleSource
from detector.sentences import _
from service.context import Principal
from service.records.comparisons import ComparisonStore
from service.records.footage import LookupStore
from service.records.model import State
from service.records.tables import KeptComparison
from service.tasks.jobs import Job
from service.tasks.queue import SubjectTasks, TaskQueue
from service.tasks.task import Priority, Task, TaskKind, bounded_line

MAX_WAITING = 20  # Pairs that may wait
STEPS = 100  # percents, in which progress is told
_SENTENCES = {
    State.CANCELED: _("You stopped it."),
    State.INTERRUPTED: _("The server stopped before this was done."),
}


@dataclass(frozen=True)
class ComparedFile:
    """One of the two."""

    path: Path
    name: str  # As its owner named it
    sha256: str
    about: Media | None = None  # What is known of it; it is read where nothing is

    def probed(self) -> Media:
        """Return what it is, under its owner's name for it."""
        about = self.about or media.probe(self.path, name=self.name)
        return about.model_copy(update={"name": self.name, "sha256": self.sha256})


@dataclass(frozen=True)
class ComparedPair:
    """What is compared. `on_found` is called in the worker once the finding is stored; `roles`: who
    says that `original` is the original."""

    copy: ComparedFile
    original: ComparedFile
    on_found: Callable[[KeptComparison], None] = lambda kept: None
    roles: RoleSource = "unknown"


class Comparisons(SubjectTasks[Task]):
    """The comparisons of a server. A task's subject is a `pair_subject`; what was kept has its id.
    `pair_of` gives the pair of a lost task by its parameters; None where it can't be compared any
    more."""

    def __init__(
        self,
        tasks: TaskQueue,
        store: ComparisonStore,
        pair_of: Callable[[Task], ComparedPair | None] = lambda task: None,
    ) -> None:
        self.store, self._pair_of = store, pair_of
        kind = TaskKind(
            "comparison",
            Priority.INTERACTIVE,
            1.0,
            Task,
            max_running=2,
            refuse=bounded_line(MAX_WAITING),
            on_interrupted=self._resume,
            sentences={**_SENTENCES, State.FAILED: _("It stopped. Your files are not at fault.")},
        )
        super().__init__(tasks, kind)

    def start(
        self, pair: ComparedPair, principal: Principal, params: dict[str, Any] | None = None
    ) -> Task:
        """Queue a pair, or return its active task; `pair_of` finds it by `params`. Raise
        QueueFull."""
        subject = pair_subject(principal, pair.copy.sha256, pair.original.sha256)
        task = Task(self.kind, principal.id, subject=subject, params=params)
        return self._tasks.submit(task, partial(self._work, pair), once_for=principal)

    def _resume(self, task: Task) -> None:
        if (pair := self._pair_of(task)) is not None:
            self._tasks.resume(task, partial(self._work, pair))

    def _work(self, pair: ComparedPair, task: Task) -> str:
        found = compared(pair.copy, pair.original, task, pair.roles)
        kept = self.store.save(task.owner, found, task.id)
        if kept.id == task.id:
            pair.on_found(kept)
        return task.id


def compared(
    copy: ComparedFile, original: ComparedFile, task: Task, roles: RoleSource, begun: int = 0
) -> Comparison:
    """Return a comparison, which is what a task does after its first `begun` steps; raise
    MediaError, UsageError or Canceled."""

    def on_progress(share: float) -> None:
        task.on_progress(begun + round((STEPS - begun) * share), STEPS)

    on_progress(0.0)
    return compare(
        copy.path,
        original.path,
        roles=roles,
        copy_media=copy.probed(),
        original_media=original.probed(),
        on_progress=on_progress,
        cancel=task.cancel,
    )


def pair_subject(principal: Principal, one: str, other: str) -> str:
    """Return an order-independent name of two files, by their sha256, and of whose they are: an
    administrator sees all tasks."""
    names = (principal.id, *sorted((one, other)))
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]


class Lookups(SubjectTasks[Task]):
    """The lookups of a server: `work` looks for the original of an analyzed file. A task's subject
    is the id of the analysis."""

    def __init__(
        self, tasks: TaskQueue, store: LookupStore, work: Callable[[Job, Task], None]
    ) -> None:
        self.store, self._work = store, work
        kind = TaskKind(
            "lookup",
            Priority.BATCH,
            1.0,
            Task,
            max_running=1,
            sentences={**_SENTENCES, State.FAILED: _("It stopped. Your file is not at fault.")},
            log_level=logging.WARNING,
        )
        super().__init__(tasks, kind)

    def start(self, job: Job) -> None:
        """Put a file in line."""
        task = Task(self.kind, job.record.owner, subject=job.key)
        self._tasks.submit(task, partial(self._work, job))
