"""Additions to a library of known footage: a folder, uploaded files, imported fingerprints.

One task a person at a time. Only fingerprints are stored (`service.records.footage`); uploads are
deleted once they are read. An interrupted folder can be resumed: known files are skipped.
"""

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from detector import paths
from detector.errors import InputError, MediaError, UnmaskError
from detector.schema.passed_over import PassedOver
from detector.sentences import _, numeral
from service import limits
from service.batch_files import IncomingFile
from service.context import LOCAL, Principal, PrincipalKind, RequestContext
from service.library.catalog import UPLOADED, Library, full_of_frames, media_in, source_of
from service.library.watch import FolderWatcher, WatchState
from service.records.footage import MAX_FOOTAGE, FootageStore
from service.records.tables import Footage
from service.storage.uploads import copied, delete_copies, full_disk_refused, no_room
from service.tasks.jobs import Jobs
from service.tasks.queue import SubjectTasks, TaskQueue, Work
from service.tasks.task import Priority, QueueFull, Task, TaskKind, bounded_line

MAX_FILES = 100  # brought at a time
MAX_SHARED_FRAMES = 1_000_000  # fingerprints of a library, 36 bytes each: some 140 hours
MAX_LEFT_OUT = 200  # files that are named; more are counted
MAX_WAITING = 20
MAX_WATCHED = 50  # folders that are watched
_PREFIX = ".library-"  # Of the folder of copies, beside the uploads, which are swept


class LeftOut(NamedTuple):
    """A skipped file and the reason."""

    name: str
    error: UnmaskError


class LibraryTask(Task):
    """An addition to a library; its steps are files."""

    added = 0
    known = 0  # files of which fingerprints are kept already
    unread = 0
    left_out: Sequence[LeftOut] = ()
    """The first of those that were not read. This and the numbers are known where it runs."""
    passed_over: Sequence[PassedOver] = ()

    @property
    def folder(self) -> str:
        """Return the folder that is scanned; empty for uploads."""
        return str(self.params.get("folder", ""))

    def leave_out(self, path: Path | str, error: UnmaskError) -> None:
        """Record a skipped file."""
        self.unread += 1
        if len(self.left_out) < MAX_LEFT_OUT:
            self.left_out = (*self.left_out, LeftOut(os.fspath(path), error))


_ReadFiles = Callable[[Sequence[tuple[Path, str]], LibraryTask], None]
"""Given the copies of what was brought, each with its name."""


class KnownFootage(SubjectTasks[LibraryTask]):
    """Additions to the libraries of a server; `library` is a callable, as its import takes time."""

    def __init__(
        self, tasks: TaskQueue, store: FootageStore, library: Callable[[], Library], jobs: Jobs
    ) -> None:
        self.store, self._library = store, library
        self._uploads, self._records = jobs.uploads, jobs.store
        self._watcher: FolderWatcher | None = None
        self._starting = threading.Lock()
        kind = TaskKind(
            "library",
            Priority.BATCH,
            1.0,
            LibraryTask,
            max_running=2,
            refuse=bounded_line(MAX_WAITING),
            on_end=lambda task, state, fault: self._delete_files(task),
            on_interrupted=self._delete_files,
            min_steps=3,
            min_seconds=2.0,
            canceled=_("You stopped it. What was added stays."),
            interrupted=_("The server stopped before this was done. What was added stays."),
            failed=_("Something went wrong here, not with your files. The log says more."),
        )
        super().__init__(tasks, kind)

    def add_folder(self, context: RequestContext, folder: str) -> LibraryTask:
        """Add the files of a folder of this computer, except known ones. Raise as `folder_of` does,
        or QueueFull while another addition runs."""
        path = Path(folder_of(context, folder))
        task = self._new(context.principal, {"folder": os.fspath(path)})
        return self._submit(context.principal, task, partial(self._look_through, path))

    def add_files(self, context: RequestContext, files: Sequence[IncomingFile]) -> LibraryTask:
        """Add uploaded files without storing them. Raise QueueFull or InputError."""
        if len(files) > MAX_FILES:
            text = _("At most {number} files at a time.").format(number=MAX_FILES)
            raise InputError(text, code="too_many_files")
        largest = max((file.size or 0 for file in files), default=0)
        with limits.taking(context, largest, len(files)):
            return self._take(context.principal, files, self._read)

    def add_prints(self, context: RequestContext, file: IncomingFile) -> LibraryTask:
        """Import exported fingerprints. Raise QueueFull or InputError."""
        with limits.taking(context, file.size):
            return self._take(context.principal, [file], self._import)

    def export(self, owner: str) -> bytes:
        """Return all of a person's known footage as an export file."""
        return b"".join(self._library().export(owner))

    # --- folders that are watched -----------------------------------------------------------------

    def watched(self) -> tuple[str, ...]:
        """Return the watched folders of this computer's owner."""
        return self._records.preferences(LOCAL.id).watched

    def watch_state(self, folder: str) -> WatchState | None:
        """Return the state of a watched folder; None if it is not watched."""
        watcher = self._watcher
        return watcher.state(folder) if watcher and folder in self.watched() else None

    def watch(self, context: RequestContext, folder: str, *, on: bool) -> None:
        """Start or stop watching a folder of this computer for new files. Raise as `folder_of`
        does, or InputError if too many folders are watched."""
        path = folder_of(context, folder) if on else folder
        store = self._records
        with self._starting:
            chosen = store.preferences(LOCAL.id)
            folders = [one for one in chosen.watched if one != path] + [path] * on
            if len(folders) > MAX_WATCHED:
                most = _("At most {number} folders are watched.").format(number=MAX_WATCHED)
                raise InputError(most, hint=_("Stop watching another one."))
            save = chosen.model_copy(update={"watched": tuple(folders)})
            store.save_preferences(LOCAL.id, save)
        self.watch_folders()

    def watch_folders(self) -> None:
        """Watch the folders, if there are any, until `close`."""
        if self._watcher is None and not self.watched():
            return
        with self._starting:
            if self._watcher is None:
                watcher = FolderWatcher(self._library, LOCAL.id, self.watched)
                self._tasks.run_in_background("watch", watcher.run, watcher.close)
                self._watcher = watcher
        self._watcher.wake()

    def close(self) -> None:
        """Stop watching folders."""
        if self._watcher is not None:
            self._watcher.close()

    # --- the work ---------------------------------------------------------------------------------

    def _look_through(self, folder: Path, task: LibraryTask) -> None:
        library, source, found = self._library(), source_of(folder), []

        def unlisted(path: Path, error: UnmaskError) -> None:
            inside = path.is_relative_to(folder)
            task.leave_out(path.relative_to(folder).as_posix() if inside else path, error)

        passed = list[PassedOver]()
        task.passed_over = passed
        for path in media_in(folder, unlisted, paths.data(), passed.append):
            found.append(path)
            task.on_progress(0, 0)
            if len(found) > MAX_FOOTAGE:
                most = _("This folder holds more than {number} files.")
                raise InputError(most.format(number=numeral(MAX_FOOTAGE)))
        new = library.unseen(task.owner, source, found)
        task.known = len(found) - len(new)
        self._add(task, {path: path.relative_to(folder).as_posix() for path in new}, source)

    def _read(self, files: Sequence[tuple[Path, str]], task: LibraryTask) -> None:
        self._add(task, dict(files), UPLOADED, brought=True)

    def _import(self, files: Sequence[tuple[Path, str]], task: LibraryTask) -> None:
        [(path, _name)] = files
        with path.open("rb") as file:
            task.added, task.known = self._library().import_prints(
                task.owner, file, max_frames=self._room(task.owner), on_progress=task.on_progress
            )

    def _add(
        self, task: LibraryTask, files: Mapping[Path, str], source: str, *, brought: bool = False
    ) -> None:
        """Add files under their owner's names, record unreadable ones, delete uploads once read."""
        done = 0

        def on_file(path: Path, footage: Footage | None, error: MediaError | None) -> None:
            nonlocal done
            if error is not None:
                task.leave_out(files[path], error)
            else:
                task.added += footage is not None
                task.known += footage is None
            if brought:
                path.unlink(missing_ok=True)
            done += 1
            go_on()

        def go_on() -> None:
            task.on_progress(done, len(files))
            if brought and done < len(files) and self._room(task.owner) <= 0:
                raise full_of_frames()

        go_on()
        names = files if brought else {}
        self._library().add_files(
            task.owner, files, source, on_file, names=names, cancel=task.cancel
        )

    def _room(self, owner: str) -> float:
        """Return how many fingerprints a person may add; any number at this computer."""
        if owner == LOCAL.id:
            return math.inf
        return MAX_SHARED_FRAMES - sum(one.frames for one in self.store.sources(owner))

    # --- one thing at a time ----------------------------------------------------------------------

    def _take(
        self, principal: Principal, files: Sequence[IncomingFile], work: _ReadFiles
    ) -> LibraryTask:
        """Copy uploads to disk and start the task."""
        self._refuse_second(principal)
        if not self._uploads.has_room(sum(file.size or 0 for file in files)):
            raise no_room()
        sources = [(file.name, file.source) for file in files]
        with full_disk_refused():
            copies = copied(sources, self._uploads.root, _PREFIX)
        task = self._new(principal, {"uploads": copies[0].parent.name} if copies else {})
        named = [(path, file.name) for path, file in zip(copies, files, strict=True)]
        try:
            return self._submit(principal, task, partial(work, named))
        except BaseException:
            self._delete_files(task)
            raise

    def _new(self, principal: Principal, params: dict[str, Any]) -> LibraryTask:
        # Its subject is whose it is: an administrator, who sees the tasks of all, is not given
        # another's.
        return LibraryTask(self.kind, principal.id, subject=principal.id, params=params)

    def _submit(
        self, principal: Principal, task: LibraryTask, work: Work[LibraryTask]
    ) -> LibraryTask:
        self._refuse_second(principal)
        if self._tasks.submit(task, work, once_for=principal) is not task:
            raise _busy()
        return task

    def _refuse_second(self, principal: Principal) -> None:
        known = self.find(principal.id, principal)
        if known is not None and known.active:
            raise _busy()

    def _delete_files(self, task: Task) -> None:
        delete_copies(self._uploads.root, _PREFIX, str(task.params.get("uploads", "")))


def may_name_folders(context: RequestContext) -> bool:
    """Return whether the caller may name a folder of this computer: its owner only."""
    return context.loopback and context.principal.kind is PrincipalKind.LOCAL


def folder_of(context: RequestContext, folder: str) -> str:
    """Return the path of a folder of this computer. Raise NotAllowed if the caller is not at this
    computer, InputError if there is no such folder or it is Unmask's own."""
    if not may_name_folders(context):
        raise limits.NotAllowed(_("Only who sits at this computer may name its folders."))
    text = folder.strip().strip("\"'")
    missing = InputError(_("There is no folder {folder}.").format(folder=text), code="not_found")
    try:
        path = Path(text).expanduser()
        if not path.is_absolute():
            hint = _("Write its whole path, from / or a drive on.")
            raise InputError(missing.message, code="not_found", hint=hint)
        path = path.resolve()
        if not path.is_dir():
            raise missing
    except (OSError, RuntimeError, ValueError):
        raise missing from None
    if path.is_relative_to(paths.data().resolve()):
        raise InputError(_("In this folder Unmask keeps its own files."), code="own_folder")
    return os.fspath(path)


def _busy() -> QueueFull:
    text, hint = _("Footage is being added already."), _("Wait for it, or stop it.")
    return QueueFull(text, hint=hint)
