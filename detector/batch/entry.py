"""Entry of a batch: one file in a folder, an archive, a document or behind a link."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from detector.errors import InputError, UnmaskError
from detector.links import is_link, name_of
from detector.schema.analysis import ErrorDetail
from detector.schema.origin import FileSource

Opened = tuple[Path, FileSource | None]
Opener = Callable[[Path], Opened]
"""A folder that the file may be unpacked to -> the path of the readable file, and where it was
taken from."""


@dataclass(frozen=True)
class Entry:
    """A file to analyze, or the error of one that can't be opened."""

    name: str  # unique in its source and stable: results are matched by it
    open: Opener  # unpacks or fetches the file if need be; raises InputError
    page: int | None = None  # of the document with the picture, from 1
    error: ErrorDetail | None = None  # raised by `open`
    size: int | None = None  # bytes, if known before it is opened

    @property
    def title(self) -> str:
        """Return the name of the file in its result, without folders or the rest of a URL."""
        return name_of(self.name) if is_link(self.name) else Path(self.name).name


def of_path(name: str, path: Path) -> Entry:
    """Return the entry of a file on this machine."""
    return Entry(name, lambda _: (path, None))


def failed(name: str, error: InputError) -> Entry:
    """Return an entry whose `open` raises this error."""

    def refuse(_folder: Path) -> NoReturn:
        raise error

    return Entry(name, refuse, error=detail(error))


def detail(error: UnmaskError) -> ErrorDetail:
    """Convert an error to its record in a result."""
    return ErrorDetail(code=error.code, message=error.message, hint=error.hint)
