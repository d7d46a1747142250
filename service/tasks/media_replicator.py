"""Replication of media to the Supabase project's bucket, for another server or an empty disk.

A copy is stored as long as its record (UNMASK_SUPABASE_MEDIA); otherwise media is on this server
alone. Copies are made in the background, one at a time; a failed copy fails nothing else. A lost
one is made by the next page that wants it: its account's token went with the server.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from detector import paths
from detector.errors import UnmaskError
from service.config import get_config
from service.context import SYSTEM
from service.records.model import ErrorReport, Record, State
from service.records.store import Store
from service.storage.uploads import Uploads
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, Task, TaskKind

log = logging.getLogger(__name__)


class MediaReplicator:
    """The replication of one server; a no-op for stores without media."""

    def __init__(self, tasks: TaskQueue) -> None:
        self._tasks = tasks
        tasks.register(KIND)
        self._has_none: set[str] = set()

    def keep(self, store: Store, record: Record, file: Path) -> None:
        """Copy a record's file to the bucket in the background."""
        keep_media: Any = getattr(store, "keep_media", None)
        if keep_media is not None and get_config().supabase_media and file.is_file():
            self._submit(record, lambda: keep_media(record.owner, record.id, file))

    def bring(self, store: Store, record: Record, uploads: Uploads) -> None:
        """Fetch a record's missing file from the bucket in the background."""
        fetch_media: Any = getattr(store, "fetch_media", None)
        if fetch_media is None or not get_config().supabase_media or record.id in self._has_none:
            return
        if not record.size or uploads.has(record.id):
            return

        def work() -> None:
            with TemporaryDirectory(prefix=".copy-", dir=uploads.root) as name:
                folder = Path(name)
                if not fetch_media(record.owner, record.id, folder):
                    self._has_none.add(record.id)
                    return
                (copy,) = folder.iterdir()
                if paths.sha256(copy) != record.sha256:
                    # An account fills its part of the bucket itself.
                    self._has_none.add(record.id)
                    log.warning("a copy of media is another file than its record says")
                    return
                target = uploads.root / record.id
                target.mkdir(mode=0o700, exist_ok=True)
                copy.replace(target / copy.name)

        self._submit(record, work)

    def _submit(self, record: Record, work: Callable[[], object]) -> None:
        def run(task: Task) -> None:
            try:
                work()
            except OSError as error:  # its path and name are not for a log
                raise OSError(error.errno, error.strerror) from None

        task = Task(KIND, record.owner, subject=record.id)
        with suppress(UnmaskError):  # a page asks again with each run of its script
            self._tasks.submit(task, run, once_for=SYSTEM)


def _log_failure(task: Task, state: State, fault: ErrorReport | None) -> None:
    if fault is not None:
        log.warning("a copy of media failed: %s", fault.problem.code)


KIND = TaskKind("media", Priority.BATCH, 0.0, Task, max_running=1, on_end=_log_failure)
