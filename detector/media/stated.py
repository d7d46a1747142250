"""Statements of containers about their picture that libav does not pass on: the colors of Dolby
Vision, and the part of the picture that players are asked to show."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from detector.media import ebml
from detector.media.boxes import sample_entry
from detector.media.files import one_line, open_file, top_box
from detector.media.sei import units

_OWN_COLORS = (5, 10, 20)
"""profiles of Dolby Vision whose base layer may have colors of its own, IPT (profile 5 always)"""
_CONFIGURATIONS = (b"dvcC", b"dvvC", b"dvwC")
_MAPPING, _MAPPED_TYPE, _MAPPED_DATA = 0x41E4, 0x41E7, 0x41ED
_CODEC_ID = 0x86
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_CROPS = {0x54AA: 1, 0x54BB: 1, 0x54CC: 0, 0x54DD: 0}  # bottom, top, left, right -> axis
_TS_HEAD = 1 << 18  # bytes of a transport stream that hold its tables
_TS_CONFIGURATION = re.compile(rb"\xb0[\x05-\x0a]([\x01-\x03]\x00.{2,8})", re.DOTALL)
_RPU = 62  # type of the unit of a HEVC stream that holds Dolby Vision's metadata

Size = tuple[int, int]


@dataclass(frozen=True)
class Stated:
    """Statements of a container about one picture stream."""

    dolby_profile: int | None = None
    """of Dolby Vision, if its colors are its own and can't be converted; else None"""
    shown: Size | None = None  # the part that players are asked to show, px, if it is not all


def read_stated(
    path: str | os.PathLike[str], container: InputContainer, stream: VideoStream
) -> Stated:
    """Return what the container states of a stream."""
    name = container.format.name.split(",")[0]
    with open_file(path) as file:
        match name:
            case "mov":
                return _of_boxes(file, stream)
            case "matroska":
                return _of_matroska(file, stream)
            case "mpegts":
                head = file.read(_TS_HEAD)
                found = _TS_CONFIGURATION.search(head) if b"DOVI" in head else None
                return Stated(_own_colors(found[1]) if found else None)
    return Stated()


def unheard_kinds(path: str | os.PathLike[str], container: InputContainer) -> str | None:
    """Return the codings of a file's sounds if none can be decoded, as " (apac)", or an empty text
    if they are not known; None if there is no sound, or one that can be decoded."""
    sounds = container.streams.audio
    if not sounds or any(stream.codec_context is not None for stream in sounds):
        return None
    found: list[str] = []
    with open_file(path) as file:
        match container.format.name.split(",")[0]:
            case "mov":
                index = top_box(file, b"moov")
                tracks = re.findall(rb"hdlr.{8}soun.*?stsd.{12}(.{4})", index, re.DOTALL)
                found = [kind.decode("latin-1").strip() for kind in tracks]
            case "matroska":
                end = os.fstat(file.fileno()).st_size
                for stream in sounds:
                    found += [
                        ebml.value(file, element).decode("latin-1")
                        for element in ebml.track(file, stream.index, end)
                        if element.id == _CODEC_ID
                    ]
            case "avi":
                heads = re.finditer(rb"auds.{52}strf.{4}(.{2})", file.read(_TS_HEAD), re.DOTALL)
                found = [f"0x{int.from_bytes(head[1], 'little'):04x}" for head in heads]
    names = ", ".join(dict.fromkeys(one_line(name) for name in found if name.isprintable()))
    return f" ({names})" if names else ""


def _of_boxes(file: BinaryIO, stream: VideoStream) -> Stated:
    inner = sample_entry(file, stream.id)
    profiles = (_own_colors(inner[kind]) for kind in _CONFIGURATIONS if kind in inner)
    shown = None
    if len(clap := inner.get(b"clap", b"")) >= 16:
        width, over_width, height, over_height = (
            int.from_bytes(clap[at : at + 4], "big") for at in range(0, 16, 4)
        )
        if over_width and over_height:
            asked = round(width / over_width), round(height / over_height)
            shown = _part(asked, (stream.width, stream.height))
    return Stated(next(filter(None, profiles), None), shown)


def _of_matroska(file: BinaryIO, stream: VideoStream) -> Stated:
    end = os.fstat(file.fileno()).st_size
    profile, size, cut = None, [0, 0], [0, 0]
    for element in [*ebml.track(file, stream.index, end)]:
        children = [*ebml.elements(file, element.body, element.end)]
        if element.id == _MAPPING:
            data = {child.id: ebml.value(file, child) for child in children}
            if data.get(_MAPPED_TYPE, b"")[-4:] in _CONFIGURATIONS:
                profile = _own_colors(data.get(_MAPPED_DATA, b"")) or profile
        if element.id == _VIDEO:
            numbers = {c.id: int.from_bytes(ebml.value(file, c)[:8], "big") for c in children}
            size = [numbers.get(_WIDTH, 0), numbers.get(_HEIGHT, 0)]
            for id, axis in _CROPS.items():
                cut[axis] += numbers.get(id, 0)
    asked = size[0] - cut[0], size[1] - cut[1]
    return Stated(profile, _part(asked, (size[0], size[1])))


def _part(asked: Size, coded: Size) -> Size | None:
    smaller = asked[0] < coded[0] or asked[1] < coded[1]
    return asked if smaller and min(asked) > 0 else None


def _own_colors(configuration: bytes) -> int | None:
    """Return the profile by a Dolby Vision configuration record, if its colors are its own."""
    if len(configuration) < 4:
        return None
    profile = configuration[2] >> 1
    compatible = configuration[4] >> 4 if len(configuration) > 4 else 0
    own = profile == _OWN_COLORS[0] or (profile in _OWN_COLORS and compatible == 0)
    return profile if own else None


def dolby_profile(packet: Packet[Any], codec: str) -> int | None:
    """Return 5 if the metadata in a packet of a HEVC stream are those of Dolby Vision profile 5."""
    if codec != "hevc":
        return None
    for unit in units(bytes(packet)):
        if unit[0] >> 1 & 63 == _RPU and len(unit) > 8:
            return 5 if _is_profile_5(unit[2:].replace(b"\0\0\3", b"\0\0")[:64]) else None
    return None


def _is_profile_5(rpu: bytes) -> bool:
    """Return True if an RPU (ETSI GS CCM 001) has VDR profile 0 over a base layer of full range."""
    bits = "".join(f"{byte:08b}" for byte in rpu[1:])  # behind its prefix, 0x19
    if rpu[0] != 0x19 or len(bits) < 80:
        return False
    at = 6 + 11  # type, format
    profile, described = int(bits[at : at + 4], 2), bits[at + 8] == "1"
    if not described or profile != 0:
        return False
    at += 4 + 4 + 1 + 1  # profile, level, whether described, chroma filter
    fixed_point = bits[at : at + 2] == "00"
    at += 2
    if fixed_point:  # an exponential Golomb number: the denominator
        zeros = bits.index("1", at) - at if "1" in bits[at:] else 0
        at += 2 * zeros + 1
    return bits[at + 2 : at + 3] == "1"  # behind the normalization
