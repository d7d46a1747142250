"""One file of a batch, wherever it lies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detector.errors import InputError
from detector.links import is_link, name_of
from detector.schema.analysis import ErrorDetail
from detector.schema.origin import FileSource

Opener = Callable[[Path], Path]
"""A folder that the file may be unpacked to -> the path of the file, to be read from now on."""


@dataclass(frozen=True)
class Entry:
    """A file to analyze, or why one that was listed can't be."""

    name: str  # unique in its source and the same each time: results are matched by it
    open: Opener  # brings the file to where it can be read; raises InputError
    page: int | None = None  # of the document that the picture is in, from 1
    error: ErrorDetail | None = None  # `open` raises it
    size: int | None = None  # bytes, as far as known before it is opened
    source: FileSource | None = None  # the document that it stands in

    @property
    def title(self) -> str:
        """Return what a result calls the file: without its folders, or what else stands in an
        address."""
        return name_of(self.name) if is_link(self.name) else Path(self.name).name


def of_path(name: str, path: Path) -> Entry:
    """Return the entry of a file on this machine."""
    return Entry(name, lambda _: path)


def failed(name: str, error: InputError) -> Entry:
    """Return the entry of what can't be opened."""

    def refuse(_folder: Path) -> Path:
        raise error

    return Entry(name, refuse, error=detail(error))


def detail(error: InputError) -> ErrorDetail:
    """Return an error as results keep it."""
    return ErrorDetail(code=error.code, message=error.message, hint=error.hint)
