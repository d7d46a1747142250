"""Safe reading of untrusted ZIP archives: their listing, and one file at a time.

No name in an archive is used as a path: an unpacked file gets a generated name. Size limits apply
to the unpacked bytes, whatever the archive states.
"""

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from detector.batch import archive_names
from detector.batch.entry import Entry, failed
from detector.errors import MediaError
from detector.media import safe_name
from detector.media.limits import MAX_BYTES, SNIFF_BYTES
from detector.media.no_media import by_content, by_head, by_place
from detector.schema.origin import FileSource
from detector.schema.passed_over import PassedOverReason
from detector.sentences import _

ENDINGS = frozenset({".zip"})
MAX_FILES = 10_000  # in one archive
MAX_UNPACKED = 16 * MAX_BYTES
"""bytes of all files together; each is unpacked when it is analyzed, and deleted afterwards"""
MAX_RATIO, RATIO_FROM = 100, 64 * 1024**2
"""Largest compression ratio of an archive that unpacks to more than so many bytes. Videos and
pictures are compressed already; bitmaps of plain surfaces reach 30."""

MAX_LISTING = 8 * 1024**2
"""bytes of an archive's directory, which is read whole: 10,000 files with names of 700 letters"""

MAX_SEARCHED_PDF = 64 * 1024**2  # bytes of a PDF in an archive in which our seal is searched
_CHUNK = 1024 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError)
_TRICK = re.compile(r"\A[/\\]|\A[A-Za-z]:|(?:\A|[/\\])\.\.(?:[/\\]|\Z)")


class PackedFile(NamedTuple):
    """A file in an archive, under the name that it had where it was packed."""

    info: zipfile.ZipInfo
    name: str


class _BoundedListing:
    """A file that refuses long reads, since zipfile reads the directory in one piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_LISTING:
            text = _("This archive has far too many files.")
            hint = _("Unpack it, and choose the folder.")
            raise MediaError(text, code="too_many_files", hint=hint)
        return self._file.read(size)


def members(
    path: Path, *, most: int | None = None, unpacked: int | None = None
) -> list[PackedFile]:
    """List at most `most` files of `unpacked` bytes; raise MediaError if damaged or a ZIP bomb."""
    most, unpacked = most or MAX_FILES, unpacked or MAX_UNPACKED
    try:
        with path.open("rb") as file, zipfile.ZipFile(cast(IO[bytes], _BoundedListing(file))) as z:
            found = [info for info in z.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        raise _damaged() from None
    if len(found) > most:
        text = _("This archive has {number:,} files; the limit is {most:,}.")
        hint = _("Unpack it, and bring its files in parts.")
        raise MediaError(
            text.format(number=len(found), most=most), code="too_many_files", hint=hint
        )
    total = sum(info.file_size for info in found)
    if total > unpacked:
        size, limit = (f"{number / 1e9:,.1f} GB" for number in (total, unpacked))
        text = _("This archive unpacks to {size}; the limit is {limit}.")
        hint = _("Unpack it, and bring its files in parts.")
        raise MediaError(text.format(size=size, limit=limit), code="zip_bomb", hint=hint)
    if total > max(RATIO_FROM, MAX_RATIO * path.stat().st_size):
        raise _bomb()
    return [
        PackedFile(info, name) for info, name in zip(found, archive_names.of(found), strict=True)
    ]


def sort_out(
    path: Path, found: Sequence[PackedFile]
) -> Iterator[tuple[PackedFile, PassedOverReason | None]]:
    """Yield each file of an archive with the reason to pass it over, if there is one: by its place
    and its first bytes, a PDF by all of it."""
    try:
        with zipfile.ZipFile(path) as opened:
            for member in found:
                yield member, _why_passed_over(opened, member)
    except (zipfile.BadZipFile, OSError):
        raise _damaged() from None


def _why_passed_over(opened: zipfile.ZipFile, member: PackedFile) -> PassedOverReason | None:
    if (reason := by_place(member.name)) is not None or problem(member.info) is not None:
        return reason
    try:
        with opened.open(member.info) as file:
            head = file.read(SNIFF_BYTES)
            if head.startswith(b"%PDF") and member.info.file_size <= MAX_SEARCHED_PDF:
                return by_content(cast(BinaryIO, file), member.name)
            return by_head(head, member.name)
    except (*_DAMAGE, RuntimeError):
        return None  # reported where it is unpacked


def entries(
    path: Path, found: Sequence[PackedFile], inside: str, source: FileSource | None = None
) -> list[Entry]:
    """Return an entry for each file of an archive, or of a document, which is then its `source`.
    `inside` is prefixed to the names."""
    return [_entry(path, info, f"{inside}{name}", source) for info, name in found]


def problem(info: zipfile.ZipInfo) -> MediaError | None:
    """Return why a file of an archive is refused, by its directory entry, if so."""
    # The name as written: zipfile replaces \\ by / and cuts `filename` at a zero byte.
    if _TRICK.search(info.orig_filename) or "\0" in info.orig_filename:
        return MediaError(
            _("Its name leads out of the archive, which only a trick needs."), code="path_trick"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        return MediaError(_("This is a link to another file, not a file."), code="path_trick")
    if info.flag_bits & 1:
        return _locked("Unpack it first.")
    return None


def _entry(path: Path, info: zipfile.ZipInfo, name: str, source: FileSource | None) -> Entry:
    if (error := problem(info)) is not None:
        return failed(name, error)
    return Entry(name, lambda folder: (unpack(path, info, folder), source), size=info.file_size)


def unpack(path: Path, info: zipfile.ZipInfo, folder: Path, *, nested: bool = False) -> Path:
    """Unpack one file into a folder, under a generated name. Raise MediaError as `chunks` does."""
    ending = Path(safe_name(info.filename)).suffix[:8]
    target = folder / f"file{ending}"
    with target.open("wb") as out:
        for chunk in chunks(path, info, nested=nested):
            out.write(chunk)
    return target


def chunks(path: Path, info: zipfile.ZipInfo, *, nested: bool = False) -> Iterator[bytes]:
    """Yield the bytes of a packed file; raise MediaError if damaged, too large, or, unless
    `nested`, an archive or a document."""
    left = min(info.file_size, MAX_BYTES)
    try:
        with zipfile.ZipFile(path) as opened, opened.open(info) as source:
            chunk = source.read(_CHUNK)
            if not nested and chunk.startswith(
                (b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")
            ):
                text = _("This is an archive in an archive, which is not opened.")
                raise MediaError(text, code="nested_archive", hint=_("Unpack it first."))
            if not nested and chunk.startswith(b"%PDF"):
                text = _("This is a document in an archive, which is not opened.")
                raise MediaError(text, code="nested_archive", hint=_("Unpack it first."))
            while chunk:
                left -= len(chunk)
                if left < 0:
                    raise _bomb()
                yield chunk
                chunk = source.read(_CHUNK)
    except _DAMAGE:
        raise _damaged() from None
    except RuntimeError:  # zipfile's, for a password
        raise _locked() from None


def _locked(hint: str = "") -> MediaError:
    return MediaError(_("This file is locked with a password."), code="encrypted", hint=hint)


def _damaged() -> MediaError:
    text = _("This archive is damaged, or packed in a way that is not known here.")
    return MediaError(text, code="bad_archive", hint=_("Unpack it, and choose the folder."))


def _bomb() -> MediaError:
    text = _("This archive unpacks to far more than it should (a ZIP bomb).")
    hint = _("If you trust it, unpack it and choose the folder.")
    return MediaError(text, code="zip_bomb", hint=hint)
