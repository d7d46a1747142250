"""Analyses as background tasks, which pages poll.

A job belongs to a record, whose id is in the address of the page: a reload, another tab or a
restart finds it again, and no other person does. The record stays QUEUED until its run has ended
and names the server of the run; if that dies, the analysis is resumed once, then offered again. The
result is stored in the record.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from detector.cores import usable_cores
from detector.errors import InputError, MediaError, UnmaskError
from detector.pipeline import Progress, RemoteAnalyzer, result_cache
from detector.schema.analysis import Analysis, Media, Settings
from detector.schema.origin import FileSource
from detector.sentences import _, ngettext
from service import metrics
from service.config import get_config
from service.context import SYSTEM, new_id
from service.records import thumbnails
from service.records.model import ErrorReport, Record, RecordsError, ResultOrigin, State, fault_of
from service.records.seals import believed, origin
from service.records.sql import SQLStore
from service.records.store import RecordScope, Store
from service.storage.uploads import Upload, Uploads
from service.tasks.media_replicator import MediaReplicator
from service.tasks.queue import TaskQueue, suppress_store_errors
from service.tasks.task import IDLE, RESUMED, Priority, QueueFull, Task, TaskKind
from service.tasks.throughput import ThroughputEstimator

log = logging.getLogger(__name__)


class Job(Task):
    """One run of the analysis of one record (`subject`). `record` is as it was when the run began:
    a person's later changes are in the store; `analysis` is the result, at the end."""

    def __init__(self, kind: TaskKind[Any], record: Record, store: Store, uploads: Uploads) -> None:
        super().__init__(kind, record.owner, subject=record.id, id=record.run.rpartition(":")[2])
        self.record, self.created = record, record.touched
        self.store = store
        self.settings = record.settings
        self.analysis: Analysis | None = None
        self.looked_at: Media | None = None  # What the file is, from a look at it while it waits
        self.fault = record.fault
        self.state = record.state
        self.uploads = uploads

    @property
    def key(self) -> str:
        """Return the record's id, which names this job in addresses, widget keys and
        session state."""
        return self.record.id

    @property
    def name(self) -> str:
        """Return the file name as uploaded. Escape it."""
        return self.record.name

    @property
    def path(self) -> Path:
        """Return the media on disk, downloaded if servers share it. It is gone after its retention
        (`has_media`), and a live session without a recording never had one."""
        return self.uploads.path(self.key)

    @property
    def has_media(self) -> bool:
        return self.uploads.has(self.key)

    @property
    def address(self) -> str:
        """Return the URL path of the media, without a leading slash."""
        return self.uploads.address(self.key)

    @property
    def picture(self) -> bytes | None:
        """Return the record's thumbnail."""
        return self.store.thumbnails(self.record.owner, [self.key]).get(self.key)

    @property
    def last_cache_hit(self) -> datetime | None:
        """Return when the same file last came again and got this result without a run."""
        return self.record.last_cache_hit

    @property
    def origin(self) -> ResultOrigin:
        """Return the maker of the result."""
        seal = self.analysis.seal if self.analysis is not None else None
        return origin(seal, self.record.owner)

    @property
    def read_only(self) -> bool:
        return False


MAX_WAITING = 20  # Jobs that may wait; beyond it a person is told to come back
MAX_IN_MEMORY = 32  # Jobs of 0.2 to 10 MB each; older results are read from the records
CORES = 2.0  # That one analysis keeps busy: decoding and scoring run side by side


def refuse(most: int, waiting: int, running: int) -> UnmaskError | None:
    """Return the refusal of a file at this number of waiting ones; as `TaskKind.refuse`."""
    if waiting < most:
        return None
    text = ngettext(
        "{number} file is waiting already.", "{number} files are waiting already.", waiting
    )
    hint = _("Try again in a few minutes; nothing was kept.")
    return QueueFull(text.format(number=waiting), hint=hint)


def default_workers() -> int:
    """Return `UNMASK_WORKERS`, else one for two cores and at most two: decoding and scoring of one
    file already run in parallel, and more threads than cores slow each other down."""
    return get_config().workers or max(1, min(2, usable_cores() // 2))


class Jobs:
    """All analyses of this server. `store` holds the records of people without an account; `check`
    validates an arriving file and raises `MediaError` as an analysis would; `workers` files are
    analyzed at a time, by default as many as the analyzer's remote workers, or as suit this
    computer."""

    def __init__(
        self,
        analyzer: RemoteAnalyzer,
        uploads: Uploads,
        store: SQLStore,
        tasks: TaskQueue,
        speed: ThroughputEstimator,
        *,
        check: Callable[[Path], Media | None] = lambda path: None,
        workers: int = 0,
    ) -> None:
        self.uploads = uploads
        self.store = store
        self.speed = speed
        self.workers = workers or analyzer.slots or default_workers()
        kind = TaskKind(
            "analysis",
            Priority.INTERACTIVE,
            0.0 if analyzer.slots else min(CORES, tasks.cores / self.workers),
            Task,
            max_running=self.workers,
            refuse=partial(refuse, MAX_WAITING),
            on_end=self._end,
            on_interrupted=self._resume,
            max_in_memory=MAX_IN_MEMORY,
        )
        self.kind = tasks.register(kind)
        self._tasks = tasks
        self._copies = MediaReplicator(tasks)
        self._analyzer = analyzer
        self.on_done: Callable[[Job], None] = lambda job: None
        """Called with each that has a result, when that is written."""
        self._check = check
        # Not tasks: each takes milliseconds, and two writes of its row would take as many.
        self._arrivals = ThreadPoolExecutor(1, thread_name_prefix="arrival")

    def submit(
        self,
        source: BinaryIO,
        name: str,
        settings: Settings,
        scope: RecordScope,
        *,
        size: int | None = None,
        taken_from: FileSource | None = None,
        start: bool = True,
    ) -> Job:
        """Store a file and queue its analysis, or return the cached result of the same person and
        settings. Without `start` it is WAITING for `rerun`. Raise QueueFull, StorageError or
        RecordsError; then nothing is stored."""
        if start:
            self._tasks.refuse_when_full(self.kind)
        upload = self.uploads.add(source, name, size=size)
        with self.uploads.deleted_on_error(upload.token):
            if taken_from is not None:
                self.uploads.set_source(upload.token, taken_from)
            key = result_cache.key(upload.sha256, settings)
            if cached := self._cached(key, upload, scope, taken_from):
                return cached
            run = self._new_run() if start else ""
            record = self._record(upload, scope, name, settings, run=run, cache_key=key)
            scope.store.add(record)
        if not start:
            job = self._restore(record, scope.store, None)
            self._arrivals.submit(self._check_arrival, job)
            return job
        try:
            return self._enqueue(Job(self.kind, record, scope.store, self.uploads))
        except BaseException:  # others were faster, or the task could not be written down
            self.delete([record.id], scope)
            raise

    def import_result(
        self, analysis: Analysis, name: str, scope: RecordScope, *, media: BinaryIO | None = None
    ) -> Job:
        """Store a live session's result and its media, if any; raise as `submit`."""
        upload = self.uploads.add(media, name) if media else Upload(new_id(), "", 0)
        record = self._record(
            upload, scope, name, analysis.settings, run=self._new_run(), source="live"
        )
        analysis = scope.store.seals.seal(record, analysis)
        with self.uploads.deleted_on_error(upload.token):
            thumbnail = thumbnails.of(self.uploads.path(upload.token), analysis) if media else None
            scope.store.add(record, analysis, thumbnail)
        return cast(Job, self.find(upload.token, scope))

    def rerun(
        self, key: str, settings: Settings, scope: RecordScope, *, start: bool = True
    ) -> Job | None:
        """Analyze a stored file again under its address; return None if it is gone. `start` as in
        `submit`."""
        job = self.find(key, scope)
        if job is None or not job.has_media:
            return None
        if start:
            self._tasks.refuse_when_full(self.kind)
        self._tasks.cancel(job)
        record = job.store.restart(
            job.record.owner, key, run=self._new_run() if start else "", settings=settings,
            cache_key=result_cache.key(job.record.sha256, settings), now=datetime.now(UTC),
        )  # fmt: skip
        if record is None:
            return None
        if not start:
            return self._restore(record, job.store, None)
        return self._enqueue(Job(self.kind, record, job.store, self.uploads))

    def find(self, key: str, scope: RecordScope) -> Job | None:
        """Return the job behind an address by its record (`Store.open`), for any caller,
        or None."""
        job = self._newest(key)
        ours = job is not None and job.record.owner == scope.owner
        if job is not None and ours and job.active:
            return job
        try:
            record = scope.store.open(scope.owner, key)
        except InputError:
            if job is not None and ours:
                return job
            raise
        if record is None:
            return None
        if job is not None and (job.record == record or self._ended_here(job, record)):
            job.record = record
            return job
        return self._restore(record, scope.store, job)

    def listed(self, record: Record, scope: RecordScope) -> Job | None:
        """Return the job of a record of the owner for a list: an ended one without its result,
        which is not read for it, and not cached in place of those that pages show."""
        if record.state is State.QUEUED:
            return self.find(record.id, scope)
        return Job(self.kind, record, scope.store, self.uploads)

    def end_waiting(
        self, job: Job, state: State = State.CANCELED, fault: ErrorReport | None = None
    ) -> None:
        """End an idle job without a run."""
        if job.store.stop(job.record.owner, job.key, job.record.run, state, fault):
            metrics.count_end(state, fault, None)
            job.fault, job.state = fault, state

    def update(self, job: Job, change: Callable[[Analysis], Analysis]) -> None:
        """Replace a finished result by an extended one."""
        job = self._newest(job.key) or job  # what pages look at now
        if job.analysis is not None:
            analysis = job.store.seals.seal_again(job.record, job.analysis, change(job.analysis))
            job.analysis = analysis
            with suppress_store_errors():
                job.store.update_result(job.record.owner, job.key, analysis)

    def delete(self, keys: Collection[str], scope: RecordScope) -> list[str]:
        """Delete the owner's jobs with their records and files. Raise RecordsError; with
        `disk_full` the files are gone."""
        ours = [key for key in keys if scope.store.get(scope.owner, key) is not None]
        self._drop(ours)  # before the rows: stopped in between, there is still a record to delete
        try:
            return scope.store.delete(scope.owner, ours)
        except RecordsError as error:
            if error.code != "disk_full":
                raise
        self.store.database.empty_log()  # its pages have a place in the database
        try:
            return scope.store.delete(scope.owner, ours)
        except RecordsError as error:
            if error.code != "disk_full":
                raise
            raise RecordsError(
                _("The media were deleted. The disk is too full to delete their records as well."),
                code=error.code,
                hint=_("Free a little space, and delete them once more."),
            ) from error

    def transfer(self, source: RecordScope, target: RecordScope) -> int:
        """Move finished analyses to another owner in another store under the same addresses, and
        return how many; links end. Each is stored there before it is deleted here, so a stopped
        transfer can be repeated. Raise InputError if the other store is full."""
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
            self._tasks.dismiss_subject(self.kind, id)
            source.store.delete(source.owner, [id])
            self._copies.keep(target.store, record, self.uploads.path(id))
            moved += 1
        return moved

    def sweep(self, media: timedelta, records: timedelta, *, now: datetime | None = None) -> None:
        """Delete expired files and guests' records, except those of running analyses on
        any server."""
        busy = self._tasks.subjects(self.kind)
        self._drop(self.store.sweep(now or datetime.now(UTC), records, spare=busy))
        self.uploads.sweep(media, spare=busy, now=now)

    def close(self) -> None:
        """Stop all work and wait for the workers; interrupted analyses are offered again."""
        self._arrivals.shutdown(wait=True, cancel_futures=True)
        self._tasks.close()

    def _new_run(self) -> str:
        return f"{self._tasks.server.id}:{secrets.token_hex(6)}"

    def _record(
        self, upload: Upload, scope: RecordScope, name: str, settings: Settings, **more: Any
    ) -> Record:
        """Return a new record of a file."""
        now = datetime.now(UTC)
        return Record(
            id=upload.token, owner=scope.owner, name=name, sha256=upload.sha256, size=upload.size,
            created=now, touched=now, settings=settings, **more,
        )  # fmt: skip

    def _cached(
        self, key: str, upload: Upload, scope: RecordScope, taken_from: FileSource | None
    ) -> Job | None:
        """Return the cached result, with the new copy of the file if the earlier one is gone, and
        with what is new about where it was taken from."""
        record = scope.store.find_cached(scope.owner, key) if key else None
        analysis = scope.store.analysis(scope.owner, record.id) if record else None
        if record is None or analysis is None or not believed(analysis.seal, record.owner):
            return None
        if scope.store.record_cache_hit(scope.owner, record.id, datetime.now(UTC)) is None:
            return None
        metrics.CACHE_HITS.inc()
        self.uploads.move(upload.token, record.id)
        job = self.find(record.id, scope)
        if job is not None and taken_from is not None:
            known = self.uploads.source(job.key) or FileSource()
            source = known.filled(taken_from)
            if source != known:
                self.uploads.set_source(job.key, source)
                self.update(job, lambda analysis: analysis.taken_from(source))
        return job

    def _enqueue(self, job: Job) -> Job:
        try:
            self._tasks.submit(job, self._run)
        except UnmaskError as error:
            self._end(job, State.FAILED, fault_of(error))
            raise
        self._arrivals.submit(self._check_arrival, job)
        return job

    def _run(self, job: Job) -> None:
        """Worker: analyze a file and store the result, unless the record was deleted or requested
        with other settings meanwhile."""
        picture = thumbnails.EarlyThumbnail(job.path)

        def observe(progress: Progress) -> None:
            job.progress = progress
            picture.look(progress)
            job.checkpoint()

        analysis = self._analyzer.analyze(
            job.path, job.settings, name=job.name, observe=observe, cancel=job.cancel
        )
        analysis = analysis.taken_from(job.uploads.source(job.key))
        record = job.record
        job.analysis = analysis = job.store.seals.seal(record, analysis)
        thumbnail, key = picture.of(analysis), ""
        if result_cache.reusable(analysis):
            key = result_cache.key(record.sha256, job.settings)
        # Own thresholds or a model may have changed while this waited.
        key = key if key == record.cache_key else ""
        with suppress_store_errors():
            job.store.finish(
                record.owner, record.id, record.run, analysis, thumbnail=thumbnail, cache_key=key
            )
        self.speed.learn(analysis)
        self._copies.keep(job.store, record, job.path)

    def _end(self, job: Job, state: State, fault: ErrorReport | None) -> None:
        """Write the end of a run without a result to its record."""
        metrics.count_end(state, fault, job.analysis)
        if job.progress is not None:  # what it knew on the way is as large as the result
            job.progress = replace(job.progress, partial=None, reading=None)
        record = job.record
        if state is State.DONE:
            self.on_done(job)
        else:
            with suppress_store_errors():
                job.store.stop(record.owner, record.id, record.run, state, fault)

    def _resume(self, task: Task) -> None:
        """Queue a lost analysis again; that of an account waits for its owner's token."""
        if not self.uploads.has(task.subject):
            return
        record = self.store.get(task.owner, task.subject)
        if record is None or record.state is not State.QUEUED:
            return
        if record.run.rpartition(":")[2] != task.id:
            return  # somebody began it anew
        self._tasks.refuse_when_full(self.kind)
        begun = self.store.restart(
            record.owner, record.id, run=self._new_run(), settings=record.settings,
            cache_key=record.cache_key, now=record.touched,
        )  # fmt: skip
        if begun is not None:
            job = Job(self.kind, begun, self.store, self.uploads)
            job.params = {RESUMED: True}
            self._enqueue(job)

    def _ran_here(self, record: Record) -> bool:
        return record.run.startswith(f"{self._tasks.server.id}:")

    def _ended_here(self, job: Job, record: Record) -> bool:
        """Return whether a record's latest run is this ended one, changed here alone."""
        same = job.record.run == record.run and job.state is not State.INTERRUPTED
        return same and self._ran_here(record)

    def _newest(self, key: str) -> Job | None:
        """Return the newest run of a record in this process."""
        task = self._tasks.newest(self.kind, key)
        return task if isinstance(task, Job) else None

    def _restore(self, record: Record, store: Store, known: Job | None) -> Job:
        """Return a job from its record, as another or an earlier process left it."""
        job = Job(self.kind, record, store, self.uploads)
        self._copies.bring(store, record, self.uploads)
        if record.state is State.DONE:
            job.analysis = store.analysis(record.owner, record.id)
            if job.analysis is None:
                text = _("This result was written by another version of Unmask.")
                hint = _("Analyze the file again.")
                job.fault = fault_of(UnmaskError(text, code="other_version", hint=hint))
                job.state = State.FAILED
        elif record.state is State.QUEUED:
            job.state = State.INTERRUPTED if record.run else State.WAITING
            if record.run and not self._ran_here(record):
                task = self._tasks.find(job.id, SYSTEM)
                if task is not None and task.active:
                    job.state = task.state
                    if task.progress is not None:
                        job.progress = Progress(cast(Any, task.stage), task.fraction, {})
                return job  # as its server last said: not remembered
        return self._tasks.remember(job, known)

    def _drop(self, keys: Collection[str]) -> None:
        """Stop and forget jobs and delete their files."""
        for key in keys:
            self._tasks.dismiss_subject(self.kind, key)
            self.uploads.delete(key)

    def _check_arrival(self, job: Job) -> None:
        """Validate a waiting file; keep it if the reader itself failed, or if it runs."""
        if job.state is State.RUNNING:
            return
        try:
            job.looked_at = self._check(job.path)
        except MediaError as error:
            if error.code.startswith("reader_"):
                return
            if job.state in IDLE:
                self.end_waiting(job, State.FAILED, fault_of(error))
            else:
                self._tasks.fail_waiting(job, error)
        except Exception:
            log.exception("a file could not be checked when it arrived")
