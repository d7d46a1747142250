"""A person's library of known footage: what is added to it, and what is looked up in it."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from detector import media
from detector.batch.source import files, no_media
from detector.comparison.fingerprints import Fingerprints, fingerprint
from detector.errors import InputError, MediaError
from detector.schema.analysis import Media
from service.library import exchange
from service.library.index import LibraryMatch, PrintIndex
from service.messages import _
from service.records.footage import Footage, FootageStore, Prints

log = logging.getLogger(__name__)

UPLOADED, IMPORTED = "upload", "import"
"""Where footage comes from that is in no folder."""
MAX_INDEXES = 4
"""owners whose fingerprints stay in memory"""

OnFile = Callable[[Path, Footage | None, MediaError | None], None]
"""Called with each file of a folder: what it became, None where it is known; or what is wrong."""


class Library:
    """The known footage of a server's people, each their own alone."""

    def __init__(self, store: FootageStore) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._indexes: OrderedDict[str, tuple[str, PrintIndex]] = OrderedDict()

    def add_file(
        self,
        owner: str,
        path: Path,
        *,
        name: str = "",
        source: str = UPLOADED,
        about: Media | None = None,
        cancel: threading.Event | None = None,
    ) -> Footage | None:
        """Keep the fingerprints of a file; None where its content is known already.

        Raises
        ------
        MediaError, Canceled, InputError
            It can't be read; it has no picture; the library is full.
        """
        about = about or media.probe(path, name=name or None)
        if self.store.knows(owner, about.sha256):
            self.store.promote(owner, about.sha256, source)
            return None
        return self.add_prints(owner, fingerprint(path, about, cancel=cancel), about, source)

    def add_prints(
        self, owner: str, prints: Fingerprints, about: Media, source: str
    ) -> Footage | None:
        """Keep fingerprints that were taken; None and raise as `add_file`."""
        if not len(prints.times):
            text = _("There is no picture to know it again by.")
            raise MediaError(text, code="no_picture")
        kept, before = Prints(prints.times, prints.hashes), self.store.version(owner)
        added = self.store.add(
            owner, about.name, kept, sha256=about.sha256,
            source=source, size=about.size, duration=about.duration,
        )  # fmt: skip
        if added is not None:
            self._extend(owner, before, added, kept)
        return added

    def add_folder(
        self,
        owner: str,
        folder: Path,
        on_file: OnFile = lambda path, footage, error: None,
        *,
        only: Collection[Path] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        """Keep the fingerprints of all media in a folder and the folders in it; what can't be read
        is told and left out.

        Raises
        ------
        InputError, Canceled
            There is no such folder; the library is full.
        """
        if not folder.is_dir():
            raise InputError(_("There is no folder {folder}.").format(folder=folder))
        for path in files(folder):
            if no_media(path.name) or (only is not None and path not in only):
                continue
            try:
                source = os.fspath(folder.resolve())
                on_file(path, self.add_file(owner, path, source=source, cancel=cancel), None)
            except MediaError as error:
                on_file(path, None, error)

    def search(self, owner: str, prints: Fingerprints, *, without: str = "") -> list[LibraryMatch]:
        """Return the owner's known footage that a file shares pictures with, the most alike first;
        without that of the sha256 `without`."""
        return self._index(owner).search(prints, without=without)

    def export(self, owner: str) -> Iterator[bytes]:
        """Yield all of the owner's fingerprints as a file for others."""
        return exchange.write(self.store.prints(owner))

    def import_prints(self, owner: str, file: BinaryIO) -> tuple[int, int]:
        """Keep the fingerprints of a file of others; of a damaged one, none. Return how many are
        new, and how many were known.

        Raises
        ------
        InputError
            As `exchange.read`; the library is full.
        """
        for _checked in exchange.read(file):
            pass
        file.seek(0)
        new = known = 0
        for shared, prints in exchange.read(file):
            added = self.store.add(
                owner, shared.name, prints, sha256=shared.sha256, source=IMPORTED,
                size=shared.size, duration=shared.duration,
            )  # fmt: skip
            new, known = new + (added is not None), known + (added is None)
        return new, known

    def _extend(
        self, owner: str, before: tuple[int, str], footage: Footage, prints: Prints
    ) -> None:
        """Add one file to what is in memory: read anew, a large library would take minutes. Where
        somebody else changed it meanwhile, it is read anew all the same."""
        count, version = self.store.version(owner)
        with self._lock:
            kept = self._indexes.get(owner)
            if kept is not None and kept[0] == before[1] and count == before[0] + 1:
                kept[1].add(footage, prints)
                self._indexes[owner] = version, kept[1]

    def _index(self, owner: str) -> PrintIndex:
        """Return all an owner knows, in memory, made anew when it has changed."""
        _count, version = self.store.version(owner)
        with self._lock:
            kept = self._indexes.get(owner)
            if kept is None or kept[0] != version:
                kept = version, PrintIndex(self.store.prints(owner))
                self._indexes[owner] = kept
            self._indexes.move_to_end(owner)
            while len(self._indexes) > MAX_INDEXES:
                self._indexes.popitem(last=False)
            return kept[1]
