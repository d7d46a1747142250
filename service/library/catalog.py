"""A person's library of known footage: adding files, searching, import and export.

Fingerprints are exported and imported without any footage (format: docs/library.md). An imported
file is untrusted: its size is bounded, and it is validated whole before anything is stored.
"""

import base64
import binascii
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import numpy as np
from cachetools import LRUCache
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detector import media
from detector.batch.source import files, why_passed_over
from detector.comparison.fingerprint import (
    HASH_BYTES,
    Fingerprints,
    fingerprint,
    probe_and_fingerprint,
)
from detector.cores import usable_cores
from detector.errors import InputError, MediaError
from detector.media.files import sha256 as hash_of
from detector.schema.analysis import Media
from detector.schema.passed_over import PassedOver
from detector.schema.summary import ANALYSES, MAX_NAME_LENGTH, FoundFootage
from detector.sentences import _
from service.context import LOCAL
from service.library.index import LibraryMatch, PrintIndex
from service.records.database import Database
from service.records.footage import MAX_FOOTAGE, FootageStore, LookupStore, Prints, kept_name
from service.records.tables import Footage

UPLOADED, IMPORTED = "upload", "import"  # Where footage comes from that is in no folder
AT_ONCE = min(8, usable_cores() + 1)
"""files of a folder that are read side by side: a decoder uses one core, and one file more fills
what is left when these wait for one another"""
MAX_INDEXES = 4  # owners whose fingerprints stay in memory

OnFile = Callable[[Path, Footage | None, MediaError | None], None]
"""Called with each file of a folder: what it became, None where it is known; or what is wrong."""


def source_of(folder: Path) -> str:
    """Return a folder's path as the library stores it."""
    return os.fspath(folder.resolve())


def full_of_frames() -> InputError:
    """Return the error of a full library."""
    text = _("That is more footage than a library may hold on this server.")
    return InputError(text, code="library_full", hint=_("Remove some first."))


def media_in(
    folder: Path,
    on_unreadable: Callable[[Path, MediaError], object],
    leave_out: Path | None = None,
    on_passed_over: Callable[[PassedOver], object] = lambda found: None,
    only: Collection[Path] | None = None,
) -> Iterator[Path]:
    """Yield the media files under a folder by name, or `only` these of them, except `leave_out`;
    `on_unreadable` gets entries that can't be listed or lead out of it, `on_passed_over` those that
    are no media. Raise InputError if the folder can't be listed."""
    if not folder.is_dir():
        raise InputError(_("There is no folder {folder}.").format(folder=folder), code="not_found")
    try:
        os.scandir(folder).close()
    except OSError:
        text = _("The folder {folder} can’t be read.").format(folder=folder)
        raise InputError(text, hint=_("Allow Unmask to read it.")) from None

    def unlisted(error: OSError) -> None:
        text = _("This folder can’t be read.")
        on_unreadable(Path(os.fsdecode(error.filename or folder)), MediaError(text))

    root = folder.resolve()
    for path in files(folder, leave_out, unlisted, on_passed_over):
        if only is not None and path not in only:
            continue
        if path.is_symlink() and not _within(path, root):
            text = _("This is a link that leads out of the folder.")
            on_unreadable(path, MediaError(text, code="link"))
            continue
        if (reason := why_passed_over(path)) is not None:
            name = path.relative_to(folder).as_posix()
            on_passed_over(PassedOver(name=name, reason=reason))
            continue
        yield path


def _within(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # links in a circle
        return False


_Read = tuple[Media, Fingerprints] | str  # A sha256: known already


class Library:
    """The known footage of a server's people, each visible to its owner only."""

    def __init__(self, store: FootageStore) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._indexes: LRUCache[str, tuple[str, PrintIndex]] = LRUCache(MAX_INDEXES)

    def _read(
        self, owner: str, path: Path, name: str | None, cancel: threading.Event | None
    ) -> _Read:
        """Return the fingerprints of a file whose content is not known yet."""
        try:
            this = media.identify(path, name=name)
            if self.store.knows(owner, this.sha256):
                return this.sha256
            return probe_and_fingerprint(path, this, to_keep=True, cancel=cancel)
        except OSError:
            raise MediaError(_("This file can’t be read.")) from None

    def _kept(self, owner: str, read: _Read, source: str) -> Footage | None:
        if isinstance(read, str):
            self.store.promote(owner, read, source)
            return None
        about, prints = read
        return self.add_prints(owner, prints, about, source)

    def add_prints(
        self, owner: str, prints: Fingerprints, about: Media, source: str
    ) -> Footage | None:
        """Store computed fingerprints; return None if their content is known. Raise MediaError if
        there is no picture, InputError if the library is full."""
        if not len(prints.times):
            text = _("There is no picture to know it again by.")
            raise MediaError(text, code="no_picture")
        faces = prints.faces
        kept = Prints(prints.times, prints.hashes, faces.times, faces.hashes)
        before = self.store.version(owner) if owner in self._indexes else None
        added = self.store.add(
            owner, about.name, kept, sha256=about.sha256,
            source=source, size=about.size, duration=about.duration,
        )  # fmt: skip
        if added is not None and before is not None:
            self._extend(owner, before, added, kept)
        return added

    def add_folder(
        self,
        owner: str,
        folder: Path,
        on_file: OnFile = lambda path, footage, error: None,
        *,
        only: Collection[Path] | None = None,
        on_passed_over: Callable[[PassedOver], object] = lambda found: None,
        at_once: int = AT_ONCE,
        cancel: threading.Event | None = None,
    ) -> None:
        """Store the fingerprints of all media in a folder tree, read `at_once` in parallel;
        unreadable files are reported and skipped, what is no media is passed over. Raise
        InputError if there is no such folder or the library is full, or Canceled."""
        wanted = media_in(
            folder,
            lambda path, error: on_file(path, None, error),
            on_passed_over=on_passed_over,
            only=only,
        )
        self.add_files(owner, wanted, source_of(folder), on_file, at_once=at_once, cancel=cancel)

    def add_files(
        self,
        owner: str,
        paths: Iterable[Path],
        source: str,
        on_file: OnFile,
        *,
        names: Mapping[Path, str] = MappingProxyType({}),
        at_once: int = AT_ONCE,
        cancel: threading.Event | None = None,
    ) -> None:
        """Store the fingerprints of files, by `names` where they differ from those on disk, and
        report each in order; unreadable files are skipped. An exception of `on_file` ends it; what
        was stored stays. Raise InputError if the library is full, or Canceled."""

        def keep(path: Path, reading: Future[_Read]) -> None:
            try:
                on_file(path, self._kept(owner, reading.result(), source), None)
            except MediaError as error:
                on_file(path, None, error)

        ahead: deque[tuple[Path, Future[_Read]]] = deque()
        with ThreadPoolExecutor(at_once, "library") as pool:
            try:
                for path in paths:
                    reading = pool.submit(self._read, owner, path, names.get(path), cancel)
                    ahead.append((path, reading))
                    if len(ahead) > at_once:
                        keep(*ahead.popleft())
                while ahead:
                    keep(*ahead.popleft())
            finally:
                for _path, reading in ahead:
                    reading.cancel()

    def unseen(self, owner: str, source: str, paths: Sequence[Path]) -> list[Path]:
        """Return the files of a folder that are not known from it, without reading them: by name,
        size and modification time. Where more files match than are known, all of them are returned.
        """
        known: dict[tuple[str, int], list[float]] = {}
        for name, size, added in self.store.known_from(owner, source):
            known.setdefault((name, size), []).append(added.timestamp())
        alike: dict[tuple[str, int], list[tuple[Path, float]]] = {}
        for path in paths:
            try:
                info = path.stat()
                size, touched = info.st_size, max(info.st_mtime, info.st_ctime)
            except OSError:  # it says itself what is wrong when it is read
                size, touched = -1, math.inf
            alike.setdefault((kept_name(path.name), size), []).append((path, touched))
        new = set()
        for key, found in alike.items():
            times = known.get(key, [])
            if len(found) > len(times) or any(touched >= min(times) for _path, touched in found):
                new |= {path for path, _touched in found}
        return [path for path in paths if path in new]

    def search(self, owner: str, prints: Fingerprints, *, without: str = "") -> list[LibraryMatch]:
        """Return the owner's known footage that shares frames with a file, the best match first,
        except that of the sha256 `without`."""
        return self._index(owner).search(prints, without=without)

    def export(self, owner: str) -> Iterator[bytes]:
        """Yield all of the owner's fingerprints as an export file."""
        return write(self.store.prints(owner))

    def import_prints(
        self,
        owner: str,
        file: BinaryIO,
        *,
        max_frames: float = math.inf,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> tuple[int, int]:
        """Store the fingerprints of an export file, none of a damaged one, within `max_frames`.
        Return how many are new, and how many were known. Raise InputError as `read` does, or if the
        library is full; an exception of `on_progress(stored, all)` ends the import."""
        total = frames = 0
        for _checked, prints in read(file):
            total, frames = total + 1, frames + len(prints.times)
            on_progress(0, 0)
            if frames > max_frames:
                raise full_of_frames()
        file.seek(0)
        new = known = 0
        for shared, prints in read(file):
            on_progress(new + known, total)
            added = self.store.add(
                owner, shared.name, prints, sha256=shared.sha256, source=IMPORTED,
                size=shared.size, duration=shared.duration,
            )  # fmt: skip
            new, known = new + (added is not None), known + (added is None)
        return new, known

    def _extend(
        self, owner: str, before: tuple[int, str], footage: Footage, prints: Prints
    ) -> None:
        """Add a file to the index in memory; reload it only if another process changed
        the library."""
        count, version = self.store.version(owner)
        with self._lock:
            kept = self._indexes.get(owner)
            if kept is not None and kept[0] == before[1] and count == before[0] + 1:
                kept[1].add(footage, prints)
                self._indexes[owner] = version, kept[1]

    def _index(self, owner: str) -> PrintIndex:
        """Return the owner's index, rebuilt if the library has changed."""
        _count, version = self.store.version(owner)
        with self._lock:
            kept = self._indexes.get(owner)
            if kept is None or kept[0] != version:
                kept = version, PrintIndex(self.store.prints(owner))
                self._indexes[owner] = kept
            return kept[1]


VERSION = 1
MAX_FRAMES = 50_000  # of a file
MAX_FACES = 2 * MAX_FRAMES
MAX_LINE = 12 * 1024**2  # bytes: a file with that many frames
MAX_BYTES = 2 * 1024**3  # of all of it
MAX_SECONDS = 10_000_000.0


class _Header(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    unmask_library: int
    hash: str


class SharedFootage(BaseModel):
    """One line of an export file: one file."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    name: str = Field(max_length=MAX_NAME_LENGTH)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    duration: float | None = Field(default=None, ge=0, le=MAX_SECONDS)
    size: int = Field(default=0, ge=0, lt=2**60)
    times: list[float] = Field(min_length=1, max_length=MAX_FRAMES)
    hashes: str
    face_times: list[float] = Field(default=[], max_length=MAX_FACES)
    face_hashes: str = ""

    def prints(self) -> Prints:
        """Return the fingerprints. Raise ValueError if they are inconsistent."""
        faces = _rows(self.face_times, self.face_hashes)
        return Prints(*_rows(self.times, self.hashes), *faces)


def _rows(times: list[float], hashes: str) -> tuple[np.ndarray, np.ndarray]:
    exact = np.array(times, np.float64)
    if (exact < 0).any() or (exact > MAX_SECONDS).any() or (np.diff(exact) < 0).any():
        raise ValueError("times ascend")
    data = base64.b64decode(hashes, validate=True)
    if len(data) != len(exact) * HASH_BYTES:
        raise ValueError("as many hashes as times")
    return exact.astype(np.float32), np.frombuffer(data, np.uint8).reshape(-1, HASH_BYTES)


def write(entries: Iterable[tuple[Footage, Prints]]) -> Iterator[bytes]:
    """Yield the lines of an export file, without folders, ids and dates of its owner."""
    yield b'{"unmask_library":%d,"hash":"pdq-128"}\n' % VERSION
    for footage, prints in entries:
        if not len(prints.times):
            continue
        line = SharedFootage(
            name=footage.name, sha256=footage.sha256, duration=footage.duration,
            size=footage.size, times=_seconds(prints.times), hashes=_text(prints.hashes),
            face_times=_seconds(prints.face_times), face_hashes=_text(prints.face_hashes),
        )  # fmt: skip
        yield line.model_dump_json().encode() + b"\n"


def _seconds(times: np.ndarray) -> list[float]:
    return [round(float(time), 2) for time in times]


def _text(hashes: np.ndarray) -> str:
    return base64.b64encode(hashes.tobytes()).decode()


def read(file: BinaryIO) -> Iterator[tuple[SharedFootage, Prints]]:
    """Yield the entries of an export file. Raise InputError if it is no such file, of a newer
    version, or out of bounds."""
    head = file.readline(MAX_LINE + 1)
    try:
        header = _Header.model_validate_json(head)
    except ValidationError:
        raise InputError(
            _("This is no file of fingerprints."), hint=_("Make one with: unmask library export")
        ) from None
    if header.unmask_library != VERSION or header.hash != "pdq-128":
        raise InputError(_("These fingerprints were written by a newer Unmask."))
    taken = len(head)
    for number in range(1, MAX_FOOTAGE + 2):
        line = file.readline(MAX_LINE + 1)
        if not line:
            return
        taken += len(line)
        if len(line) > MAX_LINE or taken > MAX_BYTES or number > MAX_FOOTAGE:
            raise InputError(_("This file of fingerprints is too large."))
        try:
            shared = SharedFootage.model_validate_json(line)
            yield shared, shared.prints()
        except (ValidationError, ValueError, binascii.Error):
            text = _("Line {number} of the fingerprints is damaged.")
            raise InputError(text.format(number=number + 1), hint=_("Nothing was added.")) from None


MIN_SHARE, MIN_FACE_SHARE = 0.5, 1 / 3
"""of the looked-for frames that known footage has to show, to be told; of the looked-for faces,
which turn away between a moment of the one and the nearest of the other"""


def most_alike(matches: list[LibraryMatch]) -> tuple[int, int]:
    """Return how many of the searched frames the best match shows, and of how many."""
    best = max(matches, key=lambda match: match.share, default=None)
    return (best.matched, best.asked) if best is not None else (0, 0)


def best_match(matches: list[LibraryMatch]) -> FoundFootage | None:
    """Return the match to report: added originals before files that were merely analyzed."""
    good = [m for m in matches if m.share >= (MIN_FACE_SHARE if m.by_faces else MIN_SHARE)]
    good.sort(key=lambda m: (m.footage.source == ANALYSES, -m.share, m.by_faces, m.bits))
    if not good:
        return None
    return good[0].found


def original_in(folder: Path, name: str, sha256: str) -> Path | None:
    """Return the file of a folder with this very content; None if it is gone or changed."""
    if not folder.is_dir():
        return None
    for path in [folder / name, *(path for path in files(folder) if path.name == name)]:
        if path.is_file():
            with path.open("rb") as file:
                if hash_of(file) == sha256:
                    return path
    return None


class LocalOriginals:
    """The library and the rejected matches of a database."""

    def __init__(self, database: Database) -> None:
        self._library = Library(FootageStore(database))
        self._lookups = LookupStore(database)

    def find(self, file: Path, about: Media) -> tuple[FoundFootage, Path | None] | None:
        """Return the best match for a file, and its path if it still exists."""
        if not self._library.store.count(LOCAL.id):
            return None
        matches = self._library.search(LOCAL.id, fingerprint(file, about), without=about.sha256)
        refused = self._lookups.refused(LOCAL.id, about.sha256)
        found = best_match([match for match in matches if match.footage.sha256 not in refused])
        if found is None:
            return None
        folder = Path(found.source)
        return found, original_in(
            folder, found.name, found.match_sha256
        ) if folder.is_absolute() else None
