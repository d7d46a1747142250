"""Copies of files that no browser plays, for the player; the file itself is what is analyzed.

A copy is made the first time a page wants it, one at a time, by the confined reader, and lies
beside the file under a hidden name: it is never taken for the file, and is deleted with it.
"""

from __future__ import annotations

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
_COMING = ".playable.coming"


class Previews:
    """Makes copies in the background. Safe to use from several threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._lock = threading.Lock()
        self._making: set[Path] = set()
        self._refused: set[Path] = set()

    def of(self, path: Path, info: Media) -> Path | None:
        """The copy of a kept file, or None while there is none; then one is on its way, unless
        this file gets none."""
        copy = path.parent / NAME
        if copy.is_file():
            return copy
        with self._lock:
            if path not in self._making and path not in self._refused and path.is_file():
                self._making.add(path)
                self._pool.submit(self._make, path, info)
        return None

    def pending(self, path: Path) -> bool:
        """Whether a copy is on its way."""
        with self._lock:
            return path in self._making

    def _make(self, path: Path, info: Media) -> None:
        coming = path.parent / _COMING
        try:
            with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
                made = media.playable(path, info, Path(folder))
                # What is added must not make the upload look younger: it would be kept longer.
                before = path.parent.stat()
                shutil.copyfile(made, coming)
                file = path.stat()
                os.utime(coming, ns=(file.st_atime_ns, file.st_mtime_ns))
                coming.replace(path.parent / NAME)
                os.utime(path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
        except (UnmaskError, OSError) as error:
            log.info("no playable copy: %s", error)
            coming.unlink(missing_ok=True)
            with self._lock:
                self._refused.add(path)
        finally:
            with self._lock:
                self._making.discard(path)


@lru_cache(maxsize=1)
def previews() -> Previews:
    """Those of this server."""
    return Previews()
