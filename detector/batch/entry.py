"""One file of a batch, wherever it lies."""

from __future__ import annotations

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
    """A file to analyze, or why one that was listed can't be.

    Attributes
    ----------
    name : str
        One in its source, and the same each time it is read: results are found again by it.
    open : callable, optional
        Brings the file to where it can be read. Raises MediaError.
    page : int, optional
        Of the document that the picture stands in, from 1.
    error : ErrorDetail, optional
        Instead of `open`.
    size : int, optional
        Bytes that it has, as far as is known before it is opened.
    source : FileSource, optional
        The document that it stands in.
    """

    name: str
    open: Opener | None = None
    page: int | None = None
    error: ErrorDetail | None = None
    size: int | None = None
    source: FileSource | None = None

    @property
    def title(self) -> str:
        """What a result calls the file: without its folders, or what else stands in an address."""
        return name_of(self.name) if is_link(self.name) else Path(self.name).name


def of_path(name: str, path: Path) -> Entry:
    """Return the entry of a file on this machine."""
    return Entry(name, lambda _: path)


def failed(name: str, error: InputError) -> Entry:
    """Return the entry of what can't be opened."""
    return Entry(name, error=detail(error))


def detail(error: InputError) -> ErrorDetail:
    """Return an error as results keep it."""
    return ErrorDetail(code=error.code, message=error.message, hint=error.hint)
