"""Lookup of an analyzed file's original in this computer's library of known footage."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common import line, reading, tell
from detector import paths
from detector.presentation import footage
from detector.schema.analysis import Media
from detector.schema.summary import FoundFootage

if TYPE_CHECKING:
    from service.library.catalog import LocalOriginals


def open_originals(stack: ExitStack) -> LocalOriginals:
    """Open the library, until the stack is closed."""
    from service.library.catalog import LocalOriginals
    from service.records.database import Database, configured

    return LocalOriginals(stack.enter_context(closing(Database(configured()))))


class OriginalFinder(ExitStack):
    """The library for any number of files, open until the end of its context; without lookups it
    finds nothing. Thread-safe; one thread searches at a time."""

    def __init__(self, *, wanted: bool = True) -> None:
        super().__init__()
        self._wanted = wanted
        self._searching = threading.Lock()
        self._originals: LocalOriginals | None = None

    def original_of(self, path: Path, about: Media) -> tuple[Path | None, FoundFootage | None]:
        """Return the file of the best match, if it is there, and the match; None if there is none,
        or no library."""
        if about.kind == "audio" or not (paths.data() / paths.RECORDS).is_file():
            return None, None
        with self._searching:
            originals = self._library()
            try:
                answer = originals.find(path, about) if originals else None
            except Exception:  # a library that fails spoils no analysis
                answer = None
        found, original = answer or (None, None)
        return original, found

    def _library(self) -> LocalOriginals | None:
        """Return the library, opened once; None if that failed, or its extra is missing."""
        if self._wanted and self._originals is None:
            try:
                self._originals = open_originals(self)
            except (Exception, SystemExit):  # SystemExit: a variable of the server is wrong
                self._wanted = False
        return self._originals


def tell_match(found: FoundFootage | None) -> None:
    """Print the match of an analyzed file, if there is one."""
    if found is not None:
        with reading():
            tell(f"  {line(footage.line(found))}")
