"""Tags of pictures, videos and sounds: EXIF, XMP, text chunks, container tags, compression."""

import math
import os
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, cast

from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream
from PIL import ExifTags, Image, IptcImagePlugin
from PIL.ImageFile import ImageFile

from detector.media.boxes import edit_lists, xmp_box
from detector.media.container import chosen_picture, demuxer, moving_pictures, open_media, packets
from detector.media.files import open_file
from detector.media.stills import open_still
from detector.provenance import origins
from detector.provenance.hidden_text import late_texts, stealth
from detector.provenance.origins import Field
from detector.provenance.text import MAX_XMP_BYTES, clean, decoded, xmp_fields
from detector.provenance.times import is_set
from detector.schema.origin import Fact, GeoLocation
from detector.sentences import _

Group = Literal["camera", "software", "time", "words", "container", "encoder", "generator"]

_BASE = ExifTags.Base
EXIF: Mapping[int, tuple[Group, str]] = {
    _BASE.Make: ("camera", "Camera maker"),
    _BASE.Model: ("camera", "Camera"),
    _BASE.LensModel: ("camera", "Lens"),
    _BASE.BodySerialNumber: ("camera", "Camera serial number"),
    _BASE.Software: ("software", "Software"),
    _BASE.ProcessingSoftware: ("software", "Processing software"),
    _BASE.HostComputer: ("software", "Computer"),
    _BASE.DateTimeOriginal: ("time", "Recorded"),
    _BASE.DateTimeDigitized: ("time", "Digitized"),
    _BASE.DateTime: ("time", "Changed"),
    _BASE.Artist: ("words", "Artist"),
    _BASE.Copyright: ("words", "Copyright"),
    _BASE.ImageDescription: ("words", "Description"),
    _BASE.UserComment: ("words", "Comment"),
}
"""The tags that are shown. An allow list bounds what a hostile file can say."""

XMP: Mapping[str, tuple[Group, str]] = {
    "xmp:CreatorTool": ("software", "Software"),
    "xmp:CreateDate": ("time", "Made"),
    "xmp:ModifyDate": ("time", "Changed"),
    "xmpMM:History": ("software", "Steps in the editing history"),
    "photoshop:Credit": ("words", "Credit"),
    "iptc:AISystemUsed": ("generator", origins.SYSTEM),
    "iptc:AISystemVersionUsed": ("generator", "Version of the AI system"),
    "iptc:AIPromptInformation": ("words", "Prompt"),
    "iptc:AIPromptWriterName": ("words", "Writer of the prompt"),
    "photoshop:Source": ("words", "Source"),
    "dc:creator": ("words", "Creator"),
    "dc:rights": ("words", "Copyright"),
    "dc:description": ("words", "Description"),
    "tiff:Make": ("camera", "Camera maker"),
    "tiff:Model": ("camera", "Camera"),
    "iptc:DigitalSourceType": ("generator", origins.SOURCE_TYPE),
    "iptc:DigitalSourceFileType": ("generator", origins.SOURCE_TYPE),
    "iptc:DigitalSourcefileType": ("generator", origins.SOURCE_TYPE),
    "iptcCore:DigitalSourceType": ("generator", origins.SOURCE_TYPE),
    "dcterms:provenance": ("software", "Manifest kept at"),
}

IIM: Mapping[tuple[int, int], tuple[Group, str]] = {
    (2, 65): ("software", "Software"),
    (2, 80): ("words", "Creator"),
    (2, 110): ("words", "Credit"),
    (2, 115): ("words", "Source"),
    (2, 116): ("words", "Copyright"),
    (2, 120): ("words", "Description"),
}
"""IPTC's older records (IIM 4.2), which many programs write next to XMP or alone"""
CHUNKS: Mapping[str, tuple[Group, str]] = {
    "software": ("software", "Software"),
    "author": ("words", "Author"),
    "title": ("words", "Title"),
    "description": ("words", "Description"),
    "comment": ("words", "Comment"),
    "copyright": ("words", "Copyright"),
    "creation time": ("time", "Made"),
    "source": ("words", "Source"),
}
"""Names of text chunks."""

LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
"""JPEG's luma quantization table (ITU-T T.81, table K.1), rows of 8, as Pillow gives it."""


_EMPTY = ("", "[0][0][0][0]", "VideoHandler")  # Placeholders of programs


def read_still(
    path: str | os.PathLike[str],
) -> tuple[list[Fact], GeoLocation | None, Mapping[str, str]]:
    """Return a picture's facts, location and XMP; raise MediaError, or any exception of a tag
    parser."""
    with open_still(path) as image:
        exif = image.getexif()
        tags = {**exif.get_ifd(ExifTags.IFD.Exif), **exif}
        packet = image.info.get("xmp") or b""
        properties = (
            xmp_fields(packet.encode() if isinstance(packet, str) else packet) if packet else {}
        )
        # Text chunks and comments before the pixels only.
        chunks = {
            str(key).lower(): value
            for key, value in list(image.info.items())[:100]
            if isinstance(value, str | bytes)
        }
        words = f"{image.format or 'file'} text"
        fields = [
            *_fields(tags, "EXIF"),
            *_fields(properties, "XMP"),
            *_fields(chunks, words),
            *(Field(key, text, words) for key, text in late_texts(Path(path))),
            *(Field("stealth_pnginfo", text, _("hidden in its pixels")) for text in stealth(image)),
        ]
        facts = origins.without_false_cameras(
            [
                *origins.generator_facts(fields),
                *named_facts(tags, EXIF, "EXIF"),
                *named_facts(properties, XMP, "XMP"),
                *_records(image, properties),
                *named_facts(chunks, CHUNKS, words),
                *_compression(image),
            ]
        )
        return facts, _place(exif.get_ifd(ExifTags.IFD.GPSInfo)), properties


def _records(image: Image.Image, properties: Mapping[str, str]) -> Iterator[Fact]:
    """Yield what the IPTC records state, where XMP does not state the same."""
    try:
        records = IptcImagePlugin.getiptcinfo(cast(ImageFile, image)) or {}
    except (SyntaxError, ValueError, TypeError, IndexError, OSError):
        return
    first = {key: value[0] if isinstance(value, list) else value for key, value in records.items()}
    known = set(map(clean, properties.values()))
    for fact in named_facts(first, IIM, "IPTC"):
        if fact.value not in known:
            yield fact


def _fields(tags: Mapping[Any, Any], source: str) -> Iterator[Field]:
    """Yield the texts of tags, whole."""
    for key, value in list(tags.items())[:500]:
        if isinstance(value, bytes):
            # Windows writes the texts of its own tags (XPTitle, XPComment …) in UTF-16.
            xp = isinstance(key, int) and 0x9C9B <= key <= 0x9C9F
            value = value[: 4 * origins.SEARCHED]
            value = value.decode("utf-16-le", "replace") if xp else decoded(value)
        if isinstance(value, str) and len(value) > 1:
            yield Field(str(key), value[: origins.SEARCHED], source)


def named_facts(
    tags: Mapping[Any, Any], names: Mapping[Any, tuple[Group, str]], source: str
) -> Iterator[Fact]:
    """Yield the known tags with a value, in the order of `names`."""
    for key, (group, name) in names.items():
        value = clean(tags[key]) if key in tags else ""
        if value not in _EMPTY and not (group == "time" and not is_set(value)):
            yield Fact(group=group, name=name, value=value, source=source)


def _compression(image: Image.Image) -> Iterator[Fact]:
    """Yield a JPEG's quantization; custom tables come from cameras and a few editors."""
    tables = getattr(image, "quantization", None)
    if not tables or 0 not in tables:
        return
    table = tuple(tables[0])
    quality = next((q for q in range(1, 101) if _scaled(q) == table), None)
    value = (
        _("standard tables, quality {quality}").format(quality=quality)
        if quality
        else _("tables of its own")
    )
    yield Fact(group="encoder", name="JPEG quantization", value=value, source="JPEG")


def _scaled(quality: int) -> tuple[int, ...]:
    """Return the luma table at a quality of the Independent JPEG Group's library."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(255, max(1, (v * scale + 50) // 100)) for v in LUMINANCE)


def _place(gps: Mapping[int, Any]) -> GeoLocation | None:
    """Convert EXIF's degrees, minutes, seconds; None if they are no location."""
    try:
        latitude = _degrees(gps[ExifTags.GPS.GPSLatitude])
        longitude = _degrees(gps[ExifTags.GPS.GPSLongitude])
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if str(gps.get(ExifTags.GPS.GPSLatitudeRef, "N"))[:1].upper() == "S":
        latitude = -latitude
    if str(gps.get(ExifTags.GPS.GPSLongitudeRef, "E"))[:1].upper() == "W":
        longitude = -longitude
    return place(latitude, longitude, "EXIF")


def place(latitude: float, longitude: float, source: str) -> GeoLocation | None:
    """Return a valid location, else None: files hold anything; 0, 0 is a phone without a fix."""
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return None
    if abs(latitude) > 90 or abs(longitude) > 180 or (latitude, longitude) == (0.0, 0.0):
        return None
    return GeoLocation(latitude=round(latitude, 6), longitude=round(longitude, 6), source=source)


def _degrees(parts: Any) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return degrees + minutes / 60 + seconds / 3600


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
"""Packets searched for encoder settings: x264 and x265 write them into the first."""
_PACKET = 64_000  # bytes of each


def read_film(
    path: str | os.PathLike[str],
) -> tuple[list[Fact], GeoLocation | None, Mapping[str, str]]:
    """Return the facts, location and XMP of a video or sound; raise MediaError."""
    properties: Mapping[str, str] = {}
    with open_media(path) as container:
        tags = _tags(container)
        stated = _fields(tags, _("container"))
        for one in container.streams:
            stated = chain(stated, _fields(_tags(one), _("container")))
        facts = [*origins.generator_facts(stated), *named_facts(tags, TAGS, "container")]
        moving = moving_pictures(container)
        if moving or not container.streams.audio:
            stream = chosen_picture(moving)
            facts += named_facts(_tags(stream), STREAM_TAGS, "container")
            facts += _encoder(container, stream)
        has_boxes = demuxer(container) == "mov"
    if has_boxes:
        with open_file(path) as file:
            edited = [edits for edits in edit_lists(file) if edits.parts > 1 or edits.gaps]
            if edited:
                parts = max(edits.parts for edits in edited)
                value = (
                    _("{parts} parts of the recording").format(parts=parts)
                    if parts > 1
                    else _("starts after a gap")
                )
                facts.append(
                    Fact(group="container", name="Edit list", value=value, source=_("container"))
                )
            if (box := xmp_box(file)) is not None:
                file.seek(box.body)
                if packet := file.read(min(box.end - box.body, MAX_XMP_BYTES + 1)):
                    properties = xmp_fields(packet)
                    facts += origins.generator_facts(_fields(properties, "XMP"))
                    facts += named_facts(properties, XMP, "XMP")
    found = (_ISO6709.match(str(tags.get(key, ""))[:60]) for key in _PLACES)
    where = next(filter(None, found), None)
    location = place(float(where[1]), float(where[2]), "container") if where else None
    return origins.without_false_cameras(facts), location, properties


def _tags(of: InputContainer | Stream) -> dict[str, str]:
    return {str(key).lower(): value for key, value in list(of.metadata.items())[:200]}


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
            yield Fact(group="encoder", name="Video encoder", value=value, source=_("video stream"))
            return
