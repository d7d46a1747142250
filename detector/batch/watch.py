"""A folder that files arrive in: each is analyzed once it has stopped growing."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from detector.batch.engine import BatchRun
from detector.batch.options import OnEntry
from detector.batch.source import files, no_media, of_files
from detector.errors import Canceled, MediaError
from detector.sentences import _

EVERY = 2.0  # s between two looks at the folder


class SettledFiles:
    """The files of a folder that have stopped growing: the same size and time in two looks."""

    def __init__(self, folder: Path, leave_out: Path) -> None:
        self._folder, self._leave_out = folder, leave_out
        self._now: dict[Path, tuple[int, int]] = {}
        self._finished: dict[Path, tuple[int, int]] = {}

    def look(self) -> list[Path]:
        """Return the settled media files that are new or changed; raise MediaError."""
        if not self._folder.is_dir():
            raise MediaError(
                _("There is no folder {folder}.").format(folder=self._folder), code="not_found"
            )
        before, self._now = self._now, dict(self._states())
        settled = [path for path, state in self._now.items() if before.get(path) == state]
        return [path for path in settled if self._finished.get(path) != self._now[path]]

    def finish(self, paths: Iterable[Path]) -> None:
        """Leave files out of later looks until they change."""
        self._finished.update({path: self._now[path] for path in paths})

    def _states(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        for path in files(self._folder, self._leave_out):
            with suppress(OSError):  # gone again
                info = path.stat()
                if info.st_size and not no_media(path.name):
                    yield path, (info.st_size, info.st_mtime_ns)


def watch(
    batch: BatchRun,
    folder: Path,
    stop: threading.Event,
    *,
    every: float = EVERY,
    on_entry: OnEntry | None = None,
) -> None:
    """Analyze what is in a folder and what comes into it, until `stop` is set; a file that changes
    is analyzed again. Raise MediaError if there is no such folder, or DiskFull."""
    settled = SettledFiles(folder, batch.out)
    while not stop.is_set():
        if ready := settled.look():
            try:
                batch.run(of_files(folder, ready).entries, on_entry, cancel=stop)
            except Canceled:
                return
            settled.finish(ready)
        stop.wait(every)
