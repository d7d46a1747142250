"""Where things are kept on this computer: the bundled weights, and the data folder; and the one way
to write a small file, and to lock one.

No folder is created here but for a secret; who writes makes its own.
"""

import hashlib
import json
import os
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

RECORDS = "unmask.db"
"""In the data folder: what the dashboard and the API keep, with the library of known footage."""
_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def bundled() -> Path:
    """Return folder of the manifest, the bundled weights and their cards.

    `weights/` in a checkout; in an installed package the copy that the wheel carries."""
    carried = _PACKAGE / "_weights"
    return carried if carried.is_dir() else _CHECKOUT / "weights"


def bundled_file(name: str) -> Path:
    """Path of a bundled weight file; in an installation the large ones are in `unmask-weights`."""
    path = bundled() / name
    if not path.is_file() and (package := find_spec("unmask_weights")):
        for folder in package.submodule_search_locations or ():
            path = Path(folder) / name
    return path


def checkout() -> Path | None:
    """Return the checkout this code runs from, or None when it is an installed package."""
    return _CHECKOUT if (_CHECKOUT / "weights" / "manifest.toml").is_file() else None


def data() -> Path:
    """Return folder for what is downloaded or made at run time.

    The environment variable UNMASK_DATA, else `data/` in a checkout, else the platform's folder for
    a program's data."""
    from detector.config import get_config  # later: who needs no folder need not wait for pydantic

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
    """Return the folder of the downloaded weights and of a person's own."""
    return data() / "weights"


@lru_cache(maxsize=8)
def _resolved(folder: Path) -> Path:
    # Looks at the disk for each part of the path, which pages ask for many times a second.
    return folder.resolve()


def write(path: Path, content: str | bytes) -> None:
    """Put a file in the place of an earlier one, through to the disk: atomically, also with
    concurrent readers and writers.

    Its folder has to exist: what was deleted meanwhile must not come back with the file.

    Raises
    ------
    OSError
        The disk refuses; nothing is left behind, and an earlier file stands as it was."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with fresh.open("wb") as file:
            _write_through(file, content if isinstance(content, bytes) else content.encode())
        if path.exists():
            shutil.copymode(path, fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def _write_through(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Write a folder's own list of files through to the disk, where the system knows how."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_new(path: Path, content: bytes) -> None:
    """Write a secret, whole or not at all, for this user alone, unless another process was
    faster; raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
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

    def _lock(file: IO[str], wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Lock a file, which is made if need be and stays; the system releases it with the process.
    Without `wait`, raise BlockingIOError where another process or thread has it."""
    with path.open("a") as file:
        _lock(file, wait)
        yield


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hex; read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return a small JSON object; an empty one where there is none that can be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError):
        return {}


def write_json(path: Path, tree: dict[str, Any]) -> None:
    """Put a JSON object in the place of an earlier one, as `write` does; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(tree, indent=2) + "\n")
