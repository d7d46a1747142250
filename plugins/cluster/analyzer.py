"""Analyzer of a cluster, and the pool of its workers."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cluster import connection
from cluster.connection import ClusterOptions
from cluster.worker import CONTROL, Call, ClusterWorker, put_pieces, side_by_side, unlike
from detector.errors import Canceled, ClusterError, UnmaskError
from detector.media.files import open_file, sha256
from detector.pipeline import Observer
from detector.pipeline.initial_results import id_of
from detector.schema.analysis import Analysis, Settings
from detector.sentences import _
from detector.threads import Supervised

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
NO_WORKER_SECONDS = 600.0
"""timeout while no worker is ready: a new machine of a cloud takes some minutes"""


@dataclass(eq=False)
class Member:
    """State of a worker in this process; its `actor` stays the same when Ray restarts it."""

    actor: Any
    ready: bool = False
    free: int = 0  # slots
    life: int = 0  # number of restarts: calls of an earlier life are over


class WorkerPool:
    """Pool of workers created with `arguments`, each with `cpus` and `gpus`. Thread-safe.
    `expected` returns the value that `ClusterWorker.warm_up` must return.

    A call goes to the ready worker with most free slots. Ray restarts lost workers, but its retry
    of a call waits for the same worker, forever if its machine does not return: so a call whose
    worker was lost goes to another."""

    def __init__(
        self,
        count: int,
        arguments: Sequence[Any],
        cpus: float,
        gpus: float,
        expected: Callable[[], str],
    ) -> None:
        import ray

        self._ray, self._expected = ray, expected
        self._each = side_by_side(cpus)
        self._changed = threading.Condition()
        self._error: ClusterError | None = None
        self._closed = False
        self._none_since = time.monotonic()
        kind = ray.remote(concurrency_groups={CONTROL: 1})(ClusterWorker).options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_concurrency=self._each,
            max_restarts=-1,
            max_task_retries=0,
        )
        self._members = [Member(kind.remote(*arguments)) for _ in range(count)]
        self._waking = {self._wake(member): member for member in self._members}
        self._watcher = Supervised("cluster", self._watch, owner=self, stop=self._end).start()

    def take(self, cancel: threading.Event) -> tuple[Member, int]:
        """Wait for a free slot; return its worker and the worker's life. Raise Canceled or
        ClusterError."""
        with self._changed:
            while True:
                if cancel.is_set():
                    raise Canceled()
                if self._error is not None:
                    raise self._error
                best = max(self._members, key=lambda member: member.free, default=None)
                if best is not None and best.free:
                    best.free -= 1
                    return best, best.life
                waited = time.monotonic() - self._none_since
                if not self._any_ready() and waited > NO_WORKER_SECONDS:
                    text = _("No worker of the cluster was ready for {no_worker_seconds} minutes.")
                    hint = _("Has a machine of it room for one (UNMASK_RAY_CPUS, UNMASK_RAY_GPUS)?")
                    raise ClusterError(
                        text.format(no_worker_seconds=f"{NO_WORKER_SECONDS / 60:.0f}"), hint=hint
                    )
                self._changed.wait(POLL_SECONDS)

    def give_back(self, member: Member, life: int, *, lost: bool) -> None:
        """Release a slot; `lost`: whether its worker was lost."""
        with self._changed:
            if member.life != life:
                return  # the worker was restarted
            if lost:
                member.ready, member.free, member.life = False, 0, life + 1
                if not self._any_ready():
                    self._none_since = time.monotonic()
                self._waking[self._wake(member)] = member
            else:
                member.free += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the workers and refuse waiting calls."""
        self._watcher.close(CANCEL_SECONDS)
        with suppress(self._ray.exceptions.RayError):  # the cluster may be gone
            for member in self._members:
                self._ray.kill(member.actor)

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._error = ClusterError(_("The cluster is no longer used here."))
            self._changed.notify_all()

    def _any_ready(self) -> bool:
        return any(member.ready for member in self._members)

    def _wake(self, member: Member) -> Any:
        return member.actor.warm_up.options(max_task_retries=-1).remote()

    def _watch(self) -> None:
        try:
            while not self._closed:
                with self._changed:
                    waking = list(self._waking)
                if not waking:
                    time.sleep(POLL_SECONDS)
                    continue
                for ref in self._ray.wait(waking, timeout=POLL_SECONDS)[0]:
                    self._ready(ref)
        except Exception as error:  # Ray itself has ended
            log.exception("the cluster can't be asked any more")
            text = _("The connection to the cluster was lost: {error}.")
            self._fail(ClusterError(text.format(error=error)))

    def _ready(self, ref: Any) -> None:
        with self._changed:
            member = self._waking.pop(ref)
        problem: ClusterError | None = None
        try:
            if self._ray.get(ref) != self._expected():
                problem = unlike()
        except self._ray.exceptions.RayError as error:
            why = str(getattr(error, "cause", None) or error).strip().splitlines()
            text = _("A worker can't be started: {error}.")
            problem = ClusterError(text.format(error=repr(why[-1] if why else error)))
        with self._changed:
            if problem is None:
                member.ready, member.free = True, self._each
                self._changed.notify_all()
                return
            log.error("%s", problem.advice)
            self._members.remove(member)
        if not self._members:
            self._fail(problem)

    def _fail(self, error: ClusterError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()


MAX_TRIES = 3  # Workers that may be lost with a file, which may be the cause
CANCEL_SECONDS = 5.0  # timeout for a worker to notice a cancellation


class ClusterAnalyzer:
    """Analyzes files on a cluster, `slots` at a time. Thread-safe; a context manager. Raise
    UsageError if Ray is not installed or the address is invalid, ClusterError if no cluster answers
    or it has no room for a worker."""

    def __init__(self, options: ClusterOptions, *, device: str = "auto") -> None:
        self._joined = connection.join(options.address)
        self._ray = connection.load()
        try:
            options = self._with_room(options)
            gpus = options.gpus or 0.0
            arguments = (device, options.cpus, gpus, options.isolate)
            self._pool = WorkerPool(
                options.workers, arguments, options.cpus, gpus, lambda: id_of("", Settings())
            )
        except BaseException:
            self._leave()
            raise
        self.options = options
        self.slots = options.workers * side_by_side(options.cpus)

    @staticmethod
    def join(address: str) -> None:
        connection.join(address)

    @classmethod
    def open(cls, address: str, *, isolate: bool, device: str) -> ClusterAnalyzer:
        return cls(ClusterOptions.configured(address, isolate=isolate), device=device)

    def __enter__(self) -> ClusterAnalyzer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and leave the cluster, which ends a local one."""
        self._pool.close()
        self._leave()

    def warm_up(self, *, voices: bool | None = None) -> None:
        """Wait until a worker is ready; raise ClusterError if none can be."""
        member, life = self._pool.take(threading.Event())
        self._pool.give_back(member, life, lost=False)

    def analyze(
        self,
        path: str | Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        """Analyze one file in a worker, with the parameters and errors of `Analyzer.analyze`. Also
        raise ClusterError if the cluster fails, and UnmaskError (code "worker_lost") if several
        workers were lost with the file."""
        path, settings = Path(path).absolute(), settings or Settings()
        with open_file(path) as file:
            digest = sha256(file)
        id = id_of(digest, settings)
        call = Call(uuid.uuid4().hex, path, name or path.name, digest, id, settings)
        watch = _Watch(observe, cancel or threading.Event())
        pieces: list[Any] | None = None
        for _attempt in range(MAX_TRIES):
            try:
                if (analysis := self._tried(call, pieces, watch)) is not None:
                    return analysis
                pieces = put_pieces(path)
                if (analysis := self._tried(call, pieces, watch)) is not None:
                    return analysis
            except _WorkerLost:
                call = replace(call, key=uuid.uuid4().hex)
        text = _("{max_tries} workers of the cluster were lost while they had this file.")
        hint = _("Often one needs more memory than its machine has left.")
        raise UnmaskError(text.format(max_tries=MAX_TRIES), code="worker_lost", hint=hint)

    def _tried(self, call: Call, pieces: list[Any] | None, watch: _Watch) -> Analysis | None:
        """Analyze in one worker; None if it has no access to the file."""
        errors = self._ray.exceptions
        member, life = self._pool.take(watch.cancel)
        lost = False
        try:
            ref = member.actor.analyze.remote(call, pieces)
            try:
                self._await(ref, member, call.key, watch)
                analysis: Analysis | None = self._ray.get(ref)
            except BaseException:  # wait until the worker has noticed the cancellation
                self._ray.cancel(ref)
                self._ray.wait([ref], timeout=CANCEL_SECONDS)
                raise
            return analysis
        except errors.TaskCancelledError:
            raise Canceled() from None
        except errors.RayTaskError as error:
            cause = getattr(error, "cause", None)  # as it was raised in the worker
            raise cause if isinstance(cause, BaseException) else error from None
        except errors.RayError as error:
            lost = True
            raise _WorkerLost from error
        finally:
            self._pool.give_back(member, life, lost=lost)

    def _await(self, ref: Any, member: Member, key: str, watch: _Watch) -> None:
        """Wait for an answer and report the progress; raise Canceled."""
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

    def _with_room(self, options: ClusterOptions) -> ClusterOptions:
        """Fill in the number of workers and GPUs that the cluster has room for."""
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
                _("The cluster has no room for a worker of {cpus} cores: it has {cpu}.").format(
                    cpus=f"{options.cpus:g}", cpu=f"{there.get('CPU', 0):g}"
                ),
                hint=_(
                    "UNMASK_RAY_WORKERS asks a cluster that scales for machines; "
                    "UNMASK_RAY_CPUS asks for less."
                ),
            )
        return replace(options, workers=workers, gpus=gpus)

    def _leave(self) -> None:
        if self._joined:
            self._ray.shutdown()


class _WorkerLost(Exception):
    """Raised when the process or the machine of a worker is lost."""


class _Watch:
    def __init__(self, observe: Observer | None, cancel: threading.Event) -> None:
        self.observe, self.cancel = observe, cancel
        self._fraction = -1.0

    def told(self, progress: Any) -> None:
        """Report a progress if it is larger than before: a second worker starts again at 0."""
        if progress is not None and progress.fraction > self._fraction and self.observe:
            self._fraction = progress.fraction
            self.observe(progress)
