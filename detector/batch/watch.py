"""Watched folder: files are analyzed once they have stopped growing."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from detector.batch.source import files
from detector.errors import MediaError
from detector.schema.passed_over import PassedOver
from detector.sentences import _


class FolderWatch:
    """Passes new or changed files of a folder to `take` once their size and time are the same in
    two polls, without those that are passed over by their place. `leave_out`: folder of results in
    it."""

    def __init__(
        self,
        folder: Path,
        leave_out: Path,
        take: Callable[[list[Path]], object],
        on_passed_over: Callable[[list[PassedOver]], object] = lambda found: None,
    ) -> None:
        self._folder, self._leave_out, self._take = folder, leave_out, take
        self._on_passed_over, self._passed = on_passed_over, dict[str, PassedOver]()
        self._counted = False
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
        if not self._counted or self._now.keys() != before.keys():
            self._count()
        settled = [path for path, state in self._now.items() if before.get(path) == state]
        if ready := [path for path in settled if self._finished.get(path) != self._now[path]]:
            self._take(ready)
            self._finished.update({path: self._now[path] for path in ready})

    def _count(self) -> None:
        """Report what is passed over by its place and was not reported so before."""
        found = list[PassedOver]()
        deque(files(self._folder, self._leave_out, on_passed_over=found.append), maxlen=0)
        if new := [one for one in found if self._passed.get(one.name) != one]:
            self._passed.update((one.name, one) for one in new)
            self._on_passed_over(new)
        self._counted = True

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
