"""EBML (Matroska, WebM): offsets of its elements."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAX_ELEMENTS = 20_000  # maximum elements of one level
MAX_VALUE = 4096  # bytes of an element's value that are read
SEGMENT, TRACKS, TRACK, CLUSTER = 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675


class Element(NamedTuple):
    """One element of a file, with the offsets of its content and of the first byte after it."""

    id: int
    body: int
    end: int


def elements(file: BinaryIO, start: int, end: int) -> Iterator[Element]:
    """Yield the elements between two offsets, one level deep, up to the first malformed one; one of
    unknown size extends to the end."""
    for _ in range(MAX_ELEMENTS):
        file.seek(start)
        head = file.read(12)
        if start >= end or (id := _number(head, 4, marked=True)) is None:
            return
        if (size := _number(head[id[1] :], 8)) is None:
            return
        body = start + id[1] + size[1]
        unknown = size[0] == (1 << 7 * size[1]) - 1
        stop = end if unknown else body + size[0]
        yield Element(id[0], body, min(stop, end))
        start = stop


def value(file: BinaryIO, element: Element) -> bytes:
    """Return the content of an element, at most `MAX_VALUE` bytes."""
    file.seek(element.body)
    return file.read(min(element.end - element.body, MAX_VALUE))


def track(file: BinaryIO, number: int, end: int) -> Iterator[Element]:
    """Yield the elements of a file's track by its number in the file, from 0."""
    segment = next((e for e in elements(file, 0, end) if e.id == SEGMENT), None)
    if segment is None:
        return
    for element in elements(file, segment.body, segment.end):
        if element.id == CLUSTER:
            return
        if element.id == TRACKS:
            entries = [e for e in elements(file, element.body, element.end) if e.id == TRACK]
            for entry in entries[number : number + 1]:
                yield from elements(file, entry.body, entry.end)
            return


def _number(data: bytes, longest: int, *, marked: bool = False) -> tuple[int, int] | None:
    """Return a number of variable length and its bytes; `marked` keeps the bit of the length."""
    length = 9 - data[0].bit_length() if data else 9
    if length > longest or len(data) < length:
        return None
    number = int.from_bytes(data[:length], "big")
    return (number if marked else number & (1 << 7 * length) - 1), length
