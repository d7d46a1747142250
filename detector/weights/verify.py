"""Whether a file is the one it should be."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from detector import paths
from detector.errors import WeightsError
from detector.sentences import _

if TYPE_CHECKING:
    from detector.weights.entry import WeightFile

_hashes: dict[tuple[Path, int, int], str] = {}
_hash_lock = threading.Lock()


def verify(path: Path, file: WeightFile, *, remedy: str = "") -> None:
    """Raise WeightsError unless `path` holds exactly the bytes that the model's entry states."""
    actual = digest(path)
    if actual != file.sha256:
        expected = _(f"{file.size:,} bytes with sha256") if file.size is not None else "sha256"
        raise WeightsError(
            f"The weight file {path} is not the one the manifest states: "
            f"expected {expected} {file.sha256}, "
            f"found {path.stat().st_size:,} bytes with sha256 {actual}.",
            code="weights_corrupted",
            hint=remedy,
        )


def digest(path: Path) -> str:
    """sha256 of a file in hex, read in pieces; remembered until its size or time changes."""
    try:
        stat = path.stat()
        key = (path.resolve(), stat.st_size, stat.st_mtime_ns)
        with _hash_lock:
            if key in _hashes:
                return _hashes[key]
        value = paths.sha256(path)
    except OSError as error:
        raise WeightsError(f"The weight file {path} can't be read: {error.strerror}.") from error
    with _hash_lock:
        _hashes[key] = value
    return value


def first_line(error: Exception) -> str:
    """Return what an exception says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
