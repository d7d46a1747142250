"""Analyses as a kind of background work: what is run, its priority, its limits, what is kept.

Kept: the result, in the record that the run is of. A record says QUEUED until then.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from detector.cluster import ClusterAnalyzer
from detector.errors import InputError, UnmaskError
from detector.pipeline import Progress
from detector.schema.analysis import Analysis
from detector.sentences import _, ngettext
from service import metrics
from service.analyzer import SharedAnalyzer
from service.config import get_config
from service.records import result_cache, thumbnails
from service.records.media_replicator import MediaReplicator
from service.records.model import ErrorReport, State
from service.tasks.job import Job
from service.tasks.task import Priority, QueueFull, Task, TaskKind
from service.tasks.throughput import ThroughputEstimator

log = logging.getLogger(__name__)

MAX_WAITING = 20  # Jobs that may wait; beyond it a person is told to come back
MAX_IN_MEMORY = 32  # Jobs of 0.2 to 10 MB each; older results are read from the records
CORES = 2.0  # That one analysis keeps busy: decoding and scoring run side by side


AnyAnalyzer = SharedAnalyzer | ClusterAnalyzer


@dataclass(frozen=True)
class QueueLimits:
    """The bounds of a server's analyses."""

    workers: int | None = None  # Files analyzed at once. May exceed the number of cores.
    waiting: int = MAX_WAITING
    in_memory: int = MAX_IN_MEMORY
    cores: float = CORES  # Of this computer, that one keeps busy

    @classmethod
    def on(cls, cluster: ClusterAnalyzer | None) -> QueueLimits:
        """Return those of a server whose analyses run on a cluster, or here."""
        return cls(workers=cluster.slots, cores=0.0) if cluster is not None else cls()


DEFAULT_LIMITS = QueueLimits()


def kind(
    limits: QueueLimits, cores: float, on_interrupted: Callable[[Task], None] = lambda task: None
) -> TaskKind[Task]:
    """Return the kind of work that analyses are on a server with a budget of `cores`."""
    workers = limits.workers or default_workers()

    def refuse(waiting: int, running: int) -> UnmaskError | None:
        if waiting < limits.waiting:
            return None
        text = ngettext(
            "{number} file is waiting already.", "{number} files are waiting already.", waiting
        )
        return QueueFull(
            text.format(number=waiting), hint=_("Try again in a few minutes; nothing was kept.")
        )

    return TaskKind(
        "analysis",
        Priority.INTERACTIVE,
        min(limits.cores, cores / workers),
        Task,
        max_running=workers,
        refuse=refuse,
        on_interrupted=on_interrupted,
        max_in_memory=0,  # they are remembered with their records (`jobs`)
    )


class AnalysisRunner:
    """Runs analyses with a shared analyzer; `speed` learns how fast this computer is."""

    def __init__(
        self, analyzer: AnyAnalyzer, speed: ThroughputEstimator, copies: MediaReplicator
    ) -> None:
        self._analyzer, self._speed, self._copies = analyzer, speed, copies
        self.on_done: Callable[[Job], None] = lambda job: None
        """Called with each that has a result, when that is written."""

    def run(self, job: Job) -> None:
        """Analyze a file; in a worker."""
        picture = thumbnails.EarlyThumbnail(job.path)

        def observe(progress: Progress) -> None:
            job.progress = progress
            picture.look(progress)
            job.checkpoint()

        analysis = self._analyzer.analyze(
            job.path, job.settings, name=job.name, observe=observe, cancel=job.cancel
        )
        analysis = analysis.taken_from(job.uploads.source(job.key))
        analysis = job.store.seals.seal(job.record, analysis)
        job.analysis = analysis
        _save(job, analysis, picture)
        self._speed.learn(analysis)
        self._copies.keep(job.store, job.record, job.path)

    def end(self, job: Job, state: State, fault: ErrorReport | None) -> None:
        """Write the end of a run without a result into its record."""
        metrics.count_end(state, fault, job.analysis)
        if job.progress is not None:  # what it knew on the way is as large as the result
            job.progress = replace(job.progress, partial=None)
        record = job.record
        if state is not State.DONE:
            save_safely(lambda: job.store.stop(record.owner, record.id, record.run, state, fault))
        else:
            self.on_done(job)


def _save(job: Job, analysis: Analysis, picture: thumbnails.EarlyThumbnail) -> None:
    """Store a result, unless the record was deleted or requested with other settings meanwhile."""
    record = job.record
    key = result_cache.key(record.sha256, job.settings) if result_cache.reusable(analysis) else ""
    thumbnail = picture.of(analysis)
    # Own thresholds or a model may have changed while this waited.
    key = key if key == record.cache_key else ""
    save_safely(
        lambda: job.store.finish(
            record.owner, record.id, record.run, analysis, thumbnail=thumbnail, cache_key=key
        )
    )


def save_safely(write: Callable[[], object]) -> None:
    """Write; on failure the result stays readable until the server stops."""
    try:
        write()
    except InputError as error:
        log.warning("an outcome could not be kept: %s", error.message)


def default_workers() -> int:
    """Return `UNMASK_WORKERS`, else one for two cores and at most two: decoding and scoring of one
    file already run side by side, and more threads than cores slow each other down."""
    return get_config().workers or max(1, min(2, (os.cpu_count() or 2) // 2))
