"""A folder that files arrive in: each is analyzed once it has stopped growing."""

from __future__ import annotations

import threading
from pathlib import Path

from detector.batch.engine import BatchRun
from detector.batch.options import OnEntry
from detector.batch.source import files, no_media, of_files
from detector.errors import Canceled, MediaError

EVERY = 2.0
"""s between two looks at the folder; a file that is the same in both has stopped growing."""

_State = tuple[int, int]
"""Size in bytes, time of the last change in ns."""


def watch(
    batch: BatchRun,
    folder: Path,
    stop: threading.Event,
    *,
    every: float = EVERY,
    on_entry: OnEntry | None = None,
) -> None:
    """Analyze what is in a folder and what comes into it, until `stop` is set.

    A file that changes later is analyzed again, and its new result takes the place of the old one.

    Raises
    ------
    MediaError
        There is no such folder, or it is gone.
    DiskFull
    """
    before: dict[Path, _State] = {}
    finished: dict[Path, _State] = {}
    while not stop.is_set():
        if not folder.is_dir():
            raise MediaError(f"There is no folder {folder}.", code="not_found")
        now = _states(folder, batch.out)
        ready = [p for p, s in now.items() if before.get(p) == s and finished.get(p) != s]
        if ready:
            try:
                batch.run(of_files(folder, ready).entries, on_entry, cancel=stop)
            except Canceled:
                return
            finished.update({path: now[path] for path in ready})
        before = now
        stop.wait(every)


def _states(folder: Path, leave_out: Path) -> dict[Path, _State]:
    states = {}
    for path in files(folder, leave_out):
        try:
            info = path.stat()
        except OSError:  # gone again
            continue
        if info.st_size and not no_media(path.name):
            states[path] = info.st_size, info.st_mtime_ns
    return states
