"""Replication of media to the Supabase project's bucket, for another server or an empty disk.

A copy is stored as long as its record (UNMASK_SUPABASE_MEDIA); otherwise media is on this server
alone. Copies are made in the background, one at a time; a failed copy fails nothing else.
"""

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from detector import paths
from detector.errors import InputError
from service.config import get_config
from service.records.model import Record
from service.records.store import Store
from service.storage.uploads import Uploads

log = logging.getLogger(__name__)


class MediaReplicator:
    """The replication of one server; a no-op for stores without media."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="media")
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._has_none: set[str] = set()

    def keep(self, store: Store, record: Record, file: Path) -> Future[None] | None:
        """Copy a record's file to the bucket in the background."""
        keep_media: Any = getattr(store, "keep_media", None)
        if keep_media is None or not get_config().supabase_media or not file.is_file():
            return None
        return self._do(record.id, lambda: keep_media(record.owner, record.id, file))

    def bring(self, store: Store, record: Record, uploads: Uploads) -> Future[None] | None:
        """Fetch a record's missing file from the bucket in the background."""
        fetch_media: Any = getattr(store, "fetch_media", None)
        if fetch_media is None or not get_config().supabase_media or record.id in self._has_none:
            return None
        if not record.size or uploads.has(record.id):
            return None

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

        return self._do(record.id, work)

    def close(self) -> None:
        """Cancel waiting copies."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _do(self, id: str, work: Any) -> Future[None] | None:
        with self._lock:
            if id in self._under_way:  # a page asks again with each run of its script
                return None
            self._under_way.add(id)

        def run() -> None:
            try:
                work()
            except (InputError, OSError) as error:
                # Never a path or a name: this is a log.
                log.warning("a copy of media failed: %s", getattr(error, "code", error.args[:1]))
            finally:
                with self._lock:
                    self._under_way.discard(id)

        return self._pool.submit(run)
