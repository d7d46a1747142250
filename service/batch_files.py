"""Expansion of batch uploads: archives and documents into the files they contain.

A list of paths or links is a file like any other; no path of this computer is opened for it. Files
of an archive are unpacked one at a time, beside the uploads, and deleted afterwards.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO, NamedTuple

from detector.batch import Entry, is_container, read_container
from detector.errors import InputError, MediaError, UnmaskError
from detector.media.limits import SNIFF_BYTES
from detector.media.no_media import by_content, by_place
from detector.presentation import summary
from detector.schema.origin import FileSource
from detector.schema.passed_over import PassedOver
from detector.sentences import _, ngettext, numeral
from service.limits import MEGABYTE
from service.storage.uploads import CHUNK_BYTES, Uploads, full_disk_refused, no_room

PASSED_OVER = "passed_over"  # code of a row that counts files which are no media
HEAD = SNIFF_BYTES  # bytes by which a container is known


class IncomingFile(NamedTuple):
    """A file to be added, read from its current position."""

    source: BinaryIO
    name: str
    size: int | None = None
    taken_from: FileSource | None = None


class RefusedFile(NamedTuple):
    """A refused file and the reason."""

    name: str
    error: UnmaskError


def passed_over(name: str, found: Sequence[PassedOver]) -> RefusedFile:
    """Return the row of the files of a folder or an archive that are passed over."""
    text = _("{files}.").format(files=summary.passed_over(found))
    return RefusedFile(name, MediaError(text, code=PASSED_OVER))


def sort_out(files: Sequence[IncomingFile]) -> tuple[list[IncomingFile], list[PassedOver]]:
    """Split the files of a folder, with their paths in it as names, into media and others."""
    media, passed = list[IncomingFile](), list[PassedOver]()
    for file in files:
        parts = PurePosixPath(file.name.replace("\\", "/")).parts
        reason = by_place("/".join(parts[1:] or parts)) or by_content(file.source, file.name)
        if reason is None:
            media.append(file)
        else:
            passed.append(PassedOver(name=file.name, reason=reason))
    return media, passed


def opened(
    file: IncomingFile, uploads: Uploads, *, most: int, largest: int
) -> Iterator[IncomingFile | RefusedFile]:
    """Yield the file, or its contents one at a time; at most `most` files of at most `largest`
    bytes."""
    start = file.source.tell()
    head = file.source.read(HEAD)
    file.source.seek(start)
    if not is_container(head):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix=".opened-", dir=uploads.root) as folder:
        path = Path(folder) / "container"
        try:
            _check_room(file.size, uploads, largest)
            with full_disk_refused(), path.open("wb") as out:
                shutil.copyfileobj(file.source, out, CHUNK_BYTES)
            found = read_container(path, file.name)
        except InputError as error:
            yield RefusedFile(file.name, error)
            return
        entries = found.entries if found is not None else []
        passed = found.passed_over if found is not None else []
        if not entries:
            hint = _("Upload a video or a picture.")
            text = _("There is no file in it.")
            if passed:
                text = _("Nothing in it is media: {files}.")
                text = text.format(files=summary.passed_over(passed))
            yield RefusedFile(file.name, MediaError(text, code="no_media", hint=hint))
        for number, entry in enumerate(entries[:most]):
            yield from _one(entry, Path(folder) / f"{number}", uploads, largest)
        if len(entries) > most:
            number = len(entries) - max(0, most)
            text = ngettext(
                "{number} more file is in it than a batch takes.",
                "{number} more files are in it than a batch takes.",
                number,
            )
            hint = _("Unpack it, and upload the others in another batch.")
            left_out = MediaError(
                text.format(number=numeral(number)), code="too_many_files", hint=hint
            )
            yield RefusedFile(file.name, left_out)
        elif passed and entries:
            yield passed_over(file.name, passed)


def _one(
    entry: Entry, folder: Path, uploads: Uploads, largest: int
) -> Iterator[IncomingFile | RefusedFile]:
    try:
        _check_room(entry.size, uploads, largest)
        folder.mkdir(mode=0o700)
        with full_disk_refused():
            path, source = entry.open(folder)
        size = path.stat().st_size
        if size > largest:
            raise _too_large(largest)
        name = entry.name
        if PurePath(name).suffix.lower() != path.suffix.lower():
            name += path.suffix  # the pictures of a PDF have no names of their own
        with path.open("rb") as opened:
            yield IncomingFile(opened, name, size, source)
    except InputError as error:
        yield RefusedFile(entry.name, error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_room(size: int | None, uploads: Uploads, largest: int) -> None:
    """Raise InputError where a file is too large, or does not fit on the disk."""
    if size is not None and size > largest:
        raise _too_large(largest)
    if not uploads.has_room(size or 0):
        raise no_room()


def _too_large(largest: int) -> MediaError:
    text = _("This file is larger than {number} MB, the limit here.")
    hint = _("Cut out the part that matters.")
    return MediaError(text.format(number=largest // MEGABYTE), code="too_large", hint=hint)
