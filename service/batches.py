"""Batches of a person: many files, analyzed a few at a time; paused, stopped, resumed after a
restart.

A file is stored as a waiting analysis (`Jobs.submit` without `start`). One task a batch is a
run of `detector.batch.engine` that queues these, no more at a time than the server runs, so that
other people wait for one file and not for all. A pause ends that task; the next server resumes a
lost one once, then it is interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import PurePath

from detector.batch.engine import run_side_by_side
from detector.errors import CancellationToken, UnmaskError
from detector.schema.analysis import Label, Proof, Settings, Verdict, headline_label
from detector.sentences import _
from service import limits
from service.batch_files import PASSED_OVER, IncomingFile, RefusedFile, opened
from service.context import Principal, RequestContext
from service.limits import MEGABYTE
from service.links import MAX_REQUEST_SECONDS, LinkFetches
from service.records.batches import Batches
from service.records.model import BatchItem, ErrorReport, Record, State
from service.records.rules import has_account
from service.records.store import RecordScope
from service.records.tables import Batch
from service.storage.uploads import max_upload_mb
from service.tasks.jobs import Job, Jobs
from service.tasks.queue import TaskQueue
from service.tasks.task import ACTIVE, IDLE, Priority, QueueFull, Task, TaskKind

STOP_SECONDS = 3.0  # Longest wait for the task of a batch that is stopped
MAX_FILES = 500  # Of one batch
UNFINISHED = (*ACTIVE, *IDLE)  # States of a file that has no outcome yet

KIND = TaskKind("batch", Priority.BATCH, 0.0, Task, max_running=16, min_steps=3)


class BatchState(StrEnum):
    """State and progress of a batch."""

    RUNNING = "running"
    PAUSING = "pausing"  # What runs is finished; nothing more begins
    PAUSED = "paused"
    INTERRUPTED = "interrupted"  # The server stopped, or something failed, before it was done
    DONE = "done"


@dataclass(frozen=True)
class BatchRow:
    """State of one file of a batch; small enough to cache for each of hundreds."""

    item: BatchItem
    record: Record | None = None  # None: refused, or deleted since
    state: State | None = None  # None: refused, or deleted since
    error: str = ""
    fault: ErrorReport | None = None  # Why its analysis failed
    verdict: Verdict | None = None
    seconds: float | None = None  # that its analysis took
    stage: str = ""
    fraction: float = 0.0
    sampled: tuple[int, int] = (0, 0)  # frames of the running file that were looked at, and in all
    kept: bool = False  # The file is still here

    @classmethod
    def of(cls, item: BatchItem, job: Job | None) -> BatchRow:
        """Return the row of a file with its job, if it has one."""
        if job is None:
            why = item.refused or {}
            return cls(item, error=" ".join(filter(None, (why.get("message"), why.get("hint")))))
        return cls(
            item,
            job.record,
            job.state,
            error=job.error,
            fault=job.fault,
            verdict=job.analysis.verdict if job.analysis is not None else None,
            seconds=job.analysis.timings.get("total") if job.analysis is not None else None,
            stage=job.stage,
            fraction=job.fraction,
            sampled=(p.sampled, p.sampled_total) if (p := job.progress) else (0, 0),
            kept=job.has_media,
        )

    @property
    def passed_over(self) -> bool:
        """Whether the row counts files that are no media."""
        return bool(self.item.refused and self.item.refused.get("code") == PASSED_OVER)

    @property
    def proof(self) -> Proof | None:
        """Return the finding that decides the headline."""
        result = self.record.result if self.record is not None else None
        return result.proof if result is not None else None

    @property
    def label(self) -> Label | None:
        """Return the label of the headline; None without a verdict."""
        return headline_label(self.verdict.label, self.proof) if self.verdict else None

    @property
    def over(self) -> bool:
        """Whether the file has reached a final state."""
        return self.state not in UNFINISHED

    @property
    def waits(self) -> bool:
        """Whether the file can be queued."""
        return self.state in IDLE and self.kept

    @property
    def gone(self) -> bool:
        """Whether the file was deleted before its turn."""
        return self.state in IDLE and not self.kept


def file_count(batch: Batch) -> int:
    """Return the number of files, without rows that count what was passed over."""
    return sum(not BatchRow(item).passed_over for item in batch.items)


class BatchService:
    """The batches of a server; each is visible to its owner alone."""

    def __init__(self, tasks: TaskQueue, jobs: Jobs, batches: Batches, links: LinkFetches) -> None:
        self._tasks, self._jobs, self._batches, self._links = tasks, jobs, batches, links
        self._kind = replace(KIND, on_interrupted=self._resume)
        tasks.register(self._kind)

    def add(
        self,
        context: RequestContext,
        scope: RecordScope,
        files: Iterable[IncomingFile | RefusedFile | str],
        settings: Settings,
        *,
        id: str | None = None,
        name: str = "",
    ) -> Batch:
        """Add files to a batch, a new one without `id`, and resume it. A text is a link, which is
        fetched now; archives and documents are expanded; the row of a refused file has the reason.
        Raise RecordsError if nothing can be stored."""
        known = self._batches.get(scope.owner, id) if id else None
        items = known.items if known else ()
        intake = _Intake(self._jobs, self._links, context, scope, settings, items)
        try:
            for file in files:
                intake.take(file)
            if known is None:
                batch = self._batches.create(scope.owner, intake.items, name)
            else:
                self._batches.add(scope.owner, known.id, intake.items)
                batch = self._batches.get(scope.owner, known.id) or known
        except BaseException:  # what has no batch would wait for ever
            intake.undo()
            raise
        self.resume(context.principal, scope, batch)
        return batch

    def resume(self, principal: Principal, scope: RecordScope, batch: Batch) -> None:
        """Analyze the remaining files of a batch, unless it is running."""
        if not any(item.analysis for item in batch.items):
            return
        task = Task(self._kind, principal.id, subject=batch.id)
        self._tasks.submit(task, partial(self._run, scope), once_for=principal)
        self._tasks.announce()  # one that runs looks for the new files

    def pause(self, principal: Principal, batch: Batch) -> None:
        """Start no more files; running ones are finished."""
        if (task := self.task(principal, batch)) is not None:
            self._tasks.cancel(task)

    def stop(self, principal: Principal, scope: RecordScope, batch: Batch) -> None:
        """Cancel running and waiting files; results stay."""
        self.pause(principal, batch)
        if (task := self.task(principal, batch)) is not None:
            self._tasks.wait(task, STOP_SECONDS)  # it may be about to put one more in line
        for id in filter(None, (item.analysis for item in batch.items)):
            job = self._jobs.find(id, scope)
            if job is not None and job.active:
                self._tasks.cancel(job)
            elif job is not None and job.state in IDLE:
                self._jobs.end_waiting(job)

    def prioritize(self, scope: RecordScope, batch: Batch, ids: Sequence[str]) -> None:
        """Move these files before all others of their batch that wait."""
        self._batches.advance(scope.owner, batch.id, ids)

    def retry(
        self, context: RequestContext, scope: RecordScope, batch: Batch, ids: Iterable[str]
    ) -> None:
        """Analyze stored files of a batch again, before those that wait; a paused batch starts them
        later. Raise UnmaskError at the first that is not accepted."""
        asked: list[str] = []
        try:
            for job in filter(None, (self._jobs.find(id, scope) for id in dict.fromkeys(ids))):
                with limits.taking(context):
                    if self._jobs.rerun(job.key, job.settings, scope, start=False) is not None:
                        asked.append(job.key)
        finally:
            self._batches.advance(scope.owner, batch.id, asked)
            task = self.task(context.principal, batch)
            if asked and (task is None or not task.cancel.is_set()):
                self.resume(context.principal, scope, batch)

    def task(self, principal: Principal, batch: Batch) -> Task | None:
        """Return the latest run of a batch on this server."""
        return self._tasks.latest(self._kind, batch.id, principal)

    def state(self, principal: Principal, batch: Batch, rows: Sequence[BatchRow]) -> BatchState:
        """Return the state of a batch."""
        task = self.task(principal, batch)
        runs = any(row.state in ACTIVE for row in rows)
        if task is not None and task.active:
            return BatchState.PAUSING if task.cancel.is_set() else BatchState.RUNNING
        if not any(row.waits for row in rows):
            return BatchState.RUNNING if runs else BatchState.DONE
        if task is not None and task.state is State.CANCELED:
            return BatchState.PAUSING if runs else BatchState.PAUSED
        return BatchState.INTERRUPTED

    def rows(
        self,
        scope: RecordScope,
        batch: Batch,
        known: MutableMapping[str, BatchRow] | None = None,
        *,
        fresh: bool = False,
    ) -> list[BatchRow]:
        """Return all files of a batch in upload order. `known` caches rows in a final state by id;
        `fresh` reads their records again, since a comparison may have been added."""
        known = {} if known is None else known
        if fresh and known:
            records = scope.store.records(scope.owner, known)
            for id, kept in list(known.items()):
                known[id] = replace(kept, record=records.get(id, kept.record))
        rows = []
        for item in batch.items:
            row = known.get(item.analysis or "")
            if row is None:
                job = self._jobs.find(item.analysis, scope) if item.analysis else None
                row = BatchRow.of(item, job)
                if item.analysis and row.over:
                    known[item.analysis] = row
            rows.append(replace(row, item=item))  # several may share an analysis
        return rows

    def listed(self, scope: RecordScope, batch: Batch) -> list[BatchRow]:
        """Return all files of a batch in upload order, by their records alone: without the
        `verdict` and the `seconds` of whole results, which are not read."""
        ids = [item.analysis for item in batch.items if item.analysis]
        records = scope.store.records(scope.owner, ids)
        rows = []
        for item in batch.items:
            record = records.get(item.analysis or "")
            job = self._jobs.listed(record, scope) if record is not None else None
            rows.append(BatchRow.of(item, job))
        return rows

    def _resume(self, task: Task) -> None:
        """Resume a batch of a dead server; one of an account needs its owner's token."""
        if not has_account(task.owner):
            self._tasks.resume(task, partial(self._run, RecordScope(task.owner, self._jobs.store)))

    def _run(self, scope: RecordScope, task: Task) -> None:
        """Queue files in a worker until none is left; files may be added meanwhile."""
        stop = CancellationToken(task.cancel)
        feed = _Feed(self._tasks, self._jobs, self._batches, scope, task, stop)
        run_side_by_side(feed.waiting(), feed.finish, self._jobs.workers, stop)


class _Feed:
    """Files of a batch for one run. `waiting` is read by one thread at a time."""

    def __init__(
        self,
        tasks: TaskQueue,
        jobs: Jobs,
        batches: Batches,
        scope: RecordScope,
        task: Task,
        stop: CancellationToken,
    ) -> None:
        self._tasks = tasks
        self._jobs, self._batches, self._scope = jobs, batches, scope
        self._task, self._stop = task, stop
        self._taken: dict[str, int] = {}  # The turn of each file that was begun
        self._running: set[str] = set()
        self._total = 0

    def waiting(self) -> Iterator[str]:
        """Yield the next analysis; end when none waits or runs."""
        while True:
            seen = self._tasks.changes
            batch = self._batches.get(self._scope.owner, self._task.subject)
            if batch is None:
                return
            turns = {item.analysis: item.turn for item in batch.items if item.analysis}
            self._total = len(turns)
            waiting = [id for id, turn in turns.items() if self._taken.get(id) != turn]
            if waiting:
                id = max(waiting, key=turns.__getitem__)  # the first of those with the same
                self._taken[id] = turns[id]
                self._running.add(id)
                yield id
            elif self._running and not self._stop.is_set():
                self._tasks.wait_for_change(seen)
            else:
                return

    def finish(self, id: str) -> None:
        """Queue a waiting file and return when it has ended. Raise Canceled."""
        try:
            if self._begun(id):
                seen = self._tasks.changes
                while (job := self._jobs.find(id, self._scope)) is not None and job.active:
                    self._report()
                    self._tasks.wait_for_change(seen)
                    seen = self._tasks.changes
                self._running.discard(id)
                self._report()
        except QueueFull:  # others wait: the next look may find room
            self._taken.pop(id, None)
            self._tasks.wait_for_change(self._tasks.changes)
        finally:
            self._running.discard(id)

    def _begun(self, id: str) -> bool:
        """Queue a file if it waits; return whether it runs."""
        job = self._jobs.find(id, self._scope)
        if job is None or job.active or job.state not in IDLE or not job.has_media:
            return job is not None and job.active
        return self._jobs.rerun(id, job.settings, self._scope) is not None

    def _report(self) -> None:
        self._task.on_progress(len(self._taken) - len(self._running), self._total)


class _Intake:
    """Collector of the files of one call, each as a batch item."""

    def __init__(
        self,
        jobs: Jobs,
        links: LinkFetches,
        context: RequestContext,
        scope: RecordScope,
        settings: Settings,
        known: Sequence[BatchItem],
    ) -> None:
        self._jobs, self._links = jobs, links
        self._context, self._scope, self._settings = context, scope, settings
        self.items: list[BatchItem] = []
        self._stored: list[str] = []  # Analyses that did not exist before
        self._deadline = time.monotonic() + MAX_REQUEST_SECONDS
        self._known = len(known)
        self._alike: dict[str, str] = {}  # The active analysis of each question, by its key
        for id in filter(None, (item.analysis for item in known)):
            if (job := jobs.find(id, scope)) is not None and job.state in UNFINISHED:
                self._alike[job.record.cache_key] = id

    @property
    def room(self) -> int:
        return MAX_FILES - self._known - len(self.items)

    def take(self, file: IncomingFile | RefusedFile | str) -> None:
        """Add a file, the contents of an archive, or the file of a link."""
        if isinstance(file, RefusedFile):
            self._refuse(file.name, file.error)
            return
        try:
            limits.check(self._context)
            if self.room <= 0:
                text = _("A batch has {number} files at most.").format(number=MAX_FILES)
                hint = _("Upload this one in another batch.")
                raise QueueFull(text, code="too_many_files", hint=hint)
            if isinstance(file, str):
                fetched = self._links.fetched(self._context, file, deadline=self._deadline)
                with fetched as (link, got):
                    self._set_aside(IncomingFile(got, link.name, link.size, link.source))
                return
            largest = limits.megabytes(self._context.principal, max_upload_mb()) * MEGABYTE
            for one in opened(file, self._jobs.uploads, most=self.room, largest=largest):
                try:
                    if isinstance(one, RefusedFile):
                        raise one.error
                    with limits.taking(self._context, one.size):
                        self._set_aside(one)
                except UnmaskError as error:
                    self._refuse(one.name, error)
        except UnmaskError as error:
            self._refuse(file if isinstance(file, str) else file.name, error)

    def undo(self) -> None:
        """Delete the files that this call has stored."""
        with suppress(UnmaskError):
            self._jobs.delete(self._stored, self._scope)

    def _refuse(self, name: str, error: UnmaskError) -> None:
        why = {"code": error.code, "message": str(error.message), "hint": str(error.hint)}
        self.items.append(BatchItem(name=name, refused=why))

    def _set_aside(self, file: IncomingFile) -> None:
        """Store a file without starting it, unless its result exists or is under way."""
        title = PurePath(file.name).name
        job = self._jobs.submit(
            file.source, title, self._settings, self._scope,
            size=file.size, taken_from=file.taken_from, start=False,
        )  # fmt: skip
        known = job.state is State.DONE
        alike = self._alike.setdefault(job.record.cache_key, job.key) if not known else job.key
        if alike != job.key:
            self._jobs.delete([job.key], self._scope)
        elif not known:
            self._stored.append(job.key)
        self.items.append(
            BatchItem(name=file.name, analysis=alike, known=known or alike != job.key)
        )
