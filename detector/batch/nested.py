"""Files within files of a batch: documents attached to documents, and what they hold."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from detector.batch.entry import Entry, Opened, failed
from detector.batch.listing import Source
from detector.errors import InputError, MediaError
from detector.media.kinds import is_mail
from detector.sentences import _

MAX_FILES = 10_000  # in one document, and in those within it
MAX_DEPTH = 2  # documents in documents

Read = Callable[[Path, str, int], Source | None]
"""Path of a file, its name, how deep it lies -> its files; None for one that is no container."""


def is_container(head: bytes) -> bool:
    """Return True if a file that begins so is an archive, a document or a mail."""
    return head.startswith((b"%PDF", b"PK\x03\x04", b"PK\x05\x06")) or is_mail(head)


def too_many() -> MediaError:
    """Return the error for a document with more pictures than are read."""
    text = _("This document has more than {max_files:,} pictures.")
    return MediaError(
        text.format(max_files=MAX_FILES), code="too_many_files", hint=_("Cut it into parts.")
    )


def unfold(outer: Entry, head: bytes, read: Read, depth: int) -> Source:
    """Return the files in an entry that begins with `head` and lies so deep; itself if it is no
    container. What can't be opened is an entry with an error."""
    if not is_container(head):
        return Source([outer])
    if depth >= MAX_DEPTH:
        text = _("This document lies too deep in others, and was not opened.")
        error = MediaError(text, code="nested_archive", hint=_("Unpack it first."))
        return Source([failed(outer.name, error)])
    try:
        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            found = _read(outer, Path(folder), read, depth)
    except InputError as error:
        return Source([failed(outer.name, error)])
    reopen = [replace(e, open=partial(_open, outer, e.name, read, depth)) for e in found.entries]
    return Source(reopen, found.passed_over)


def _read(outer: Entry, folder: Path, read: Read, depth: int) -> Source:
    path, _source = outer.open(folder)
    return read(path, outer.name, depth + 1) or Source([])


def _open(outer: Entry, name: str, read: Read, depth: int, folder: Path) -> Opened:
    below = Path(tempfile.mkdtemp(dir=folder))
    for entry in _read(outer, below, read, depth).entries:
        if entry.name == name:
            return entry.open(folder)
    raise MediaError(_("This document is damaged."), code="bad_archive")
