"""Analyses: tasks that pages watch and never wait for.

Every job is that of a record (`service.records`), whose id is in the address of the page; so a
reload, another tab, a lost connection or a new start of the server finds it again, and two people
never see each other's.

Kept: the record and the file (`uploads`). A record says QUEUED until its run has ended, and whose
run it is: when that server no longer lives, the analysis was interrupted and is offered again.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from detector.decision import decide
from detector.errors import InputError, MediaError, UnmaskError
from detector.schema.analysis import Analysis, Robustness, Settings
from service.error_reports import fault_of
from service.messages import _
from service.records import result_cache, thumbnails
from service.records.media_replicator import MediaReplicator
from service.records.model import ErrorReport, Record, State
from service.records.rules import new_id
from service.records.scope import RecordScope
from service.records.sql import SQLStore
from service.records.store import Store
from service.storage.uploads import Kept, Uploads
from service.tasks import analyses
from service.tasks.analyses import (
    MAX_WAITING,
    AnalysisRunner,
    AnalyzerLike,
    default_workers,
    keep_safely,
)
from service.tasks.errors import QueueFull
from service.tasks.job import Job
from service.tasks.manager import TaskManager
from service.tasks.throughput import ThroughputEstimator

if TYPE_CHECKING:
    pass

__all__ = [
    "AnalyzerLike",
    "ErrorReport",
    "Job",
    "Jobs",
    "QueueFull",
    "RecordScope",
    "State",
    "default_workers",
    "fault_of",
]

log = logging.getLogger(__name__)

MAX_KEPT = 200
"""Jobs remembered in memory (about 1 MB each at most); older results are read from the records."""


class Jobs:
    """All analyses of this server.

    Parameters
    ----------
    analyzer : AnalyzerLike
        Shared by all workers.
    uploads : Uploads
    store : SQLStore
        Where the records of people without an account are kept.
    tasks : TaskManager
        Runs them.
    speed : ThroughputEstimator
        Learns how fast this computer is.
    look : callable, optional
        Raises `MediaError` for a file that can't be read, as an analysis would at its beginning. It
        is called when a file arrives, whatever waits before it.
    workers : int
        Files analyzed at once.
    waiting, kept : int
        Bounds of the line and of the memory.
    """

    def __init__(  # noqa: PLR0913
        self,
        analyzer: AnalyzerLike,
        uploads: Uploads,
        store: SQLStore,
        tasks: TaskManager,
        speed: ThroughputEstimator,
        *,
        look: Callable[[Path], object] | None = None,
        workers: int | None = None,
        waiting: int = MAX_WAITING,
        kept: int = MAX_KEPT,
    ) -> None:
        self.uploads = uploads
        self.store = store
        self.speed = speed
        self.workers = workers or default_workers()
        self.kind = analyses.kind(self.workers, waiting, tasks.scheduler.cores)
        tasks.register(self.kind)
        self._tasks = tasks
        self._server = tasks.server
        self._copies = MediaReplicator()
        self._runner = AnalysisRunner(analyzer, speed, self._copies)
        self._kept = kept
        self._look = look
        self._arrivals = ThreadPoolExecutor(1, thread_name_prefix="arrival")
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # oldest first

    def submit(
        self,
        source: BinaryIO,
        name: str,
        settings: Settings,
        scope: RecordScope,
        *,
        size: int | None = None,
    ) -> Job:
        """Keep a file and put its analysis in line; or, where this person's records hold the answer
        to just this question (`records.cache`), give that at once.

        Raises
        ------
        QueueFull
            The line is full; nothing is kept.
        StorageError, RecordsError
            The disk is full, or the records can't be used; nothing is kept.
        """
        self._tasks.refuse_when_full(self.kind)
        kept = self.uploads.keep(source, name, size=size)
        try:
            key = result_cache.key(kept.sha256, settings)
            if given := self._given(key, kept, scope):
                return given
            record = self._record(kept, scope, name, settings, cache_key=key)
            scope.store.add(record)
        except BaseException:
            self.uploads.delete(kept.token)
            raise
        try:
            return self._enqueue(Job(self.kind, record, scope.store, self.uploads))
        except BaseException:  # others were faster, or the task could not be written down
            self.delete([record.id], scope)
            raise

    def import_result(
        self,
        analysis: Analysis,
        name: str,
        scope: RecordScope,
        *,
        media: BinaryIO | None = None,
        live: bool = False,
        thumbnail: bytes | None = None,
    ) -> Job:
        """Keep a result that was made elsewhere, such as that of a live session, with its media
        where there is one.

        Raises
        ------
        StorageError, RecordsError
            As in `submit`.
        """
        kept = self.uploads.keep(media, name) if media else Kept(new_id(), "", 0)
        record = self._record(kept, scope, name, analysis.settings, live=live)
        try:
            if media and thumbnail is None:
                thumbnail = thumbnails.of(self.uploads.path(kept.token), analysis)
            scope.store.add(record, analysis, thumbnail)
        except BaseException:
            self.uploads.delete(kept.token)
            raise
        job = self.find(kept.token, scope)
        assert job is not None
        return job

    def rerun(self, key: str, settings: Settings, scope: RecordScope) -> Job | None:
        """Analyze a kept file once more, under the same address; None when it is gone."""
        job = self.find(key, scope)
        if job is None or not job.has_media:
            return None
        self._tasks.refuse_when_full(self.kind)
        self.cancel(key)
        record = job.store.restart(
            job.record.owner,
            key,
            run=self._new_run(),
            settings=settings,
            cache_key=result_cache.key(job.record.sha256, settings),
            now=datetime.now(UTC),
        )
        return self._enqueue(Job(self.kind, record, job.store, self.uploads)) if record else None

    def find(self, key: str, scope: RecordScope) -> Job | None:
        """The job behind an address, for whoever asks (`Store.open`); None when there is none.

        The record decides: what was deleted elsewhere is gone here too.
        """
        with self._lock:
            job = self._jobs.get(key)
        ours = job is not None and job.record.owner == scope.owner
        if job is not None and ours and job.active and not self._elsewhere(job.record):
            return job
        try:
            record = scope.store.open(scope.owner, key)
        except InputError:
            if job is not None and ours:
                return job
            raise
        if record is None:
            return None
        if job is None or job.record.run != record.run or self._elsewhere(record):
            return self._restore(record, scope.store, job)
        job.record = record
        return job

    def ahead(self, job: Job) -> int:
        """How many waiting files come before this one."""
        return self._tasks.scheduler.ahead(job)

    def busy(self) -> list[Job]:
        """Jobs that wait or run."""
        with self._lock:
            return [
                job for job in self._jobs.values() if job.active and not self._elsewhere(job.record)
            ]

    def cancel(self, key: str) -> None:
        """Ask a job to stop. A waiting one stops at once, a running one within about a second."""
        with self._lock:
            job = self._jobs.get(key)
        if job is not None and job.active:
            self._tasks.cancel(job)

    def update(self, job: Job, tried: Robustness) -> None:
        """Add the outcome of robustness trials to a finished result."""
        with self._lock:
            job = self._jobs.get(job.key, job)  # what pages look at now
        if job.analysis is not None:
            analysis = decide(job.analysis.model_copy(update={"robustness": tried}))
            job.analysis = analysis
            keep_safely(lambda: job.store.update_result(job.record.owner, job.key, analysis))

    def delete(self, keys: Collection[str], scope: RecordScope) -> list[str]:
        """Stop jobs and delete them with files, pictures, results and links. Only the owner's own.

        Returns
        -------
        list of str
            The ids that were there.
        """
        ours = [key for key in keys if scope.store.get(scope.owner, key) is not None]
        self._drop(ours)  # before the rows: stopped in between, there is still a record to delete
        return scope.store.delete(scope.owner, ours)

    def transfer(self, source: RecordScope, target: RecordScope) -> int:
        """Give finished analyses another owner in another store, under the same addresses. What is
        at work or came to nothing stays, and links end.

        Each is kept there before it is deleted here: whoever is stopped in between has it twice,
        and moves the rest by asking again.

        Returns
        -------
        int
            How many.

        Raises
        ------
        InputError
            The other store takes no more; what was moved by then is there.
        """
        moved = 0
        for id in source.store.ids(source.owner):
            record = source.store.get(source.owner, id)
            analysis = source.store.analysis(source.owner, id)
            if record is None or analysis is None:
                continue
            record = record.model_copy(update={"owner": target.owner})
            if target.store.get(target.owner, id) is None:
                pictures = source.store.thumbnails(source.owner, [id])
                target.store.add(record, analysis, pictures.get(id))
            with self._lock:
                self._jobs.pop(id, None)
            source.store.delete(source.owner, [id])
            self._copies.keep(target.store, record, self.uploads.path(id))
            moved += 1
        return moved

    def sweep(self, media: timedelta, records: timedelta, *, now: datetime | None = None) -> None:
        """Delete what was kept long enough, but for what is at work: files, and the records of
        people without an account.

        Parameters
        ----------
        media, records : timedelta
            How long each is kept.
        """
        now = now or datetime.now(UTC)
        busy = {job.key for job in self.busy()}
        self._drop(self.store.sweep(now, records, spare=busy))
        self.uploads.sweep(media, spare=busy, now=now)

    def close(self) -> None:
        """Stop all work and wait for the workers; what they were at is offered again."""
        self._arrivals.shutdown(wait=True, cancel_futures=True)
        self._tasks.close()
        self._copies.close()

    # --- inside ----------------------------------------------------------------------------------

    def _new_run(self) -> str:
        return f"{self._server.id}:{secrets.token_hex(6)}"

    def _record(
        self,
        kept: Kept,
        scope: RecordScope,
        name: str,
        settings: Settings,
        *,
        live: bool = False,
        cache_key: str = "",
    ) -> Record:
        """A new one of what was kept, with its first run."""
        now = datetime.now(UTC)
        return Record(
            id=kept.token,
            owner=scope.owner,
            created=now,
            touched=now,
            name=name,
            sha256=kept.sha256,
            size=kept.size,
            source="live" if live else "upload",
            settings=settings,
            run=self._new_run(),
            cache_key=cache_key,
        )

    def _given(self, key: str, kept: Kept, scope: RecordScope) -> Job | None:
        """The earlier answer to the same question, with the new copy of the file where the earlier
        one is gone."""
        found = scope.store.find_cached(scope.owner, key) if key else None
        if found is None or scope.store.analysis(scope.owner, found.id) is None:
            return None
        if scope.store.record_cache_hit(scope.owner, found.id, datetime.now(UTC)) is None:
            return None
        self.uploads.hand_over(kept.token, found.id)
        return self.find(found.id, scope)

    def _enqueue(self, job: Job) -> Job:
        with self._lock:
            self._jobs.pop(job.key, None)
            self._jobs[job.key] = job
            self._trim()
        try:
            self._tasks.submit(job, self._runner.run, self._runner.end)
        except UnmaskError as error:
            job.fault = fault_of(error)
            self._runner.end(job, State.FAILED, job.fault)
            job.state = State.FAILED
            raise
        if self._look is not None:
            self._arrivals.submit(self._look_at, job)
        return job

    def _elsewhere(self, record: Record) -> bool:
        """Whether another process runs it, or ran it."""
        return not record.run.startswith(f"{self._server.id}:")

    def _restore(self, record: Record, store: Store, known: Job | None) -> Job:
        """A job from its record, as another process or an earlier one left it."""
        if known is not None and known.record == record and not known.active:
            return known
        job = Job(self.kind, record, store, self.uploads)
        if not job.has_media and record.size:
            self._copies.bring(store, record, job.path.parent)
        if record.state is State.DONE:
            job.analysis = store.analysis(record.owner, record.id)
            if job.analysis is None:
                job.fault = fault_of(
                    UnmaskError(
                        _("This result was written by another version of Unmask."),
                        code="other_version",
                        hint=_("Analyze the file again."),
                    )
                )
                job.state = State.FAILED
        elif record.state is State.QUEUED:
            lives = self._elsewhere(record) and self._server.alive(record.run.partition(":")[0])
            if lives and known is not None and known.record.run == record.run:
                return known
            job.state = State.RUNNING if lives else State.INTERRUPTED
        with self._lock:
            self._jobs[job.key] = job
            self._trim()
        return job

    def _trim(self) -> None:
        """Forget the oldest finished jobs beyond the bound. The lock is held."""
        over = len(self._jobs) - self._kept
        idle = [k for k, j in self._jobs.items() if not j.active or self._elsewhere(j.record)]
        for key in idle[: max(0, over)]:
            del self._jobs[key]

    def _drop(self, keys: Collection[str]) -> None:
        """Stop, forget and delete the files of these."""
        for key in keys:
            self._tasks.dismiss_subject(self.kind, key)
            with self._lock:
                self._jobs.pop(key, None)
            self.uploads.delete(key)

    def _look_at(self, job: Job) -> None:
        """Refuse a waiting file that can't be read. Where the reader itself failed, the file stays
        in line: that may be the moment's fault. A file that runs already says so itself."""
        assert self._look is not None
        try:
            self._look(job.path)
        except MediaError as error:
            if not error.code.startswith("reader_"):
                self._tasks.fail_waiting(job, error)
        except Exception:
            log.exception("a file could not be looked at when it arrived")
