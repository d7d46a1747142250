"""Footage that is added to a library, a file at a time."""

from __future__ import annotations

from pathlib import Path

from detector.errors import MediaError
from service.library.catalog import UPLOADED, Library
from service.records.footage import Footage


def add_file(library: Library, owner: str, path: Path, source: str = UPLOADED) -> Footage | None:
    """What a file became; None where its content is known already.

    Raises
    ------
    MediaError, InputError
        It can't be read; it has no picture; the library is full.
    """
    told: list[tuple[Footage | None, MediaError | None]] = []
    library.add_files(
        owner, [path], source, lambda _path, footage, error: told.append((footage, error))
    )
    [(footage, error)] = told
    if error is not None:
        raise error
    return footage
