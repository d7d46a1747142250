"""A folder that footage arrives in: each file is added once it has stopped growing."""

from __future__ import annotations

import threading
from pathlib import Path

from detector.batch.source import files, no_media
from detector.errors import InputError
from service.library.catalog import Library, OnFile
from service.messages import _


def watch(
    library: Library,
    owner: str,
    folder: Path,
    stop: threading.Event,
    *,
    every: float,
    on_file: OnFile = lambda path, footage, error: None,
) -> None:
    """Add what is in a folder and what comes into it, until `stop` is set.

    Raises
    ------
    InputError
        There is no such folder, or it is gone; the library is full.
    """
    before: dict[Path, tuple[int, int]] = {}
    finished: dict[Path, tuple[int, int]] = {}
    while not stop.is_set():
        if not folder.is_dir():
            raise InputError(_("There is no folder {folder}.").format(folder=folder))
        now = _states(folder)
        ready = [p for p, state in now.items() if before.get(p) == state != finished.get(p)]
        if ready:
            library.add_folder(owner, folder, on_file, only=set(ready))
            finished.update({path: now[path] for path in ready})
        before = now
        stop.wait(every)


def _states(folder: Path) -> dict[Path, tuple[int, int]]:
    states = {}
    for path in files(folder):
        try:
            info = path.stat()
        except OSError:  # gone again
            continue
        if info.st_size and not no_media(path.name):
            states[path] = info.st_size, info.st_mtime_ns
    return states
