"""The analyzer of a cluster: what `detector.pipeline.Analyzer` does, done by its workers."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from detector.cluster import connection, transfer
from detector.cluster.connection import ClusterOptions
from detector.cluster.pool import POLL_SECONDS, Member, WorkerPool
from detector.cluster.worker import CONTROL, Call, side_by_side
from detector.errors import Canceled, ClusterError, UnmaskError
from detector.media.files import open_file, sha256
from detector.pipeline import Observer, initial_results
from detector.schema.analysis import Analysis, Settings

MAX_TRIES = 3  # Workers that a file may be lost with: it may be what ends them
CANCEL_SECONDS = 5.0  # Longest wait for a worker to notice that nobody wants its answer


class ClusterAnalyzer:
    """Analyzes files on a cluster; its workers take `slots` calls at a time. One instance serves
    all threads. A context manager. Raise UsageError where Ray is not installed or the address is
    none, ClusterError where no cluster answers, or it has no room for a worker."""

    def __init__(self, options: ClusterOptions, *, device: str = "auto") -> None:
        self._joined = connection.join(options.address)
        self._ray = connection.load()
        try:
            options = self._with_room(options)
            gpus = options.gpus or 0.0
            arguments = (device, options.cpus, gpus, options.isolate)
            self._pool = WorkerPool(
                options.workers, arguments, options.cpus, gpus, lambda: self.id_of("", Settings())
            )
        except BaseException:
            self._leave()
            raise
        self.options = options
        self.slots = options.workers * side_by_side(options.cpus)

    def __enter__(self) -> ClusterAnalyzer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, and leave the cluster; one of this computer ends with that."""
        self._pool.close()
        self._leave()

    def warm_up(self) -> None:
        """Wait until a worker is ready. Raise ClusterError if none can be expected."""
        member, life = self._pool.take(threading.Event())
        self._pool.give_back(member, life, lost=False)

    def id_of(self, sha256: str, settings: Settings) -> str:
        """Return the `id` of this content's analysis; raise UsageError for an unknown model."""
        return initial_results.id_of(sha256, settings)

    def analyze(
        self,
        path: str | Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        """Analyze one file in a worker, with the parameters and errors of `Analyzer.analyze`;
        `observe` is called from this thread. Raise also ClusterError where the cluster can't do it,
        UnmaskError where the file took several workers with it (code "worker_lost")."""
        path, settings = Path(path).absolute(), settings or Settings()
        with open_file(path) as file:
            digest = sha256(file)
        id = self.id_of(digest, settings)
        call = Call(uuid.uuid4().hex, path, name or path.name, digest, id, settings)
        watch = _Watch(observe, cancel or threading.Event())
        pieces: list[Any] | None = None
        for _ in range(MAX_TRIES):
            try:
                if (analysis := self._tried(call, pieces, watch)) is not None:
                    return analysis
                pieces = transfer.put(path)
                if (analysis := self._tried(call, pieces, watch)) is not None:
                    return analysis
            except _WorkerLost:
                call = replace(call, key=uuid.uuid4().hex)
        raise UnmaskError(
            f"{MAX_TRIES} workers of the cluster were lost while they had this file.",
            code="worker_lost",
            hint="Often one needs more memory than its machine has left.",
        )

    def _tried(self, call: Call, pieces: list[Any] | None, watch: _Watch) -> Analysis | None:
        """Let a worker try; None where it can't see the file."""
        errors = self._ray.exceptions
        member, life = self._pool.take(watch.cancel)
        lost = False
        try:
            ref = member.actor.analyze.remote(call, pieces)
            try:
                self._await(ref, member, call.key, watch)
                analysis: Analysis | None = self._ray.get(ref)
            except BaseException:
                self._abandon(ref)
                raise
            return analysis
        except errors.TaskCancelledError:
            raise Canceled() from None
        except errors.RayTaskError as error:
            raise _cause(error) from None
        except errors.RayError as error:
            lost = True
            raise _WorkerLost from error
        finally:
            self._pool.give_back(member, life, lost=lost)

    def _await(self, ref: Any, member: Member, key: str, watch: _Watch) -> None:
        """Wait for an answer, and hand on how far it is. Raises Canceled."""
        asked: Any = None
        while not self._ray.wait([ref], timeout=POLL_SECONDS)[0]:
            if watch.cancel.is_set():
                raise Canceled()
            if watch.observe is None:
                continue
            if asked is None:
                progress = member.actor.progress.options(concurrency_group=CONTROL)
                asked = progress.remote(key)
            elif self._ray.wait([asked], timeout=0)[0]:
                watch.told(self._ray.get(asked))
                asked = None

    def _abandon(self, ref: Any) -> None:
        """Tell a worker that nobody wants its answer, and wait until it has noticed."""
        self._ray.cancel(ref)
        self._ray.wait([ref], timeout=CANCEL_SECONDS)

    def _with_room(self, options: ClusterOptions) -> ClusterOptions:
        """Fill in what was left to the cluster: how many workers it has room for, and GPUs."""
        there = self._ray.cluster_resources()
        gpus = options.gpus
        if gpus is None:
            gpus = 1.0 if there.get("GPU") else 0.0
        rooms = [there.get("CPU", 0.0) / options.cpus]
        if gpus:
            rooms.append(there.get("GPU", 0.0) / gpus)
        workers = options.workers or int(min(rooms))
        if not workers:
            raise ClusterError(
                f"The cluster has no room for a worker of {options.cpus:g} cores: "
                f"it has {there.get('CPU', 0):g}.",
                hint="UNMASK_RAY_WORKERS asks a cluster that scales for machines; "
                "UNMASK_RAY_CPUS asks for less.",
            )
        return replace(options, workers=workers, gpus=gpus)

    def _leave(self) -> None:
        if self._joined:
            self._ray.shutdown()


class _WorkerLost(Exception):
    """The process or the machine of a worker is gone."""


class _Watch:
    """Who waits for an answer: told how far it is, and may give it up."""

    def __init__(self, observe: Observer | None, cancel: threading.Event) -> None:
        self.observe, self.cancel = observe, cancel
        self._fraction = -1.0

    def told(self, progress: Any) -> None:
        """Hand a progress on, where it is one and goes forward: a second worker begins anew."""
        if progress is not None and progress.fraction > self._fraction and self.observe:
            self._fraction = progress.fraction
            self.observe(progress)


def _cause(error: Any) -> BaseException:
    """Return what was raised in a worker, as it was raised."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else error
