"""Playable copies of files that no browser plays, for the player; the file itself is what is
analyzed.

A copy is made when a page first needs it, one at a time, by the sandboxed reader. It lies beside
the file under a hidden name, so it is never taken for the file, and is deleted with it.
"""

import logging
import os
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from detector import media
from detector.errors import UnmaskError
from detector.schema.analysis import Media

log = logging.getLogger(__name__)

NAME = ".playable.webm"
_PARTIAL = ".playable.partial"


class Previews:
    """Background creation of playable copies. Thread-safe."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._lock = threading.Lock()
        self._pending: set[Path] = set()
        self._refused: set[Path] = set()

    def of(self, path: Path, info: Media) -> Path | None:
        """Return a file's copy; None while it is being prepared or if there can't be one."""
        copy = path.parent / NAME
        if copy.is_file():
            return copy
        with self._lock:
            if path not in self._pending and path not in self._refused and path.is_file():
                self._pending.add(path)
                self._pool.submit(self._make, path, info)
        return None

    def pending(self, path: Path) -> bool:
        """Return whether a copy is being prepared."""
        with self._lock:
            return path in self._pending

    def _make(self, path: Path, info: Media) -> None:
        partial = path.parent / _PARTIAL
        try:
            with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
                copy = media.playable(path, info, Path(folder))
                # What is added must not make the upload look younger: it would be kept longer.
                before = path.parent.stat()
                shutil.copyfile(copy, partial)
                file = path.stat()
                os.utime(partial, ns=(file.st_atime_ns, file.st_mtime_ns))
                partial.replace(path.parent / NAME)
                os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
        except (UnmaskError, OSError) as error:
            log.info("no playable copy: %s", error)
            partial.unlink(missing_ok=True)
            with self._lock:
                self._refused.add(path)
        finally:
            with self._lock:
                self._pending.discard(path)


@lru_cache(maxsize=1)
def previews() -> Previews:
    """Return the previews of this server."""
    return Previews()
