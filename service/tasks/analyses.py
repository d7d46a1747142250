"""Analyses as a kind of background work: what is run, its priority, its limits, what is kept.

Kept: the result, in the record that the run is of. A record says QUEUED until then.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from detector.errors import InputError, UnmaskError
from detector.schema.analysis import Analysis, Settings
from service.config import get_config
from service.messages import _, ngettext
from service.records import result_cache, thumbnails
from service.records.media_replicator import MediaReplicator
from service.records.model import ErrorReport, State
from service.tasks.errors import QueueFull
from service.tasks.job import Job
from service.tasks.task import Priority, Task, TaskKind
from service.tasks.throughput import ThroughputEstimator

if TYPE_CHECKING:
    from detector.pipeline import Observer, Progress

log = logging.getLogger(__name__)

MAX_WAITING = 20
"""Jobs that may wait; beyond it a person is told to come back, rather than left in a long line."""
CORES = 2.0
"""That one analysis keeps busy: decoding and scoring run side by side."""


class AnalyzerLike(Protocol):
    """What a worker needs of `detector.pipeline.Analyzer`."""

    def analyze(
        self,
        path: Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis: ...


def kind(workers: int, waiting: int, cores: float) -> TaskKind:
    """Return the kind of work that analyses are on a server.

    Parameters
    ----------
    workers : int
        Files analyzed at once. Who asks for more than there are cores gets them.
    waiting : int
        Files that may wait.
    cores : float
        The budget of the server.
    """
    return TaskKind(
        "analysis",
        Priority.INTERACTIVE,
        min(CORES, cores / workers),
        max_running=workers,
        refuse=partial(_refuse, waiting),
        kept=0,  # they are remembered with their records (`jobs`)
    )


class AnalysisRunner:
    """Runs analyses and writes what comes of them into their records.

    Parameters
    ----------
    analyzer : AnalyzerLike
        Shared by all workers.
    speed : ThroughputEstimator
        Learns how fast this computer is.
    copies : MediaReplicator
    """

    def __init__(
        self, analyzer: AnalyzerLike, speed: ThroughputEstimator, copies: MediaReplicator
    ) -> None:
        self._analyzer, self._speed, self._copies = analyzer, speed, copies

    def run(self, job: Task) -> None:
        """Analyze a file; in a worker."""
        assert isinstance(job, Job)

        def observe(progress: Progress) -> None:
            job.progress = progress

        analysis = self._analyzer.analyze(
            job.path, job.settings, name=job.name, observe=observe, cancel=job.cancel
        )
        job.analysis = analysis
        _save(job, analysis)
        self._speed.learn(analysis)
        self._copies.keep(job.store, job.record, job.path)

    def end(self, job: Task, state: State, fault: ErrorReport | None) -> None:
        """Write the end of a run without a result into its record."""
        assert isinstance(job, Job)
        record = job.record
        if state is not State.DONE:
            keep_safely(lambda: job.store.stop(record.owner, record.id, record.run, state, fault))


def _save(job: Job, analysis: Analysis) -> None:
    """Put a result into the record, unless it was deleted meanwhile or asked for again with other
    settings."""
    record = job.record
    key = result_cache.key(record.sha256, job.settings) if result_cache.reusable(analysis) else ""
    thumbnail = thumbnails.of(job.path, analysis)
    keep_safely(
        lambda: job.store.finish(
            record.owner,
            record.id,
            record.run,
            analysis,
            thumbnail=thumbnail,
            # Own thresholds or a model may have changed while this waited.
            cache_key=key if key == record.cache_key else "",
        )
    )


def keep_safely(write: Callable[[], object]) -> None:
    """Write; a store that refuses costs nothing but that: the outcome can still be read until the
    server stops."""
    try:
        write()
    except InputError as error:
        log.warning("an outcome could not be kept: %s", error.message)


def _refuse(most: int, waiting: int, running: int) -> UnmaskError | None:
    if waiting < most:
        return None
    return QueueFull(
        ngettext(
            "{number} file is waiting already.",
            "{number} files are waiting already.",
            waiting,
        ).format(number=waiting),
        hint=_("Try again in a few minutes; nothing was kept."),
    )


def default_workers() -> int:
    """`UNMASK_WORKERS`, else one for two cores and at most two: decoding and scoring of one file
    already run side by side, and more threads than cores slow each other down."""
    return get_config().workers or max(1, min(2, (os.cpu_count() or 2) // 2))
