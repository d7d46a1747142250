"""Background work: a bounded queue of analyses that pages watch and never wait for.

Workers know nothing of Streamlit: they write a `Job`, a fragment of the page polls it. Every job
belongs to the token of its upload, which is in the address of the page; so a reload, another tab or
a lost connection finds the running job again, and two people never see each other's.

A finished result is also on disk (`uploads`), so that it outlives its job here and the server.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import traceback
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from dashboard.speed import Speed
from dashboard.uploads import Upload, Uploads
from detector import __version__
from detector.errors import Canceled, InputError, UnmaskError
from detector.results import Analysis, Problem, Settings

if TYPE_CHECKING:
    from detector.pipeline import Observer, Progress

log = logging.getLogger(__name__)

WAITING = 20
"""jobs that may wait; beyond it a person is told to come back, rather than left in a long line."""
KEPT = 200
"""jobs remembered in memory (about 1 MB each at most); older results are read from disk."""


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


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    INTERRUPTED = "interrupted"
    """The server stopped before this was done; the file is still here."""


@dataclass(frozen=True)
class Fault:
    """Why a job failed.

    Attributes
    ----------
    problem : Problem
        For the person: what, and what to do.
    ours : bool
        The file is not at fault.
    reference : str
        Printed on the page and in the log, to find one from the other.
    details : str
        For a bug report. Holds no file name, path or setting of this computer.
    """

    problem: Problem
    ours: bool
    reference: str
    when: datetime
    details: str


class Job:
    """One analysis of one upload. Written by one worker, read by any page.

    Each attribute is replaced whole and never changed in place, so a reader needs no lock; `state`
    is written last.
    """

    def __init__(self, upload: Upload, settings: Settings) -> None:
        self.upload = upload
        self.settings = settings
        self.cancel = threading.Event()
        self.progress: Progress | None = None
        self.analysis: Analysis | None = None
        self.fault: Fault | None = None
        self.started: float | None = None
        """`time.monotonic()` when a worker took it."""
        self.state = State.QUEUED

    @property
    def key(self) -> str:
        """The token: names this job in addresses, widget keys and session state."""
        return self.upload.token

    @property
    def name(self) -> str:
        """As the person named the file. Escape it."""
        return self.upload.name

    @property
    def path(self) -> Path:
        """The media on disk."""
        return self.upload.path

    @property
    def active(self) -> bool:
        return self.state in (State.QUEUED, State.RUNNING)

    def elapsed(self) -> float:
        """Seconds since a worker took it; 0 before."""
        return time.monotonic() - self.started if self.started is not None else 0.0


class Busy(UnmaskError):
    """Too many files are waiting."""

    default_code = "busy"


class Jobs:
    """All analyses of this server.

    Parameters
    ----------
    analyzer : AnalyzerLike
        Shared by all workers.
    uploads : Uploads
    speed : Speed
        Learns how fast this computer is.
    workers : int
        Files analyzed at once. Each uses about two cores.
    waiting, kept : int
        Bounds of the line and of the memory.
    """

    def __init__(
        self,
        analyzer: AnalyzerLike,
        uploads: Uploads,
        speed: Speed,
        *,
        workers: int | None = None,
        waiting: int = WAITING,
        kept: int = KEPT,
    ) -> None:
        self.uploads = uploads
        self.speed = speed
        self.workers = workers or default_workers()
        self._analyzer = analyzer
        self._waiting, self._kept = waiting, kept
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="analysis")
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # oldest first
        self._futures: dict[Job, Future[None]] = {}

    def submit(
        self, source: BinaryIO, name: str, settings: Settings, *, size: int | None = None
    ) -> Job:
        """Keep a file and put its analysis in line.

        Raises
        ------
        Busy
            The line is full; nothing is kept.
        StorageError
            The disk is full; nothing is kept.
        """
        self._refuse_when_full()
        return self._enqueue(self.uploads.keep(source, name, settings, size=size), settings)

    def again(self, key: str, settings: Settings) -> Job | None:
        """Analyze a kept file once more, under the same address; None when it is gone."""
        upload = self.uploads.find(key)
        if upload is None:
            return None
        self._refuse_when_full()
        self.cancel(key)
        upload = Upload(upload.token, upload.name, upload.path, upload.created, settings)
        self.uploads.note(upload)
        return self._enqueue(upload, settings)

    def find(self, key: str) -> Job | None:
        """The job behind an address, from memory or from disk; None when it is not kept."""
        with self._lock:
            job = self._jobs.get(key)
        if job is not None:
            return job if job.active or job.path.exists() else None
        upload = self.uploads.find(key)
        if upload is None:
            return None
        job = Job(upload, upload.settings)
        job.analysis = self.uploads.result(key)
        job.state = State.DONE if job.analysis else State.INTERRUPTED
        return self._remember(job)

    def ahead(self, job: Job) -> int:
        """How many waiting files come before this one."""
        with self._lock:
            waiting = [j for j in self._jobs.values() if j.state is State.QUEUED]
        return waiting.index(job) if job in waiting else 0

    def busy(self) -> list[Job]:
        """Jobs that wait or run."""
        with self._lock:
            return [job for job in self._jobs.values() if job.active]

    def cancel(self, key: str) -> None:
        """Ask a job to stop. A waiting one stops at once, a running one within about a second."""
        with self._lock:
            job = self._jobs.get(key)
            future = self._futures.get(job) if job else None
        if job is None or not job.active:
            return
        job.cancel.set()
        if future is not None and future.cancel():
            job.state = State.CANCELED

    def forget(self, key: str) -> None:
        """Stop a job and delete its file and result."""
        self.cancel(key)
        with self._lock:
            self._jobs.pop(key, None)
        self.uploads.delete(key)

    def close(self) -> None:
        """Stop all work and wait for the workers."""
        for job in self.busy():
            self.cancel(job.key)
        self._pool.shutdown(wait=True, cancel_futures=True)

    # --- inside ----------------------------------------------------------------------------------

    def _refuse_when_full(self) -> None:
        with self._lock:
            waiting = sum(job.state is State.QUEUED for job in self._jobs.values())
        if waiting >= self._waiting:
            raise Busy(
                f"{waiting} files are waiting already.",
                hint="Try again in a few minutes; nothing was kept.",
            )

    def _enqueue(self, upload: Upload, settings: Settings) -> Job:
        job = Job(upload, settings)
        with self._lock:
            self._jobs.pop(job.key, None)
            self._jobs[job.key] = job
            self._futures[job] = self._pool.submit(self._work, job)
            self._trim()
        return job

    def _remember(self, job: Job) -> Job:
        with self._lock:
            job = self._jobs.setdefault(job.key, job)  # another page may have been quicker
            self._trim()
        return job

    def _trim(self) -> None:
        """Forget the oldest finished jobs beyond the bound. The lock is held."""
        over = len(self._jobs) - self._kept
        for key in [k for k, job in self._jobs.items() if not job.active][: max(0, over)]:
            del self._jobs[key]
        self._futures = {job: f for job, f in self._futures.items() if not f.done()}

    def _work(self, job: Job) -> None:
        """In a worker: never raises, always leaves a final state."""
        job.started = time.monotonic()
        job.state = State.RUNNING

        def observe(progress: Progress) -> None:
            job.progress = progress

        try:
            analysis = self._analyzer.analyze(
                job.path, job.settings, name=job.name, observe=observe, cancel=job.cancel
            )
            job.analysis = analysis
            self._save(job, analysis)
            self.speed.learn(analysis)
            job.state = State.DONE
        except Canceled:
            job.state = State.CANCELED
        except BaseException as error:
            job.fault = fault_of(error)
            if job.fault.ours:
                log.exception("analysis failed, reference %s", job.fault.reference)
            job.state = State.FAILED

    def _save(self, job: Job, analysis: Analysis) -> None:
        """Put a result on disk, unless the file was asked for again with other settings."""
        with self._lock:
            current = self._jobs.get(job.key) is job
        if current:
            try:
                self.uploads.save(job.key, analysis)
            except OSError as error:  # the result can still be read until the server stops
                log.warning("a result could not be saved: %s", error.strerror)


def fault_of(error: BaseException) -> Fault:
    """What to tell a person, and what to tell us."""
    ours = not isinstance(error, InputError)
    if isinstance(error, UnmaskError):
        problem = Problem(code=error.code, message=error.message, hint=error.hint)
    else:
        text = "The analysis stopped. Your file is not at fault."
        problem = Problem(code="internal", message=text)
    digits = secrets.token_hex(4).upper()
    reference, when = f"{digits[:4]}-{digits[4:]}", datetime.now(UTC)
    return Fault(problem, ours, reference, when, _details(error, problem, reference, when))


def _details(error: BaseException, problem: Problem, reference: str, when: datetime) -> str:
    """Type and place of an error. Its message stays out when it isn't ours: it may name files."""
    lines = [
        f"Reference {reference}, {when:%Y-%m-%d %H:%M} UTC, Unmask {__version__}",
        f"{type(error).__name__} ({problem.code})",
    ]
    lines += [
        f"  {Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.lineno} "
        f"in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return "\n".join(lines)


def default_workers() -> int:
    """`UNMASK_WORKERS`, else one for two cores and at most two: decoding and scoring of one file
    already run side by side, and more threads than cores slow each other down."""
    wanted = os.environ.get("UNMASK_WORKERS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return max(1, min(2, (os.cpu_count() or 2) // 2))
