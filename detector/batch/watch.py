"""Watched folder: files are analyzed once they have stopped growing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from detector.batch.source import files
from detector.errors import MediaError
from detector.sentences import _


class FolderWatch:
    """Passes new or changed files of a folder to `take` once their size and time are the same in
    two polls, without those that are passed over by their place. `leave_out`: folder of results in
    it."""

    def __init__(self, folder: Path, leave_out: Path, take: Callable[[list[Path]], object]) -> None:
        self._folder, self._leave_out, self._take = folder, leave_out, take
        self._now: dict[Path, tuple[int, int]] = {}
        self._finished: dict[Path, tuple[int, int]] = {}

    def look(self) -> None:
        """Poll once; raise MediaError if there is no such folder, and the errors of `take`, which
        then gets the same files again."""
        if not self._folder.is_dir():
            raise MediaError(
                _("There is no folder {folder}.").format(folder=self._folder), code="not_found"
            )
        before, self._now = self._now, dict(self._states())
        settled = [path for path, state in self._now.items() if before.get(path) == state]
        if ready := [path for path in settled if self._finished.get(path) != self._now[path]]:
            self._take(ready)
            self._finished.update({path: self._now[path] for path in ready})

    def run(self, stop: threading.Event, every: float) -> None:
        """Poll `every` s until `stop` is set; raise as `look`."""
        while not stop.is_set():
            self.look()
            stop.wait(every)

    def _states(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        for path in files(self._folder, self._leave_out):
            with suppress(OSError):  # deleted meanwhile
                info = path.stat()
                if info.st_size:
                    yield path, (info.st_size, info.st_mtime_ns)
