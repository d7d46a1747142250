"""How a file comes to a worker: it is read where it lies where the worker sees it under the same
path (one machine, a shared disk, a mounted bucket), and else goes through Ray's object store.

A path counts only where the content behind it is the same. In the object store a file is a list of
pieces, which Ray moves from machine to machine, and to its disk where memory ends.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detector.errors import MediaError
from detector.media.files import open_file, sha256

PIECE_BYTES = 16 * 1024**2
_PREFIX = "unmask-ray-"


def put(path: Path) -> list[Any]:
    """Put a file into the object store; return its pieces in order, which keep it there."""
    import ray

    with open_file(path) as file:
        return [ray.put(piece) for piece in iter(lambda: file.read(PIECE_BYTES), b"")]


@contextlib.contextmanager
def received(path: Path, digest: str, pieces: list[Any] | None) -> Iterator[Path | None]:
    """Yield where a worker can read a file; None if it neither sees nor was sent it."""
    if pieces is None:
        yield path if _same(path, digest) else None
        return
    import ray

    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        # Its ending stays: what a file is called is never believed, but some readers look.
        target = folder / f"media{path.suffix[:8]}"
        with target.open("wb") as file:
            for piece in pieces:
                file.write(ray.get(piece))
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Delete what workers that were killed left on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _same(path: Path, digest: str) -> bool:
    try:
        with open_file(path) as file:
            return sha256(file) == digest
    except (MediaError, OSError):
        return False
