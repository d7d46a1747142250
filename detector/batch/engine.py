"""Batch engine: concurrent runs of one analyzer, each result on disk before it counts.

`run_side_by_side` is the engine of every batch: of a folder of results (`BatchRun`: the command,
a watched folder, a cluster) and of a server's records (page and REST API). Concurrent runs share
the batches of a model (`detector.pipeline.scoring`); a result does not depend on the other runs.
"""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from detector import paths
from detector.batch.entry import Entry, detail
from detector.batch.journal import Journal, Line, Table
from detector.batch.source import of_files
from detector.batch.watch import FolderWatch
from detector.comparison import beside_original
from detector.cores import usable_cores
from detector.decision import decide
from detector.errors import (
    Canceled,
    CancellationToken,
    ClusterError,
    InputError,
    UnmaskError,
    UsageError,
)
from detector.media.files import open_file, sha256
from detector.pipeline import Analyzer, RemoteAnalyzer
from detector.pipeline.initial_results import id_of
from detector.schema.analysis import Analysis, ErrorDetail, Media, Settings, Thresholds
from detector.schema.base import StrictModel
from detector.schema.origin import FileSource
from detector.schema.passed_over import PassedOver
from detector.sentences import _

Item = TypeVar("Item")

WriteReport = Callable[[str, Analysis, Path], Path]
"""A file's name in the batch, its analysis and its path -> the report, which may exist already."""
FindOriginal = Callable[[Path, Media], Path | None]
"""A file and its media record -> the known file of which it may be a manipulated copy."""


class DiskFull(UnmaskError):
    """Raised when the results can't be written."""

    default_code = "disk_full"


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch."""

    settings: Settings = field(default_factory=Settings)
    thresholds: Thresholds | None = None
    table: bool = True  # write `results.csv` beside the journal
    report: WriteReport | None = None  # writes each file's report
    original: FindOriginal | None = None  # finds the original to compare each file with
    parallel: int = 0  # concurrent runs; 0: as many as there are cores
    device: str = "auto"  # "auto", "cpu" or "cuda"


class BatchSettings(StrictModel):
    """Settings common to all results of a folder, and the files that have no result."""

    settings: Settings
    thresholds: Thresholds | None = None
    passed_over: list[PassedOver] = Field(default_factory=list)


@dataclass
class BatchTally:
    """Progress of a batch. `analyzed`, `found` and `failed` are files of this call."""

    total: int = 0
    analyzed: int = 0
    found: int = 0  # finished earlier, or with the same content as another file
    failed: int = 0
    ours: int = 0  # failures that are not the file's fault
    codes: Counter[str] = field(default_factory=Counter)  # error codes of the failed files

    @property
    def done(self) -> int:
        return self.analyzed + self.found + self.failed


OnPassedOver = Callable[[Sequence[PassedOver]], object]
OnEntry = Callable[[BatchTally, Entry, ErrorDetail | None], None]
"""Called after each file, one at a time."""


log = logging.getLogger(__name__)

SETTINGS = "batch.json"
MAX_PARALLEL = 16
"""concurrent runs, at most: each holds a few frames, and models take turns anyway"""
_FULL = (errno.ENOSPC, errno.EDQUOT)


def run_side_by_side(
    items: Iterable[Item], finish: Callable[[Item], object], parallel: int, stop: CancellationToken
) -> None:
    """Call `finish` for every item, `parallel` at a time. The first error sets `stop` and is raised
    when all threads have ended; raise Canceled if `stop` was set before."""
    left, taking, errors = iter(items), threading.Lock(), list[BaseException]()

    def work() -> None:
        try:
            while not stop.is_set():
                with taking:
                    item = next(left, None)
                if item is None:
                    return
                finish(item)
        except Canceled:
            return
        except BaseException as error:
            errors.append(error)
            stop.set()

    with ThreadPoolExecutor(parallel, "batch") as threads:
        running = [threads.submit(work) for _thread in range(parallel)]
        try:
            while wait(running, 0.2).not_done:  # with a timeout, so that Ctrl-C is handled
                pass
        except BaseException:
            stop.set()
            raise
    if errors:
        raise errors[0]
    if stop.is_set():
        raise Canceled(_("The batch was stopped."))


@contextmanager
def _disk(out: Path) -> Iterator[None]:
    """Convert the error of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFull(
            _("The disk of {out} is full.").format(out=out),
            hint=_("What is finished is kept. Make room, and give the same command again."),
        ) from error


class BatchRun:
    """A resumable batch into a folder of results; finished files are not analyzed again. A context
    manager with an exclusive lock on the folder. By default runs share the batches of an analyzer
    in this process. Raise UsageError if the folder is in use, has other settings or can't be
    written; DiskFull."""

    def __init__(
        self, out: Path, options: BatchOptions | None = None, analyzer: RemoteAnalyzer | None = None
    ) -> None:
        self.out, self.options = out, options or BatchOptions()
        cores = usable_cores()
        self.analyzer: RemoteAnalyzer = analyzer or Analyzer(
            device=self.options.device, max_concurrent_batches=cores
        )
        beside = self.analyzer.slots or min(MAX_PARALLEL, max(2, cores))
        self._parallel = self.options.parallel or beside
        self._counting = threading.Lock()
        self._claims: dict[str, threading.Lock] = {}
        id_of("", self.options.settings)  # report an unknown model once, not for each file
        with _disk(out):
            try:
                out.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError, PermissionError) as error:
                text = _("{out} can't be a folder: {strerror}.")
                raise UsageError(text.format(out=out, strerror=error.strerror)) from None
            self._only = ExitStack()
            try:
                self._only.enter_context(paths.locked(out / ".lock", wait=False))
            except BlockingIOError:
                hint = _("Wait until it ends, or choose another folder.")
                raise UsageError(
                    _("Another batch is writing to {out}.").format(out=out), hint=hint
                ) from None
            try:
                self._scratch = out / ".unpacked"
                shutil.rmtree(self._scratch, ignore_errors=True)  # left by a killed process
                self._scratch.mkdir()
                self._about = self._settings_of_folder()
                self.journal = Journal(out / "results.jsonl")
                path, passed = out / "results.csv", self._about.passed_over
                self._table = Table(path, self.journal, passed) if self.options.table else None
            except BaseException:
                self._only.close()
                raise

    def __enter__(self) -> BatchRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._only.close()

    def run(
        self,
        entries: Iterable[Entry],
        on_entry: OnEntry | None = None,
        *,
        total: int = 0,
        cancel: threading.Event | None = None,
    ) -> BatchTally:
        """Analyze every unfinished entry, and return when all are finished. Set `cancel` to stop.
        Raise DiskFull, ClusterError or Canceled; finished results stay, and the same call
        resumes."""
        stop = CancellationToken(cancel or threading.Event())
        call = _Call(BatchTally(total), on_entry, stop)
        run_side_by_side(entries, partial(self._finish, call), self._parallel, stop)
        if self._table is not None:
            with _disk(self.out):
                self._table.rewrite()
        return call.tally

    def watch(
        self,
        folder: Path,
        stop: threading.Event,
        every: float,
        on_entry: OnEntry | None = None,
        on_passed_over: OnPassedOver = lambda found: None,
    ) -> None:
        """Analyze the files of a folder and those that arrive or change, polling `every` s until
        `stop` is set. Raise MediaError if there is no such folder, or DiskFull."""

        def pass_over(found: Sequence[PassedOver]) -> None:
            self.pass_over(found)
            on_passed_over(found)

        def take(ready: list[Path]) -> None:
            found = of_files(folder, ready)
            if found.passed_over:
                pass_over(found.passed_over)
            self.run(found.entries, on_entry, cancel=stop)

        with suppress(Canceled):
            FolderWatch(folder, self.out, take, pass_over).run(stop, every)

    def pass_over(self, found: Iterable[PassedOver]) -> None:
        """Record files that are passed over, in `batch.json` and the table."""
        known = {one.name: one for one in self._about.passed_over}
        known |= {one.name: one for one in found}
        self._about.passed_over = list(known.values())
        with _disk(self.out):
            paths.write(self.out / SETTINGS, self._about.model_dump_json(indent=2) + "\n")
            if self._table is not None:
                self._table.pass_over(self._about.passed_over)

    def _settings_of_folder(self) -> BatchSettings:
        """Return what the folder holds of its batch. Raise UsageError for another batch."""
        options, path = self.options, self.out / SETTINGS
        asked = BatchSettings(settings=options.settings, thresholds=options.thresholds)
        if not path.exists():
            paths.write(path, asked.model_dump_json(indent=2) + "\n")
            return asked
        try:
            known = BatchSettings.model_validate_json(path.read_bytes())
        except ValueError:
            known = None
        if known is None or (known.settings, known.thresholds) != (
            asked.settings,
            asked.thresholds,
        ):
            raise UsageError(
                _("{out} holds a batch with other settings.").format(out=self.out),
                hint=_("Choose another folder, or give the same options as before."),
            )
        return known

    def _finish(self, call: _Call, entry: Entry) -> None:
        line: Line = {"file": entry.name, "page": entry.page, "id": ""}
        with _disk(self.out), tempfile.TemporaryDirectory(dir=self._scratch) as scratch:
            try:
                path, source = entry.open(Path(scratch))
                with open_file(path) as file:
                    line["id"] = id_of(sha256(file), self.options.settings)
                with self._claimed(line["id"], call):
                    self._analyze(call, entry, path, source, line)
            except InputError as error:
                self._failed(call, entry, line, detail(error))
            except (Canceled, ClusterError):
                raise
            except Exception as error:  # one file must not end the batch, a full disk does
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                log.exception("%s failed", entry.name)
                message = f"This is our failure, not the file's: {type(error).__name__}: {error}"
                if isinstance(error, UnmaskError):
                    message = error.message
                line["retry"] = True
                self._failed(call, entry, line, ErrorDetail(code="internal", message=message))

    def _analyze(
        self, call: _Call, entry: Entry, path: Path, source: FileSource | None, line: Line
    ) -> None:
        """Analyze a file, or reuse the result of the same content."""
        own, options = self.journal.get(entry.name), self.options
        finished = own is not None and own.id == line["id"] and not own.retry
        same = own if finished else self.journal.same(line["id"])
        if same is not None and same.error:
            error = ErrorDetail.model_validate(self.journal.line(same)["error"])
            self._failed(call, entry, line, error, known=finished)
            return
        if same is not None:
            if not finished or options.report:
                line["analysis"] = self.journal.line(same)["analysis"]
                line["analysis"]["media"]["name"] = entry.title
                known = Analysis.model_validate(line["analysis"]).taken_from(source or FileSource())
                if options.report:
                    options.report(entry.name, known, path)
                if not finished:
                    self._write({**line, "analysis": known.model_dump(mode="json")})
            call.count("found", entry)
            return
        analysis = self.analyzer.analyze(
            path, options.settings, name=entry.title, cancel=call.stop
        ).taken_from(source)
        if options.thresholds:
            analysis = decide(analysis, thresholds=options.thresholds)
        original = options.original(path, analysis.media) if options.original else None
        if original is not None:
            analysis = beside_original(analysis, path, original, cancel=call.stop)
        if options.report:
            options.report(entry.name, analysis, path)
        self._write({**line, "analysis": analysis.model_dump(mode="json")})
        call.count("analyzed", entry)

    @contextmanager
    def _claimed(self, id: str, call: _Call) -> Iterator[None]:
        with self._counting:
            claim = self._claims.setdefault(id, threading.Lock())
        while not claim.acquire(timeout=0.1):
            if call.stop.is_set():
                raise Canceled()
        try:
            yield
        finally:
            claim.release()

    def _failed(
        self, call: _Call, entry: Entry, line: Line, error: ErrorDetail, *, known: bool = False
    ) -> None:
        own = self.journal.get(entry.name)
        alike = (
            own is not None and not own.retry and (own.id, own.error) == (line["id"], error.code)
        )
        if not (known or alike):
            self._write({**line, "error": error.model_dump(mode="json")})
        call.count("failed", entry, error, ours=bool(line.get("retry")))

    def _write(self, line: Line) -> None:
        with self._counting:
            self.journal.add(line)
            if self._table is not None:
                self._table.add(line)


class _Call:
    def __init__(
        self, tally: BatchTally, on_entry: OnEntry | None, stop: CancellationToken
    ) -> None:
        self.tally, self.stop = tally, stop
        self._on_entry, self._lock = on_entry, threading.Lock()

    def count(
        self, kind: str, entry: Entry, error: ErrorDetail | None = None, *, ours: bool = False
    ) -> None:
        with self._lock:
            setattr(self.tally, kind, getattr(self.tally, kind) + 1)
            if error is not None:
                self.tally.codes[error.code] += 1
                self.tally.ours += ours
            if self._on_entry is not None:
                self._on_entry(self.tally, entry, error)
