"""ISO base media file format (MP4, MOV): offsets of its boxes, and edit lists."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_BOXES = 20_000  # maximum boxes of one level; a fragmented hour has 7,000
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""UUID of the box of an XMP packet (XMP specification, part 3)."""


@dataclass(frozen=True)
class Box:
    """One box of a file."""

    kind: bytes  # Four letters
    start: int
    body: int
    end: int  # Offsets in the file: of its header, its content, and the first byte after it
    open: bool = False  # No length of its own: extends to the end of the file


def boxes(
    file: BinaryIO, start: int = 0, end: int | None = None, *, cut: bool = False
) -> Iterator[Box]:
    """Yield the boxes between two offsets, one level deep, up to the first malformed one; with
    `cut` also a truncated last one."""
    if end is None:
        end = os.fstat(file.fileno()).st_size
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        header = file.read(16)
        if len(header) < 8:
            return
        size, kind, body = int.from_bytes(header[:4], "big"), header[4:8], start + 8
        if size == 1:
            size, body = int.from_bytes(header[8:16], "big"), start + 16
        last = size == 0
        stop = end if last else start + size
        if stop < body or (stop > end and not cut):
            return
        yield Box(kind, start, body, stop, last)
        start = stop


def xmp_box(file: BinaryIO) -> Box | None:
    """Return the top-level box whose body is an XMP packet."""
    for box in boxes(file):
        if box.kind == b"uuid":
            file.seek(box.body)
            if file.read(16) == XMP_BOX:
                return Box(box.kind, box.start, box.body + 16, box.end, box.open)
    return None


@dataclass(frozen=True)
class Edits:
    """Summary of a track's edit list."""

    parts: int  # Stretches of recording that are shown
    gaps: int  # Empty edits


def edit_lists(file: BinaryIO) -> list[Edits]:
    """Return the edit list of each track that has one."""
    lists = []
    for track in _below(file, (b"moov", b"trak", b"edts", b"elst")):
        file.seek(track.body)
        data = file.read(min(track.end - track.body, 8 + 20 * MAX_BOXES))
        if len(data) < 8:
            continue
        wide = data[0] == 1
        entry = struct.Struct(">qqi" if wide else ">iii")
        count = min(int.from_bytes(data[4:8], "big"), (len(data) - 8) // entry.size)
        starts = [entry.unpack_from(data, 8 + i * entry.size)[1] for i in range(count)]
        shown = sum(start >= 0 for start in starts)
        lists.append(Edits(shown, len(starts) - shown))
    return lists


_ENTRY = 78  # bytes of a visual sample entry before the boxes in it
_MAX_BODY = 4096  # bytes of these that are read


def sample_entry(file: BinaryIO, track: int) -> dict[bytes, bytes]:
    """Return the boxes in the first sample entry of a picture track, by its ID: kind -> content, at
    most 4,096 bytes each; a box that is repeated counts once."""
    for trak in _below(file, (b"moov", b"trak")):
        inner = {box.kind: box for box in boxes(file, trak.body, trak.end)}
        if b"tkhd" not in inner or _track_id(file, inner[b"tkhd"]) != track:
            continue
        level = trak
        for kind in (b"mdia", b"minf", b"stbl", b"stsd"):
            found = (box for box in boxes(file, level.body, level.end) if box.kind == kind)
            if (below := next(found, None)) is None:
                return {}
            level = below
        entry = next(boxes(file, level.body + 8, level.end), None)
        if entry is None:
            return {}
        described: dict[bytes, bytes] = {}
        for box in boxes(file, entry.body + _ENTRY, entry.end):
            file.seek(box.body)
            described.setdefault(box.kind, file.read(min(box.end - box.body, _MAX_BODY)))
        return described
    return {}


def _track_id(file: BinaryIO, header: Box) -> int:
    file.seek(header.body)
    data = file.read(24)
    at = 20 if data[:1] == b"\x01" else 12
    return int.from_bytes(data[at : at + 4], "big")


def _below(file: BinaryIO, path: tuple[bytes, ...]) -> list[Box]:
    level = [box for box in boxes(file) if box.kind == path[0]]
    for kind in path[1:]:
        level = [
            inner for box in level for inner in boxes(file, box.body, box.end) if inner.kind == kind
        ][:MAX_BOXES]
    return level
