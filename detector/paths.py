"""Folders of the bundled weights and of the data, and atomic writes and locks of small files.

Callers create their folders.
"""

import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

log = logging.getLogger(__name__)

RECORDS = "unmask.db"
"""Database in the data folder: records of the dashboard and the API, and the library of footage."""
_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def bundled() -> Path:
    """Return the folder of the manifest, the bundled weights and their cards: `weights/` in a
    checkout, else the copy in the wheel."""
    carried = _PACKAGE / "_weights"
    return carried if carried.is_dir() else _CHECKOUT / "weights"


def bundled_file(name: str) -> Path:
    """Return the path of a bundled weight file; large ones may be in `unmask-weights`."""
    path = bundled() / name
    if not path.is_file() and (package := find_spec("unmask_weights")):
        for folder in package.submodule_search_locations or ():
            path = Path(folder) / name
    return path


def checkout() -> Path | None:
    """Return the checkout this code runs from, or None when it is an installed package."""
    return _CHECKOUT if (_CHECKOUT / "weights" / "manifest.toml").is_file() else None


def data() -> Path:
    """Return the folder for files that are downloaded or created at run time: UNMASK_DATA, else
    `data/` in a checkout, else the platform's data folder."""
    from detector.config import get_config  # deferred: imports pydantic

    if chosen := get_config().data:
        return _resolved(chosen.expanduser().absolute())
    if root := checkout():
        return root / "data"
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "unmask"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "unmask"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "unmask"


def weights() -> Path:
    """Return the folder of downloaded and own weights."""
    return data() / "weights"


@lru_cache(maxsize=8)
def _resolved(folder: Path) -> Path:
    # Accesses the disk for each part of the path; pages call it many times a second.
    return folder.resolve()


def write(path: Path, content: str | bytes) -> None:
    """Write a file durably and atomically, also with concurrent readers and writers.

    Its folder has to exist: a deleted one must not reappear.

    Raises
    ------
    OSError
        Writing failed; an earlier file is unchanged, and nothing is left behind."""
    fresh = _unfinished(path)
    try:
        with fresh.open("wb") as file:
            _write_through(file, content if isinstance(content, bytes) else content.encode())
        if path.exists():
            shutil.copymode(path, fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def is_unfinished(name: str) -> bool:
    """Return whether a file of this name was being written by `write` or `write_new`."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}", name) is not None


def _write_through(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's directory entries to the disk, if the system can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_new(path: Path, content: bytes) -> None:
    """Write a secret atomically, readable by this user alone, unless it exists; raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _unfinished(path)
    try:
        with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            _write_through(file, content)
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str], wait: bool) -> None:
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                return
            except OSError as error:
                if not wait:
                    raise BlockingIOError from error
                time.sleep(0.05)
else:
    import fcntl

    _NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)
    """Errors of file systems without locks: shares by SMB, NFS and FUSE"""

    def _lock(file: IO[str], wait: bool) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log.warning("the file system of %s has no locks", file.name)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Lock a file, creating it if need be; the system releases it with the process. Without `wait`,
    raise BlockingIOError if another process or thread has it."""
    with path.open("a") as file:
        _lock(file, wait)
        yield


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return a small JSON object; an empty one if it can't be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError):
        return {}


def write_json(path: Path, tree: dict[str, Any]) -> None:
    """Write a JSON object as `write` does, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(tree, indent=2) + "\n")
