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
from detector.comparison.fingerprint import fingerprint
from detector.schema.analysis import Media
from detector.schema.comparison import Comparison, RoleSource
from detector.sentences import _
from service.context import Principal
from service.library.catalog import Library, best_match, most_alike
from service.records.comparisons import ComparisonStore
from service.records.footage import ANALYSES, LookupStore
from service.records.model import FoundFootage, MissedLookup, State
from service.records.store import RecordScope
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
        found = _compared(pair.copy, pair.original, task, pair.roles)
        kept = self.store.save(task.owner, found, task.id)
        if kept.id == task.id:
            pair.on_found(kept)
        return task.id


def _compared(
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


@dataclass(frozen=True)
class LookedFor:
    """A file whose original is looked for."""

    scope: RecordScope
    job: Job
    file: ComparedFile


class Lookups(SubjectTasks[Task]):
    """The lookups of a server. A task's subject is the id of the analysis. `library` is a callable,
    as its import takes time; `media_of` gives the known footage itself, where that is still there;
    `on_compared` gets what came of holding the two against each other."""

    def __init__(
        self,
        tasks: TaskQueue,
        store: LookupStore,
        library: Callable[[], Library],
        media_of: Callable[[LookedFor, FoundFootage], ComparedFile | None],
        on_compared: Callable[[LookedFor, Comparison], None],
    ) -> None:
        self.store, self._library = store, library
        self._media_of, self._on_compared = media_of, on_compared
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

    def start(self, looked: LookedFor) -> None:
        """Put a file in line."""
        task = Task(self.kind, looked.scope.owner, subject=looked.job.key)
        self._tasks.submit(task, partial(self._work, looked))

    def _work(self, looked: LookedFor, task: Task) -> None:
        task.on_progress(0, STEPS)
        file, library, owner = looked.file, self._library(), looked.scope.owner
        about = file.probed()
        prints = fingerprint(file.path, about, cancel=task.cancel)
        if not len(prints.times):
            return
        task.on_progress(10, STEPS)
        refused = self.store.refused(owner, file.sha256)
        searched = library.store.count(owner, without={file.sha256, *refused})
        matches = library.search(owner, prints, without=file.sha256)
        library.add_prints(owner, prints, about, ANALYSES)
        matches = [match for match in matches if match.footage.sha256 not in refused]
        found = best_match(matches)
        missed = MissedLookup(searched, *most_alike(matches))
        self.store.save(owner, file.sha256, found or missed)
        other = self._media_of(looked, found) if found is not None else None
        if found is not None and other is not None:
            added = found.source != ANALYSES and not library.store.registered(owner, file.sha256)
            roles: RoleSource = "registered" if added else "unknown"
            self._on_compared(looked, _compared(file, other, task, roles, begun=20))
