"""Files that are no media: the one decision for commands, batches, archives, libraries and pages.

Content decides: a name is asked only for the places of systems (a recycle bin, thumbnails of a
network drive), and whether a text claims to be a video. Unknown content is never passed over: it
may be a damaged video, which fails with a sentence.
"""

import os
import re
from pathlib import PurePosixPath
from typing import BinaryIO

from detector.media.kinds import is_drawing, is_mail, is_text, no_media_kind
from detector.media.limits import SNIFF_BYTES
from detector.schema.passed_over import PassedOverReason as Reason

_PLACES: dict[str, Reason] = {
    name: reason
    for reason, names in {
        Reason.THUMBNAIL: (
            "@eadir", ".@__thumb", ".thumbnails", ".thumbs", ".thumb", "thmbnl", ".thumblib",
            "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "zbthumbnail.info", ".thumbdata",
            "ipod photo cache", ".picasaoriginals", ".mediacache", ".wdmc",
        ),
        Reason.RECYCLE_BIN: (
            "#recycle", "@recycle", "$recycle.bin", ".recycle", ".recycle.bin", ".recycled",
            ".trash", ".trashes", ".trashbin", "trashbox", "network trash folder", ".dtrash",
            ".globaltrash", "#syncrecycle",
        ),
        Reason.SNAPSHOT: (
            "#snapshot", "@recently-snapshot", "@snapshot", ".snapshot", ".snapshots", "~snapshot",
            ".zfs", "@gmt",
        ),
        Reason.SYSTEM: (
            "__macosx", "system volume information", "desktop.ini", "icon\r", "@tmp", "@synology",
            "@appstore", "@database", "@eastream", "picasa.ini", "autorun.inf",
            ".ds_store", ".appledouble", ".fseventsd", ".spotlight-v100", ".temporaryitems",
            ".documentrevisions-v100", ".localized", ".directory", "$winre_backup_partition.marker",
        ),
    }.items()
    for name in names
}  # fmt: skip
"""Folders and files of systems and network drives (Synology, QNAP, Samba, NetApp, Windows, macOS,
Android, cameras), in lower case"""
_BINS_OF_OLD_WINDOWS = ("RECYCLER", "RECYCLED")  # not in other spellings: these are words
_PATTERNS = (
    (re.compile(r"\.trash-\d+|\.trashed-.+", re.IGNORECASE), Reason.RECYCLE_BIN),
    (re.compile(r"@gmt-[\d.-]+", re.IGNORECASE), Reason.SNAPSHOT),
    (re.compile(r"(?:thumbcache|iconcache)_\w+\.db|\.thumbdata.*|.+\.thm", re.I), Reason.THUMBNAIL),
    (re.compile(r".+@syno(?:resource|eastream)|\._.*", re.IGNORECASE), Reason.SYSTEM),
    (re.compile(r".+\.unmask\.json", re.IGNORECASE), Reason.RESULT),
    (re.compile(r".+\.lrdata|.+_\d\d-\d\d-\d\d_thumb\.jpg", re.I), Reason.THUMBNAIL),
    (re.compile(r".+\.(?:mp4|mov|webm|webp|tgs|gif|pdf)_thumb\.jpg", re.I), Reason.THUMBNAIL),
    (re.compile(r".+\.tgs", re.I), Reason.DRAWING),
)
_LIBRARIES = re.compile(
    r"\.(?:photoslib|migratedphotolib|aplib)rary/(?:resources/(?:derivatives|proxies|modelresources)"
    r"|thumbnails|previews|database|private|scopes)(?:/|\Z)"
    r"|(?:\A|/)thumbs/[0-9a-f]{8}-[0-9a-f]{4}-",
    re.IGNORECASE,
)
"""Previews in the libraries of Apple's Photos and Aperture, and of Immich; exports of Telegram and
previews of Lightroom are among the patterns"""
CLAIMS = frozenset((
    ".3g2", ".3gp", ".aac", ".aif", ".aiff", ".amr", ".avi", ".avif", ".bmp", ".dav", ".divx",
    ".dng", ".f4v", ".flac", ".flv", ".gif", ".h264", ".h265", ".heic", ".heif", ".insv", ".jfif",
    ".jpe", ".jpeg", ".jpg", ".jxl", ".m1v", ".m2ts", ".m2v", ".m4a", ".m4b", ".m4v", ".mka",
    ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpe", ".mpeg", ".mpg", ".mxf", ".oga", ".ogg",
    ".ogv", ".opus", ".png", ".qt", ".rm", ".rmvb", ".silk", ".tif", ".tiff", ".vob", ".wav",
    ".weba", ".webm", ".webp", ".wma", ".wmv",
))  # fmt: skip
"""Endings that claim media and nothing else: a web page saved as `clip.mp4` is an error to report.
`.ts`, `.mts` and `.mod` are also source code."""

_CHUNK = 1 << 20

# --- results of Unmask ----------------------------------------------------------------------------

PDF_SEAL = b"%unmask-seal {"  # of a report (detector.report.seal)
_RESULTS = re.compile(
    rb"""\A(?:\xef\xbb\xbf)?\s*(?:
        \{"file":\s".*?",\s"page":\s(?:null|\d+),\s"id":\s"          # results.jsonl
        | file,page,label,question,probability,kind,                 # results.csv
        | \{\s*"settings":\s\{\s*"models":.*"thresholds":            # batch.json
        | \{\s*"schema_version":\s\d                                 # a result as JSON
        | \[\s*\{\s*"schema_version":\s\d
    )""",
    re.VERBOSE | re.DOTALL,
)
_SEALED_TEXT = re.compile(rb'unmask-seal \{|"seal":\s*\{\s*"', re.ASCII)


def by_place(name: str) -> Reason | None:
    """Return why a file or folder is passed over by its place: a path relative to the folder that
    was named, with slashes."""
    parts = PurePosixPath(name).parts
    for part in parts:
        known = _PLACES.get(part.lower())
        if known is None and part in _BINS_OF_OLD_WINDOWS:
            known = Reason.RECYCLE_BIN
        if known is None:
            known = next((why for pattern, why in _PATTERNS if pattern.fullmatch(part)), None)
        if known is not None:
            return known
    if _LIBRARIES.search(name):
        return Reason.THUMBNAIL
    hidden = any(part.startswith(".") and not part.startswith("..") for part in parts)
    return Reason.HIDDEN if hidden else None


def by_content(file: BinaryIO, name: str) -> Reason | None:
    """Return why an open file is passed over by its content; None for media, containers, documents,
    damaged and unknown files. Leaves the position at the start."""
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    if head.startswith(b"%PDF"):
        found = Reason.RESULT if _holds(file, PDF_SEAL) else None
    else:
        start = file.seek(0, os.SEEK_END) - SNIFF_BYTES
        file.seek(max(0, start))
        found = _by_ends(head, file.read(SNIFF_BYTES), name)
    file.seek(0)
    return found


def by_head(head: bytes, name: str) -> Reason | None:
    """Return why a file is passed over of which only the first bytes are at hand."""
    return _by_ends(head, b"", name)


def _by_ends(head: bytes, tail: bytes, name: str) -> Reason | None:
    claims = PurePosixPath(name).suffix.lower() in CLAIMS
    if not head:
        return None if claims else Reason.EMPTY
    if (drawing := is_drawing(head)) or is_text(head):
        if _RESULTS.match(head) or _SEALED_TEXT.search(tail):
            return Reason.RESULT
        if claims or is_mail(head):
            return None
        return Reason.DRAWING if drawing else Reason.TEXT
    return no_media_kind(head)


def _holds(file: BinaryIO, mark: bytes) -> bool:
    file.seek(0)
    before = b""
    while chunk := file.read(_CHUNK):
        if mark in before + chunk:
            return True
        before = chunk[-len(mark) :]
    return False
