"""Background work: a bounded queue of analyses that pages watch and never wait for.

Workers know nothing of Streamlit: they write a `Job`, a fragment of the page polls it. Every job is
that of a record (`service.records`), whose id is in the address of the page; so a reload, another
tab, a lost connection or a new start of the server finds it again, and two people never see each
other's.

What outlives the process is the record and the file (`uploads`). A record says QUEUED until its run
has ended, and whose run it is: when that server no longer lives, the analysis was interrupted.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from detector.decision import decide
from detector.errors import Canceled, InputError, MediaError, UnmaskError
from detector.schema.analysis import Analysis, Robustness, Settings
from service.config import get_config
from service.error_reports import fault_of
from service.messages import _, ngettext
from service.records import result_cache, thumbnails
from service.records.instances import Server
from service.records.media_replicator import MediaReplicator
from service.records.model import LOCAL, ErrorReport, Record, State
from service.records.rules import new_id
from service.records.scope import RecordScope
from service.records.sql import SQLStore
from service.records.store import Store
from service.storage.uploads import Kept, Uploads
from service.tasks.job import Job
from service.tasks.throughput import ThroughputEstimator

if TYPE_CHECKING:
    from detector.pipeline import Observer, Progress

__all__ = [
    "AnalyzerLike",
    "ErrorReport",
    "Job",
    "Jobs",
    "QueueFull",
    "RecordScope",
    "State",
    "fault_of",
]

log = logging.getLogger(__name__)

WAITING = 20
"""jobs that may wait; beyond it a person is told to come back, rather than left in a long line."""
KEPT = 200
"""jobs remembered in memory (about 1 MB each at most); older results are read from the records."""


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


class QueueFull(UnmaskError):
    """Too many files are waiting."""

    default_code = "busy"


class Jobs:
    """All analyses of this server.

    Parameters
    ----------
    analyzer : AnalyzerLike
        Shared by all workers.
    uploads : Uploads
    store : SQLStore
        Where the records of people without an account are kept.
    server : Server
    speed : Speed
        Learns how fast this computer is.
    look : callable, optional
        Raises `MediaError` for a file that can't be read, as an analysis would at its beginning. It
        is called when a file arrives, whatever waits before it.
    workers : int
        Files analyzed at once. Each uses about two cores.
    waiting, kept : int
        Bounds of the line and of the memory.
    """

    def __init__(  # noqa: PLR0913
        self,
        analyzer: AnalyzerLike,
        uploads: Uploads,
        store: SQLStore,
        server: Server,
        speed: ThroughputEstimator,
        *,
        look: Callable[[Path], object] | None = None,
        workers: int | None = None,
        waiting: int = WAITING,
        kept: int = KEPT,
    ) -> None:
        self.uploads = uploads
        self.store = store
        self.speed = speed
        self.workers = workers or default_workers()
        self._analyzer = analyzer
        self._server = server
        self._copies = MediaReplicator()
        self._waiting, self._kept = waiting, kept
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="analysis")
        self._look = look
        self._arrivals = ThreadPoolExecutor(1, thread_name_prefix="arrival")
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()  # oldest first
        self._futures: dict[Job, Future[None]] = {}

    def submit(
        self,
        source: BinaryIO,
        name: str,
        settings: Settings,
        *,
        size: int | None = None,
        place: RecordScope | None = None,
    ) -> Job:
        """Keep a file and put its analysis in line; or, where this person's records hold the answer
        to just this question (`records.cache`), give that at once.

        Raises
        ------
        Busy
            The line is full; nothing is kept.
        StorageError, RecordsError
            The disk is full, or the records can't be used; nothing is kept.
        """
        self._refuse_when_full()
        place = place or self._local()
        kept = self.uploads.keep(source, name, size=size)
        try:
            key = result_cache.key(kept.sha256, settings)
            if given := self._given(key, kept, place):
                return given
            record = self._record(kept, place, name, settings, cache_key=key)
            place.store.add(record)
        except BaseException:
            self.uploads.delete(kept.token)
            raise
        return self._enqueue(Job(record, place.store, self.uploads))

    def adopt(
        self,
        analysis: Analysis,
        name: str,
        *,
        media: BinaryIO | None = None,
        live: bool = False,
        thumbnail: bytes | None = None,
        place: RecordScope | None = None,
    ) -> Job:
        """Keep a result that was made elsewhere, such as that of a live session, with its media
        where there is one.

        Raises
        ------
        StorageError, RecordsError
            As in `submit`.
        """
        place = place or self._local()
        kept = self.uploads.keep(media, name) if media else Kept(new_id(), "", 0)
        record = self._record(kept, place, name, analysis.settings, live=live)
        try:
            if media and thumbnail is None:
                thumbnail = thumbnails.of(self.uploads.path(kept.token), analysis)
            place.store.add(record, analysis, thumbnail)
        except BaseException:
            self.uploads.delete(kept.token)
            raise
        job = self.find(kept.token, place)
        assert job is not None
        return job

    def again(self, key: str, settings: Settings, place: RecordScope | None = None) -> Job | None:
        """Analyze a kept file once more, under the same address; None when it is gone."""
        job = self.find(key, place)
        if job is None or not job.has_media:
            return None
        self._refuse_when_full()
        self.cancel(key)
        record = job.store.restart(
            job.record.owner,
            key,
            run=self._new_run(),
            settings=settings,
            cache_key=result_cache.key(job.record.sha256, settings),
            now=datetime.now(UTC),
        )
        return self._enqueue(Job(record, job.store, self.uploads)) if record else None

    def find(self, key: str, place: RecordScope | None = None) -> Job | None:
        """The job behind an address, for whoever asks (`Store.open`); None when there is none.

        The record decides: what was deleted elsewhere is gone here too.
        """
        place = place or self._local()
        with self._lock:
            job = self._jobs.get(key)
        ours = job is not None and job.record.owner == place.owner
        if job is not None and ours and job.active and not self._elsewhere(job.record):
            return job
        try:
            record = place.store.open(place.owner, key)
        except InputError:
            if job is not None and ours:
                return job
            raise
        if record is None:
            return None
        if job is None or job.record.run != record.run or self._elsewhere(record):
            return self._restore(record, place.store, job)
        job.record = record
        return job

    def ahead(self, job: Job) -> int:
        """How many waiting files come before this one."""
        with self._lock:
            waiting = [j for j in self._jobs.values() if j.state is State.QUEUED]
        return waiting.index(job) if job in waiting else 0

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
            future = self._futures.get(job) if job else None
        if job is None or not job.active:
            return
        job.cancel.set()
        if future is not None and future.cancel():
            self._end(job, State.CANCELED)

    def amend(self, key: str, tried: Robustness) -> None:
        """Add the outcome of robustness trials to a finished result."""
        with self._lock:
            job = self._jobs.get(key)
        job = job or self.find(key)
        if job is not None and job.analysis is not None:
            analysis = decide(job.analysis.model_copy(update={"robustness": tried}))
            job.analysis = analysis
            self._kept_safe(lambda: job.store.update_result(job.record.owner, key, analysis))

    def forget(self, keys: Collection[str], place: RecordScope | None = None) -> list[str]:
        """Stop jobs and delete them with files, pictures, results and links. Only the owner's own.

        Returns
        -------
        list of str
            The ids that were there.
        """
        place = place or self._local()
        ours = [key for key in keys if place.store.get(place.owner, key) is not None]
        self._drop(ours)  # before the rows: stopped in between, there is still a record to delete
        return place.store.delete(place.owner, ours)

    def move(self, source: RecordScope, target: RecordScope) -> int:
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
        """Stop all work and wait for the workers."""
        for job in self.busy():
            self.cancel(job.key)
        self._arrivals.shutdown(wait=True, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._copies.close()
        self._server.close()

    # --- inside ----------------------------------------------------------------------------------

    def _local(self) -> RecordScope:
        return RecordScope(LOCAL, self.store)

    def _new_run(self) -> str:
        return f"{self._server.id}:{secrets.token_hex(6)}"

    def _record(
        self,
        kept: Kept,
        place: RecordScope,
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
            owner=place.owner,
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

    def _refuse_when_full(self) -> None:
        with self._lock:
            waiting = sum(job.state is State.QUEUED for job in self._jobs.values())
        if waiting >= self._waiting:
            raise QueueFull(
                ngettext(
                    "{number} file is waiting already.",
                    "{number} files are waiting already.",
                    waiting,
                ).format(number=waiting),
                hint=_("Try again in a few minutes; nothing was kept."),
            )

    def _given(self, key: str, kept: Kept, place: RecordScope) -> Job | None:
        """The earlier answer to the same question, with the new copy of the file where the earlier
        one is gone."""
        found = place.store.find_cached(place.owner, key) if key else None
        if found is None or place.store.analysis(place.owner, found.id) is None:
            return None
        if place.store.record_cache_hit(place.owner, found.id, datetime.now(UTC)) is None:
            return None
        self.uploads.hand_over(kept.token, found.id)
        return self.find(found.id, place)

    def _enqueue(self, job: Job) -> Job:
        with self._lock:
            self._jobs.pop(job.key, None)
            self._jobs[job.key] = job
            self._futures[job] = self._pool.submit(self._work, job)
            self._trim()
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
        job = Job(record, store, self.uploads)
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
        self._futures = {job: f for job, f in self._futures.items() if not f.done()}

    def _drop(self, keys: Collection[str]) -> None:
        """Stop, forget and delete the files of these."""
        for key in keys:
            self.cancel(key)
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
            with self._lock:
                future = self._futures.get(job)
            if not error.code.startswith("reader_") and future is not None and future.cancel():
                self._end(job, State.FAILED, fault_of(error))
        except Exception:
            log.exception("a file could not be looked at when it arrived")

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
            self._copies.keep(job.store, job.record, job.path)
        except Canceled:
            self._end(job, State.CANCELED)
        except BaseException as error:
            fault = fault_of(error)
            if fault.ours:
                log.exception("analysis failed, reference %s", fault.reference)
            self._end(job, State.FAILED, fault)

    def _end(self, job: Job, state: State, fault: ErrorReport | None = None) -> None:
        """The end of a run without a result."""
        record = job.record
        self._kept_safe(lambda: job.store.stop(record.owner, record.id, record.run, state, fault))
        job.fault = fault
        job.state = state

    def _save(self, job: Job, analysis: Analysis) -> None:
        """Put a result into the record, unless it was deleted meanwhile or asked for again with
        other settings."""
        record = job.record
        key = (
            result_cache.key(record.sha256, job.settings) if result_cache.reusable(analysis) else ""
        )
        thumbnail = thumbnails.of(job.path, analysis)
        self._kept_safe(
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

    def _kept_safe(self, write: Callable[[], object]) -> None:
        """Write; a store that refuses costs nothing but that: the outcome can still be read until
        the server stops."""
        try:
            write()
        except InputError as error:
            log.warning("an outcome could not be kept: %s", error.message)


def default_workers() -> int:
    """`UNMASK_WORKERS`, else one for two cores and at most two: decoding and scoring of one file
    already run side by side, and more threads than cores slow each other down."""
    return get_config().workers or max(1, min(2, (os.cpu_count() or 2) // 2))
