"""Motion photos: the MP4 appended to a picture, as phones of Google, Samsung and others write it
(in a HEIC, in its box `mpvd`)."""

import mmap
import os
import tempfile
from typing import BinaryIO

from detector.errors import MediaError
from detector.isolation import run_isolated
from detector.media.boxes import boxes
from detector.media.files import open_file
from detector.sentences import _

_BRAND = b"ftyp"
_CHUNK = 1 << 20
_MAX_FOUND = 64  # maximum candidate offsets
_LONGEST = 1e6  # s
_MAX_HEADER = 4096  # bytes of a movie's index in which its length is stated

Film = tuple[int, int, float]
"""offset and bytes of the video; its duration, s"""


def locate_film(file: BinaryIO) -> Film | None:
    """Return the video embedded in an open picture; None without one."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_BRAND, 12)
        for _number in range(_MAX_FOUND):
            if at < 0:
                return None
            if (found := _film_at(file, at - 4)) is not None:
                return found
            at = data.find(_BRAND, at + 4)
    return None


def open_film(path: str | os.PathLike[str]) -> BinaryIO:
    """Extract the video embedded in a picture to a temporary file, deleted on closing; raise
    MediaError without one."""
    found: Film | None = run_isolated(_located, path, returns=Film | None)
    if found is None:
        text = _("There is no film behind this picture.")
        raise MediaError(text, code="no_film", hint=_("Analyze it without asking for one."))
    begin, size, _seconds = found
    film = tempfile.TemporaryFile(prefix="unmask-")  # noqa: SIM115 - the caller closes it
    with open_file(path) as file:
        file.seek(begin)
        while size > 0 and (data := file.read(min(size, _CHUNK))):
            film.write(data)
            size -= len(data)
    film.seek(0)
    return film


def film_name(name: str) -> str:
    """Return the display name of the embedded video."""
    return f"{name} (film).mp4"


def _located(path: str | os.PathLike[str]) -> Film | None:
    with open_file(path) as file:
        return locate_film(file)


def _film_at(file: BinaryIO, begin: int) -> Film | None:
    """Return the video that begins there; None if the boxes are not those of one."""
    end, index = begin, b""
    for box in boxes(file, begin):
        if not box.kind.isascii() or not box.kind.decode("ascii").isprintable():
            break
        if box.kind == b"moov":
            file.seek(box.start)
            index = file.read(box.end - box.start)
        end = box.end
    seconds = _length(index)
    return None if b"vide" not in index or seconds is None else (begin, end - begin, seconds)


def _length(index: bytes) -> float | None:
    at = index.find(b"mvhd", 0, _MAX_HEADER) + 4
    if at < 4 or len(index) < at + 32:
        return None
    wide = index[at] == 1
    scale = int.from_bytes(index[at + 20 : at + 24] if wide else index[at + 12 : at + 16], "big")
    ticks = int.from_bytes(index[at + 24 : at + 32] if wide else index[at + 16 : at + 20], "big")
    return ticks / scale if scale and ticks <= _LONGEST * scale else None


def film_note(seconds: float) -> str:
    """Return the note that the embedded video was not analyzed."""
    return _(
        "A film of {seconds} s lies behind the picture (a motion photo); it was not judged."
    ).format(seconds=f"{seconds:.1f}")
