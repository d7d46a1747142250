"""Playable copies of files that no browser plays, for the player; the file itself is what is
analyzed.

A copy is made when a page first needs it, one at a time, by the sandboxed reader. It lies beside
the file under a hidden name, so it is never taken for the file, and is deleted with it.
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

from detector import media
from detector.schema.analysis import Media
from service.context import SYSTEM
from service.records.model import State
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, Task, TaskKind

NAME = ".playable.webm"
_UNFINISHED = ".playable.partial"


class Previews:
    """The playable copies of a server. A task's subject is the file's token, its owner the server:
    several people may look at one file."""

    def __init__(self, tasks: TaskQueue) -> None:
        self._tasks = tasks
        kind = TaskKind("preview", Priority.INTERACTIVE, 1.0, Task, max_running=1)
        self.kind = tasks.register(kind)

    def of(self, path: Path, info: Media) -> Path | None:
        """Return a file's copy; None while it is being prepared or if there can't be one."""
        copy = path.parent / NAME
        if copy.is_file():
            return copy
        known = self._tasks.newest(self.kind, path.parent.name)
        refused = known is not None and known.state in (State.FAILED, State.CANCELED)
        if path.is_file() and not refused and not self.pending(path):
            task = Task(self.kind, SYSTEM.id, subject=path.parent.name)
            self._tasks.submit(task, partial(_make, path, info))
        return None

    def pending(self, path: Path) -> bool:
        """Return whether a copy is being prepared."""
        known = self._tasks.newest(self.kind, path.parent.name)
        return known is not None and known.active


def _make(path: Path, info: Media, task: Task) -> None:
    unfinished = path.parent / _UNFINISHED
    try:
        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            copy = media.playable(path, info, Path(folder), cancel=task.cancel)
            # What is added must not make the upload look younger: it would be kept longer.
            before = path.parent.stat()
            shutil.copyfile(copy, unfinished)
            file = path.stat()
            os.utime(unfinished, ns=(file.st_atime_ns, file.st_mtime_ns))
            unfinished.replace(path.parent / NAME)
            os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    finally:
        unfinished.unlink(missing_ok=True)
