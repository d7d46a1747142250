"""Lookup of an analyzed file's original in this computer's library of known footage."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from detector import paths
from detector.media.files import one_line, safe_name
from detector.messages.format import clock
from detector.schema.analysis import Media

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

    def original_of(self, path: Path, about: Media) -> tuple[Path | None, str]:
        """Return the best available match for a file, and a line about it; None and "" if there is
        none, or no library."""
        if about.kind == "audio" or not (paths.data() / paths.RECORDS).is_file():
            return None, ""
        with self._searching:
            originals = self._library()
            try:
                answer = originals.find(path, about) if originals else None
            except Exception:  # a library that fails spoils no analysis
                answer = None
        if answer is None:
            return None, ""
        found, original = answer
        seen = "faces, framed otherwise" if found.by_faces else "frames"
        share = f"{found.matched} of {found.asked} looked-for {seen}"
        name, source = safe_name(found.name), one_line(found.source)
        return original, f"  In your library: {name}, from {clock(found.start)} ({share}; {source})"

    def _library(self) -> LocalOriginals | None:
        """Return the library, opened once; None if that failed, or its extra is missing."""
        if self._wanted and self._originals is None:
            try:
                self._originals = open_originals(self)
            except (Exception, SystemExit):  # SystemExit: a variable of the server is wrong
                self._wanted = False
        return self._originals
