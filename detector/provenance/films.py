"""What a video says about itself: tags, boxes, and the settings its encoder left in the stream."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from av.container import InputContainer

from detector.media.container import demuxer, open_media, packets, picture_stream
from detector.media.files import open_file
from detector.provenance import xmp
from detector.provenance.boxes import edit_lists, xmp_box
from detector.provenance.pictures import XMP, Group, place
from detector.provenance.text import clean
from detector.schema.origin import Fact, GeoLocation

TAGS: Mapping[str, tuple[Group, str]] = {
    "com.apple.quicktime.make": ("camera", "Camera maker"),
    "com.apple.quicktime.model": ("camera", "Camera"),
    "make": ("camera", "Camera maker"),
    "model": ("camera", "Camera"),
    "com.android.manufacturer": ("camera", "Camera maker"),
    "com.android.model": ("camera", "Camera"),
    "com.android.version": ("software", "Android"),
    "com.apple.quicktime.software": ("software", "Software"),
    "software": ("software", "Software"),
    "encoder": ("container", "Written by"),
    "encoding_tool": ("container", "Written by"),
    "muxing_application": ("container", "Written by"),
    "writing_application": ("container", "Written by"),
    "major_brand": ("container", "Kind"),
    "compatible_brands": ("container", "Compatible with"),
    "creation_time": ("time", "Made"),
    "com.apple.quicktime.creationdate": ("time", "Made"),
    "title": ("words", "Title"),
    "artist": ("words", "Artist"),
    "comment": ("words", "Comment"),
    "description": ("words", "Description"),
    "copyright": ("words", "Copyright"),
}
STREAM_TAGS: Mapping[str, tuple[Group, str]] = {
    "encoder": ("encoder", "Video encoder"),
    "handler_name": ("container", "Video track"),
    "vendor_id": ("container", "Encoder's vendor"),
    "creation_time": ("time", "Track made"),
}
_EMPTY = ("", "[0][0][0][0]", "VideoHandler")
"""What muxers write when they have nothing to say."""
_PLACES = ("location", "com.apple.quicktime.location.iso6709", "location-eng")
_ISO6709 = re.compile(r"\A([+-]\d{1,2}(?:\.\d{1,8})?)([+-]\d{1,3}(?:\.\d{1,8})?)")

_SETTINGS = re.compile(rb"(x26[45]) (?:- core|\(build) (\d+)[^\x00\x80]{0,200}?")
_SETTING = re.compile(rb"\b(rc|crf|bitrate|qp|keyint|bframes)=([\w.]{1,12})")
_LOOKED_AT = 3
"""Packets searched for the encoder's settings: x264 and x265 write them into the first."""
_PACKET = 64_000
"""bytes of each"""


def read_film(
    path: str | os.PathLike[str],
) -> tuple[list[Fact], GeoLocation | None, Mapping[str, str]]:
    """Facts, place and XMP properties of a video, from its tags and first packets.

    Raises
    ------
    MediaError
        It can't be opened.
    """
    facts: list[Fact] = []
    with open_media(path) as container:
        stream = picture_stream(container)
        tags = {str(k).lower(): v for k, v in list(container.metadata.items())[:200]}
        facts += _tagged(tags, TAGS, "container")
        track = {str(k).lower(): v for k, v in list(stream.metadata.items())[:200]}
        facts += _tagged(track, STREAM_TAGS, "container")
        facts += _encoder(container)
        where = _where(tags)
        boxes = demuxer(container) == "mov"
    said: Mapping[str, str] = {}
    if boxes:
        found, packet = _boxes(path)
        facts += found
        if packet:
            said = xmp.fields(packet)
            facts += [
                Fact(group=group, name=name, value=said[key], source="XMP")
                for key, (group, name) in XMP.items()
                if said.get(key)
            ]
    return facts, where, said


def _boxes(path: str | os.PathLike[str]) -> tuple[list[Fact], bytes | None]:
    """Return what the boxes of an MP4 or MOV file tell: its edit lists, and its XMP packet."""
    with open_file(path) as file:
        lists = [edits for edits in edit_lists(file) if edits.parts > 1 or edits.gaps]
        packet = None
        if (box := xmp_box(file)) is not None:
            file.seek(box.body)
            packet = file.read(min(box.end - box.body, xmp.LARGEST + 1))
    facts = []
    if lists:
        most = max(lists, key=lambda edits: edits.parts)
        value = f"{most.parts} parts" if most.parts > 1 else "starts after a gap"
        facts = [Fact(group="container", name="Edit list", value=value, source="container")]
    return facts, packet


def _tagged(
    tags: Mapping[str, str], wanted: Mapping[str, tuple[Group, str]], source: str
) -> Iterator[Fact]:
    for key, (group, name) in wanted.items():
        value = clean(tags.get(key, ""))
        if value not in _EMPTY:
            yield Fact(group=group, name=name, value=value, source=source)


def _encoder(container: InputContainer) -> Iterator[Fact]:
    """Yield the settings that x264 and x265 write into the stream itself, where retagging leaves
    them."""
    stream = picture_stream(container)
    looked = [bytes(stream.codec_context.extradata or b"")[:_PACKET]]
    for number, packet in enumerate(packets(container, stream)):
        looked.append(bytes(packet)[:_PACKET])
        if number + 1 >= _LOOKED_AT:
            break
    for data in looked:
        found = _SETTINGS.search(data)
        if found:
            text = data[found.start() : found.start() + 2_000].split(b"\x00")[0]
            settings = ", ".join(
                f"{k.decode()} {v.decode()}" for k, v in dict(_SETTING.findall(text)).items()
            )
            value = f"{found[1].decode()} {found[2].decode()}" + (
                f": {settings}" if settings else ""
            )
            yield Fact(group="encoder", name="Video encoder", value=value, source="video stream")
            return


def _where(tags: Mapping[str, str]) -> GeoLocation | None:
    for key in _PLACES:
        found = _ISO6709.match(str(tags.get(key, ""))[:60])
        if found:
            return place(float(found[1]), float(found[2]), "container")
    return None
