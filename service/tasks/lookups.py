"""Lookups as background work: is what was just analyzed known footage of its owner's?

Runs after an analysis, behind everything that somebody waits for, and changes nothing of its
verdict. Kept: fingerprints of the file (`service.records.footage`), the best match
(`service.records.lookups`), and what comes of holding the two against each other where the other
file is still there.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from detector import media
from detector.comparison.fingerprint import fingerprint
from detector.schema.comparison import Comparison
from detector.sentences import _
from service.library.catalog import Library
from service.library.original import best_match, most_alike
from service.records.footage import ANALYSES
from service.records.lookups import FoundFootage, LookupStore, MissedLookup
from service.records.model import State
from service.records.store import RecordScope
from service.tasks.comparisons import ComparedFile, compared
from service.tasks.job import Job
from service.tasks.manager import TaskManager
from service.tasks.task import Priority, Task, TaskKind

STEPS = 100

KIND = TaskKind(
    "lookup",
    Priority.BATCH,
    1.0,
    Task,
    max_running=1,
    sentences={
        State.CANCELED: _("You stopped it."),
        State.INTERRUPTED: _("The server stopped before this was done."),
        State.FAILED: _("It stopped. Your file is not at fault."),
    },
    log_level=logging.WARNING,
)


@dataclass(frozen=True)
class LookedFor:
    """A file whose original is looked for."""

    scope: RecordScope
    job: Job
    file: ComparedFile


class Lookups:
    """The lookups of a server. A task's subject is the id of the analysis. `library` is a callable,
    as its import takes time; `media_of` gives the known footage itself, where that is still there;
    `on_compared` gets what came of holding the two against each other."""

    def __init__(
        self,
        tasks: TaskManager,
        store: LookupStore,
        library: Callable[[], Library],
        media_of: Callable[[LookedFor, FoundFootage], ComparedFile | None],
        on_compared: Callable[[LookedFor, Comparison], None],
    ) -> None:
        self.store = store
        self._tasks, self._library = tasks, library
        self._media_of, self._on_compared = media_of, on_compared
        tasks.register(KIND)

    def start(self, looked: LookedFor) -> Task:
        """Put a file in line."""
        task = Task(KIND, looked.scope.owner, subject=looked.job.key)
        self._tasks.submit(task, lambda task: self._work(looked, task))
        return task

    def _work(self, looked: LookedFor, task: Task) -> None:
        task.on_progress(0, STEPS)
        file, library, owner = looked.file, self._library(), looked.scope.owner
        about = file.about or media.probe(file.path, name=file.name)
        about = about.model_copy(update={"name": file.name, "sha256": file.sha256})
        prints = fingerprint(file.path, about, cancel=task.cancel)
        if not len(prints.times):
            return
        task.on_progress(10, STEPS)
        refused = self.store.refused(owner, file.sha256)
        searched = library.store.count(owner, without={file.sha256, *refused})
        matches = library.search(owner, prints, without=file.sha256)
        library.add_prints(owner, prints, about, ANALYSES)
        task.on_progress(20, STEPS)
        matches = [match for match in matches if match.footage.sha256 not in refused]
        found = best_match(matches)
        missed = MissedLookup(searched, *most_alike(matches))
        self.store.save(owner, file.sha256, found or missed)
        other = self._media_of(looked, found) if found is not None else None
        if found is None or other is None:
            return

        def on_share(share: float) -> None:  # the comparison is the last part of a lookup
            task.on_progress(20 + round(0.8 * STEPS * share), STEPS)

        comparison = compared(file, other, on_share, task.cancel)
        roles = "assumed" if found.source == ANALYSES else "stated"
        self._on_compared(looked, comparison.model_copy(update={"role_source": roles}))
