"""What a video says about itself: tags, boxes, and the settings its encoder left in the stream."""

import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import BinaryIO

from av.container import InputContainer
from av.video.stream import VideoStream

from detector.media.container import chosen_picture, demuxer, moving_pictures, open_media, packets
from detector.media.files import open_file
from detector.provenance import xmp
from detector.provenance.boxes import edit_lists, xmp_box
from detector.provenance.pictures import XMP, Group, named_facts, place
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
_PLACES = ("location", "com.apple.quicktime.location.iso6709", "location-eng")
_ISO6709 = re.compile(r"\A([+-]\d{1,2}(?:\.\d{1,8})?)([+-]\d{1,3}(?:\.\d{1,8})?)")

_SETTINGS = re.compile(rb"(x26[45]) (?:- core|\(build) (\d+)[^\x00\x80]{0,200}?")
_SETTING = re.compile(rb"\b(rc|crf|bitrate|qp|keyint|bframes)=([\w.]{1,12})")
_SEARCHED_PACKETS = 3
"""Packets searched for the encoder's settings: x264 and x265 write them into the first."""
_PACKET = 64_000  # bytes of each


def read_film(
    path: str | os.PathLike[str],
) -> tuple[list[Fact], GeoLocation | None, Mapping[str, str]]:
    """Return a film's or sound's facts, place and XMP; raise MediaError."""
    properties: Mapping[str, str] = {}
    with open_media(path) as container:
        tags = _tags(container)
        facts = [*named_facts(tags, TAGS, "container")]
        moving = moving_pictures(container)
        if moving or not container.streams.audio:
            stream = chosen_picture(moving)
            facts += named_facts(_tags(stream), STREAM_TAGS, "container")
            facts += _encoder(container, stream)
        has_boxes = demuxer(container) == "mov"
    if has_boxes:
        with open_file(path) as file:
            facts += _edit_list(file)
            if (box := xmp_box(file)) is not None:
                file.seek(box.body)
                if packet := file.read(min(box.end - box.body, xmp.MAX_BYTES + 1)):
                    properties = xmp.fields(packet)
                    facts += named_facts(properties, XMP, "XMP")
    return facts, _location(tags), properties


def _tags(of: InputContainer | VideoStream) -> dict[str, str]:
    return {str(key).lower(): value for key, value in list(of.metadata.items())[:200]}


def _edit_list(file: BinaryIO) -> Iterator[Fact]:
    lists = [edits for edits in edit_lists(file) if edits.parts > 1 or edits.gaps]
    if lists:
        parts = max(edits.parts for edits in lists)
        value = f"{parts} parts" if parts > 1 else "starts after a gap"
        yield Fact(group="container", name="Edit list", value=value, source="container")


def _encoder(container: InputContainer, stream: VideoStream) -> Iterator[Fact]:
    """Yield the settings that x264 and x265 write into the stream, which survive retagging."""
    first = (bytes(packet) for packet in islice(packets(container, stream), _SEARCHED_PACKETS))
    for data in chain([stream.codec_context.extradata or b""], first):
        if match := _SETTINGS.search(data[:_PACKET]):
            text = data[match.start() : match.start() + 2_000].split(b"\x00")[0]
            settings = ", ".join(
                f"{k.decode()} {v.decode()}" for k, v in dict(_SETTING.findall(text)).items()
            )
            value = f"{match[1].decode()} {match[2].decode()}{': ' * bool(settings)}{settings}"
            yield Fact(group="encoder", name="Video encoder", value=value, source="video stream")
            return


def _location(tags: Mapping[str, str]) -> GeoLocation | None:
    for key in _PLACES:
        if match := _ISO6709.match(str(tags.get(key, ""))[:60]):
            return place(float(match[1]), float(match[2]), "container")
    return None
