"""SEI display orientation of H.264 and HEVC streams (ITU-T H.264 D.1.27, H.265 D.2.17).

libav attaches it to its own frame only and drops a turn of 0 degrees, but it holds until the next
one."""

from __future__ import annotations

from collections.abc import Iterator

Orientation = tuple[bool, bool, bool]
"""transpose, then flip x, then flip y: makes a decoded picture upright"""

_DISPLAY_ORIENTATION = 47  # payload type
_SEARCHED = 4096  # bytes of a packet: SEI precedes the picture
_HEADERS = {"h264": 1, "hevc": 2}  # bytes of a NAL unit's header
UPRIGHT = (False, False, False)
BY_QUARTERS: dict[int, Orientation] = {  # counterclockwise
    0: UPRIGHT,
    1: (True, False, True),
    2: (False, True, True),
    3: (True, True, False),
}


def display_orientation(packet: memoryview, codec: str) -> Orientation | None:
    """Return the orientation stated by a packet of "h264" or "hevc"; None if it states none."""
    header = _HEADERS.get(codec)
    if header is None:
        return None
    for unit in units(bytes(packet[:_SEARCHED])):
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind in ((1, 2, 3, 4, 5) if codec == "h264" else range(32)):
            return None  # the picture itself
        if kind != (6 if codec == "h264" else 39):
            continue
        for type, payload in _payloads(unit[header:].replace(b"\0\0\3", b"\0\0")):
            if type == _DISPLAY_ORIENTATION and len(payload) >= 3:
                return _orientation(int.from_bytes(payload[:3], "big"))
    return None


def _orientation(bits: int) -> Orientation:
    """Decode 24 bits: cancel flag, flip x, flip y, 16 bits of counterclockwise rotation."""
    if bits >> 23:
        return UPRIGHT
    # Flips are applied first; after a quarter turn they swap axes.
    transposed, flip_x, flip_y = BY_QUARTERS[round((bits >> 5 & 0xFFFF) / 16384) % 4]
    across, down = bool(bits >> 22 & 1), bool(bits >> 21 & 1)
    if transposed:
        across, down = down, across
    return transposed, flip_x ^ across, flip_y ^ down


def units(data: bytes) -> Iterator[bytes]:
    """Yield the units of a packet, behind start codes or lengths, without either."""
    if data.startswith((b"\0\0\0\1", b"\0\0\1")):
        yield from (unit for unit in data.split(b"\0\0\1")[1:] if unit.rstrip(b"\0"))
        return
    at = 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if not size:
            return
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _payloads(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 < len(data):
        numbers = []
        for _field in ("type", "size"):
            number = 0
            while at < len(data) and data[at] == 255:
                number, at = number + 255, at + 1
            if at >= len(data):
                return
            numbers.append(number + data[at])
            at += 1
        yield numbers[0], data[at : at + numbers[1]]
        at += numbers[1]
