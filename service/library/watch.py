"""Watched folders: each new file is added to the library once it has stopped growing."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from detector import paths
from detector.batch import FolderWatch
from detector.errors import InputError, MediaError, UnmaskError
from detector.schema.passed_over import PassedOver
from detector.sentences import _
from service.library.catalog import Library, OnFile, source_of
from service.records.tables import Footage

log = logging.getLogger(__name__)

EVERY = 60.0  # s between two looks of a server at its folders


def adding(
    library: Library,
    owner: str,
    folder: Path,
    on_file: OnFile = lambda path, footage, error: None,
    cancel: threading.Event | None = None,
    on_passed_over: Callable[[Sequence[PassedOver]], object] = lambda found: None,
) -> FolderWatch:
    """Return a function that adds the new files of a folder to a library, without opening known
    ones that are unchanged. It raises InputError if there is no such folder or the library is full,
    or Canceled."""

    def take(ready: list[Path]) -> None:
        if new := library.unseen(owner, source_of(folder), ready):
            passed = list[PassedOver]()
            library.add_folder(
                owner, folder, on_file, only=set(new), cancel=cancel,
                on_passed_over=lambda one: passed.append(one) if folder / one.name in new else None,
            )  # fmt: skip
            if passed:
                on_passed_over(passed)

    return FolderWatch(folder, paths.data(), take, on_passed_over)


@dataclass
class WatchState:
    """State of a watched folder."""

    looked: datetime | None = None  # when it was last looked at; None: not yet
    added: int = 0  # files, since the server started
    unread: int = 0
    passed_over: int = 0
    error: UnmaskError | None = None  # why the last look ended early


class FolderWatcher:
    """Poller of one owner's folders, one after another. `library` is a callable, since its import
    takes time; `folders` returns the folders to watch."""

    def __init__(
        self,
        library: Callable[[], Library],
        owner: str,
        folders: Callable[[], Sequence[str]],
        every: float = EVERY,
    ) -> None:
        self._library, self._owner, self._folders = library, owner, folders
        self._every = every
        self._stop, self._changed = threading.Event(), threading.Event()
        self._states: dict[str, WatchState] = {}

    def state(self, folder: str) -> WatchState:
        """Return the state of a folder."""
        return self._states.get(folder, WatchState())

    def wake(self) -> None:
        """Poll at once, after a change of the watched folders."""
        self._changed.set()

    def close(self) -> None:
        """Stop; a file that is being read is skipped."""
        self._stop.set()
        self._changed.set()

    def run(self) -> None:
        """Poll until `close`."""
        watches: dict[str, FolderWatch] = {}
        while not self._stop.is_set():
            self._changed.clear()
            try:
                watched = list(self._folders())
            except InputError as error:
                log.warning("the watched folders are not known: %s", error.code)
                watched = list(watches)
            watches = {folder: watches.get(folder) or self._watch(folder) for folder in watched}
            self._states = {folder: self.state(folder) for folder in watched}
            for folder, watch in watches.items():
                if not self._stop.is_set():
                    self._look(watch, self._states[folder])
            self._changed.wait(self._every)

    def _watch(self, folder: str) -> FolderWatch:
        def on_file(path: Path, footage: Footage | None, error: MediaError | None) -> None:
            self._states[folder].added += footage is not None
            self._states[folder].unread += error is not None

        def on_passed_over(found: Sequence[PassedOver]) -> None:
            self._states[folder].passed_over += sum(one.files for one in found)

        return adding(
            self._library(), self._owner, Path(folder), on_file, self._stop, on_passed_over
        )

    def _look(self, watch: FolderWatch, state: WatchState) -> None:
        try:
            watch.look()
            state.error = None
        except UnmaskError as error:
            state.error = error
        except Exception:
            log.exception("a watched folder could not be looked at")
            state.error = InputError(_("This folder can’t be read."))
        state.looked = datetime.now(UTC)
