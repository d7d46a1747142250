"""File opening and content sniffing: regular files only, identified by their first bytes.

No name or extension is trusted. Pipes, devices, folders and sockets are refused before they are
opened, so that nothing blocks; playlists and documents that reference other files are refused
before a demuxer reads them."""

import errno
import hashlib
import os
import re
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

from detector.errors import MediaError
from detector.media.boxes import boxes
from detector.media.kinds import ACCEPTED, is_drawing, is_text, refusal
from detector.media.limits import MAX_BYTES, MAX_INDEX_BYTES, MAX_NAME, SNIFF_BYTES
from detector.schema.analysis import Media
from detector.sentences import _

_MAX_JPEGS = 64 * 1024**2  # bytes in which the first two pictures of a raw MJPEG stream have to be
_LEAST_JPEGS, _LEAST_PLAIN_JPEGS = 8, 2
"""JPEGs in a row that make a stream, if the first has metadata (EXIF, XMP), or none"""
_MOST_BEHIND = 16
_GAIN_MAPS = (b"hdrgm:", b"urn:iso:std:iso:ts:21496", b"HDRGainMap", b"hdrgainmap")
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""JPEG marker: neither stuffed data nor a restart marker"""

# Brands of the ISO base media format for pictures.
PICTURE_BRANDS = (
    b"avif",
    b"avis",
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"mif1",
    b"msf1",
)
_SEQUENCE_BRANDS = (b"hevc", b"hevx", b"msf1")
"""Those of sequences; AVIF's (`avis`) are animations, which Pillow reads."""
_PICTURES = (
    b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM",
    b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+",
)  # fmt: skip
ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof")

_SPECIAL = {
    stat.S_IFDIR: _("This is a folder, not a file."),
    stat.S_IFIFO: _("This is a named pipe, not a file."),
    stat.S_IFSOCK: _("This is a socket, not a file."),
    stat.S_IFCHR: _("This is a device, not a file."),
    stat.S_IFBLK: _("This is a device, not a file."),
}

# Text files in which libav would follow references.
_REFERENCES = re.compile(
    rb"""\A\s*(?:
        \#EXTM3U | \#EXTINF | ffconcat | \[playlist\] | \[reference\] | file\s+['"/\w] | v=0\s
        | (?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:MPD|smil|asx|playlist|SmoothStreamingMedia)\b
        | rtsp:// | https?://
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
# Encryption markers by container.
_ENCRYPTION_BYTES = 1 << 18
_EBML = b"\x1a\x45\xdf\xa3"
_WEBM_ENCRYPTION = re.compile(
    # Tracks, and in a track ContentEncodings, ContentEncoding, ContentEncryption
    rb"\x16\x54\xae\x6b.*?\x6d\x80.{1,8}?\x62\x40.{1,64}?\x50\x35",
    re.DOTALL,
)
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_ENCRYPTION = tuple(
    map(
        bytes.fromhex,
        (
            "fbb3112223bdd211b4b700a0c955fc6e",
            "14e68a292226174cb935dae07ee9289c",
            "338505438169e6499b74ad12cb86d58c",
        ),
    )
)
"""Content Encryption Object, extended, advanced"""
_TS_SYNC, _TS_PACKET = b"\x47", 188


def safe_name(name: str) -> str:
    """Return a file name that is safe to display: one line, no path, no control or format
    characters (a right-to-left override makes `gpj.exe` look like a picture); a long one is
    shortened in the middle."""
    base = one_line(re.split(r"[/\\]", name)[-1])
    if len(base) > MAX_NAME:
        tail = 24
        base = f"{base[: MAX_NAME - tail - 1]}…{base[-tail:]}"
    return base if base.strip(". ") else "file"


MAX_STEM_LENGTH = 80
"""characters of a file name on disk, without extension; some systems limit names to 255 bytes"""


def disk_name(name: str) -> str:
    """Return a file name that is safe on disk, in a shell and in a header.

    The extension is preserved in lower case, since it distinguishes some formats."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = plain.replace("\\", "/").rsplit("/", 1)[-1]
    stem, _dot, suffix = plain.rpartition(".") if "." in plain else (plain, "", "")
    stem = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:MAX_STEM_LENGTH] or "file"
    suffix = re.sub(r"[^a-z0-9]", "", suffix.lower())[:8]
    return f"{stem}.{suffix}" if suffix else stem


def one_line(text: str) -> str:
    """Return untrusted text as one line (NFC), without control, format (Cf) and private characters
    and lone surrogates."""
    shown = "".join(
        " " if ch.isspace() else ch
        for ch in unicodedata.normalize("NFC", text)
        if ch.isspace() or unicodedata.category(ch) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    return " ".join(shown.split())


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading without blocking; raise MediaError for anything else."""
    try:
        _refuse_special(os.stat(path).st_mode)
        # Never block: between the look and the opening the path may have become a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        code, message = "unreadable", _("This path can't be opened.")
        hint = _("Rename the file, or make a copy.")
        match error:
            case FileNotFoundError():
                code, message, hint = "not_found", _("There is no such file."), _("Check the path.")
            case PermissionError():
                message = _("We are not allowed to read this file.")
                hint = _("Change its permissions, or make a copy.")
            case OSError(errno=errno.ENAMETOOLONG):
                message = _("The file's name is too long.")
        raise MediaError(message, code=code, hint=hint) from error
    file = os.fdopen(descriptor, "rb", buffering=0)
    try:
        info = os.fstat(descriptor)
        _refuse_special(info.st_mode)
        if info.st_size == 0:
            raise MediaError(
                _("This file is empty."), code="empty", hint=_("Download or copy it again.")
            )
        if info.st_size > MAX_BYTES:
            raise MediaError(
                _("This file is {size}; the limit is {limit}.").format(
                    size=_size(info.st_size), limit=_size(MAX_BYTES)
                ),
                code="too_large",
                hint=_("Cut out the part that matters."),
            )
    except MediaError:
        file.close()
        raise
    return file


def sha256(file: BinaryIO) -> str:
    """Return the sha256 of a whole open file."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def sniff(file: BinaryIO) -> Literal["stream", "picture"]:
    """Return the decoder of a file by its content: libav ("stream") or Pillow ("picture"); raise
    MediaError for text, documents, drawings, and playlists."""
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    if (refused := refusal(file, head)) is not None:
        raise refused
    if head[4:8] == b"ftyp" and head[8:12] in PICTURE_BRANDS:
        return "stream" if _is_sequence(file, head[8:12]) else "picture"
    if is_jpeg(head):
        return "stream" if _in_motion(file) else "picture"
    if head.startswith(_PICTURES) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP"):
        return "picture"
    if head[4:8] in ISO_BOXES:
        if _refers_elsewhere(file):
            _refuse_reference()
        return "stream"
    if head.startswith(b"YUV4MPEG2 "):
        return "stream"
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _REFERENCES.match(text):
        _refuse_reference()
    if is_text(text):
        what = _("This file is text, not a video or a picture.")
        if is_drawing(text):
            what = _("This file is a drawing (SVG), not a video or a picture.")
        raise MediaError(what, code="unsupported", hint=ACCEPTED)
    return "stream"


def _is_sequence(file: BinaryIO, brand: bytes) -> bool:
    """Return True for a sequence of pictures (a HEIF with tracks) that shows no still."""
    kinds = {box.kind for box in boxes(file, cut=True)}
    return b"moov" in kinds and (brand in _SEQUENCE_BRANDS or b"meta" not in kinds)


def is_jpeg(head: bytes) -> bool:
    """Return True if a file begins with a JPEG: a picture, or a raw MJPEG stream."""
    return head.startswith(b"\xff\xd8\xff")


def _in_motion(file: BinaryIO) -> bool:
    """Return True for a raw MJPEG stream: JPEGs of one size, without pause. A photo has at most a
    few others behind it: an original, a depth map, a preview."""
    file.seek(0)
    data = file.read(_MAX_JPEGS)
    first = _jpeg(data, 0)
    if first is None or first.multiple:
        return False
    count, at = 1, first.end
    while count < _LEAST_JPEGS and (following := _jpeg(data, at)) is not None:
        if following.size != first.size or following.multiple:
            return False
        count, at = count + 1, following.end
    return count >= (_LEAST_JPEGS if first.photo else _LEAST_PLAIN_JPEGS)


@dataclass(frozen=True)
class _Jpeg:
    """One JPEG in a file."""

    size: tuple[int, int]  # px
    end: int
    multiple: bool  # It lists others in its metadata (MPF)
    photo: bool  # It has the metadata of a camera or a program
    gain_map: bool  # of a HDR photo


def jpegs_behind(file: BinaryIO, end: int | None = None) -> list[tuple[int, int]]:
    """Return the size of each picture behind a JPEG, up to an offset: originals, depth maps; not
    gain maps of HDR photos and previews, which show the same."""
    file.seek(0)
    data = file.read(min(_MAX_JPEGS, end if end is not None else _MAX_JPEGS))
    first = _jpeg(data, 0)
    found: list[tuple[int, int]] = []
    at = -1 if first is None else data.find(b"\xff\xd8\xff", first.end)
    for _number in range(_MOST_BEHIND):
        if first is None or at < 0:
            break
        other = _jpeg(data, at)
        if other is not None and min(other.size) > 0 and not other.gain_map:
            found.append(other.size)
        at = data.find(b"\xff\xd8\xff", at + 3 if other is None else other.end)
    return found


def _jpeg(data: bytes, at: int) -> _Jpeg | None:
    """Return the JPEG at an offset; None if it is truncated."""
    if not is_jpeg(data[at : at + 3]):
        return None
    size, multiple, photo, gain_map = (0, 0), False, False, False
    at += 2
    while (marker := _MARKER.search(data, at)) is not None:
        kind, at = marker[1][0], marker.end()
        if kind == 0xD9:
            return _Jpeg(size, at, multiple, photo, gain_map)
        length = int.from_bytes(data[at : at + 2], "big")
        if 0xE1 <= kind <= 0xEF:
            part = data[at + 2 : at + length]
            multiple |= kind == 0xE2 and part.startswith(b"MPF\0")
            photo |= kind == 0xE1
            gain_map |= any(name in part for name in _GAIN_MAPS)
        elif 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (3, 5))
            size = width, height
        at += length
    return None


def top_box(file: BinaryIO, kind: bytes) -> bytes:
    """Return the first top-level box of a type with its header, at most `MAX_INDEX_BYTES`; else
    empty."""
    for box in boxes(file, cut=True):
        if box.kind == kind:
            file.seek(box.start)
            return file.read(min(box.end - box.start, MAX_INDEX_BYTES))
    return b""


def _refers_elsewhere(file: BinaryIO) -> bool:
    """Return True if an MP4 index references other files (`dref`, `rmra`)."""
    index = top_box(file, b"moov")
    if b"rmra" in index and b"rdrf" in index:
        return True
    for match in re.finditer(b"dref", index):
        at = match.end() + 8
        count = int.from_bytes(index[at - 4 : at], "big")
        for _field in range(min(count, 16)):
            size = int.from_bytes(index[at : at + 4], "big")
            own = index[at + 11 : at + 12] == b"\x01"
            # Some writers forget the flag on an entry that has no location: that one is harmless.
            if index[at + 4 : at + 8] in (b"alis", b"url ", b"urn ") and not own and size > 16:
                return True
            at += max(size, 8)
    return False


def is_encrypted(file: BinaryIO) -> bool:
    """Return True if a container states that its content is encrypted."""
    file.seek(0)
    head = file.read(_ENCRYPTION_BYTES)
    if head.startswith(_EBML):
        return _WEBM_ENCRYPTION.search(head) is not None
    if head.startswith(_ASF):
        header = head[: int.from_bytes(head[16:24], "little")]
        return any(guid in header for guid in _ASF_ENCRYPTION)
    if head[:1] == _TS_SYNC == head[_TS_PACKET : _TS_PACKET + 1]:
        # Most packets of a scrambled transport stream say so; its tables never do.
        controls = [head[at + 3] >> 6 for at in range(0, len(head) - 3, _TS_PACKET)]
        return sum(control >= 2 for control in controls) > len(controls) / 2
    # An MP4's picture, or all of it (ISO/IEC 23001-7, Apple's own).
    index = top_box(file, b"moov")
    # Of each track: stsd, version and flags, entries, size of the first, its kind.
    kinds = {match[1] for match in re.finditer(rb"stsd.{12}(.{4})", index, re.DOTALL)}
    pictures = {b"encv", b"drmi"}
    return bool(kinds & pictures) or (bool(kinds) and kinds <= {b"enca", b"drms"})


def _refuse_reference() -> NoReturn:
    text = _("This file only points to other files or addresses, and we don't follow them.")
    raise MediaError(text, code="reference", hint=_("Choose the video itself."))


def _refuse_special(mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = _SPECIAL.get(stat.S_IFMT(mode), _("This is no file."))
        raise MediaError(what, code="not_a_file", hint=_("Choose a video or a picture."))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@dataclass(frozen=True)
class Identity:
    """Identity of a file: display name, size, decoder and hash."""

    name: str  # to show
    size: int  # bytes
    picture: bool  # It begins as a picture does
    sha256: str

    def of(self, media: Media) -> Media:
        """Return a worker's metadata with this name and hash: a false hash would select another
        file's cached result."""
        return media.model_copy(
            update={"name": self.name, "sha256": self.sha256, "size": self.size}
        )


def identify(path: str | os.PathLike[str], *, name: str | None = None) -> Identity:
    """Identify a file without parsing it; `name` is its display name, sanitized. Raise MediaError
    for a file that must not be read."""
    with open_file(path) as file:
        about = os.fstat(file.fileno())
        return Identity(
            name=safe_name(Path(path).name if name is None else name),
            size=about.st_size,
            picture=sniff(file) == "picture",
            sha256=_hashed.get(_version(about)) or sha256(file),
        )


MAX_HASHED = 2000  # files whose hash is remembered
_hashed: dict[tuple[int, ...], str] = {}


def remember_hash(path: str | os.PathLike[str], sha256: str) -> None:
    """Remember the hash of a file that this process has just written where no one else writes, so
    that `identify` does not read all of it again; forgotten when the file changes."""
    with suppress(OSError):
        _hashed[_version(os.stat(path))] = sha256
        while len(_hashed) > MAX_HASHED:
            _hashed.pop(next(iter(_hashed)), None)


def _version(about: os.stat_result) -> tuple[int, ...]:
    """Return what changes with the content of a file."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
