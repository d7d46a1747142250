"""Sanitizing of untrusted text and XML: one short line without control characters; XMP packets."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from detector.media.files import one_line

MAX_TEXT = 200  # maximum characters of a value


def clean(value: object, longest: int = MAX_TEXT) -> str:
    """Return a value as one short line without control and format characters; not escaped."""
    if isinstance(value, bytes):
        value = decoded(value[: 8 * longest])
    text = one_line(str(value)[: 8 * longest])
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


_CHARSET = re.compile(rb"\A(?:ASCII\0{3}|UNICODE\0|JIS\0{5}|\0{8})")


def decoded(data: bytes) -> str:
    """Return the text of bytes: EXIF's UserComment begins with the name of its character set, and
    programs disagree on the byte order of its Unicode."""
    charset = _CHARSET.match(data)
    body = data[8:] if charset else data
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    if len(body) > 1 and (order := _utf16_order(body)):
        return body.decode(order, "replace")
    if charset and charset[0].startswith(b"JIS"):
        return body.decode("iso2022_jp", "replace")
    return body.decode("utf-8", "replace")


def _utf16_order(body: bytes) -> str:
    """Return the encoding of UTF-16 by its zero bytes, which are the upper ones; empty for other
    text."""
    sample = body[: len(body[:400]) // 2 * 2]
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    if max(first, second) * 4 < len(sample) // 2 or first == second:
        return ""
    return "utf-16-be" if first > second else "utf-16-le"


def parse_xml(data: bytes) -> ElementTree.Element:
    """Return the root of an XML document; raise ValueError for a damaged one, or one with a
    document type: without it there are no expanding or external entities."""
    guard = expat.ParserCreate()  # stops at once, unlike a TreeBuilder's `doctype`
    guard.StartDoctypeDeclHandler = _refuse_doctype
    try:
        guard.Parse(data, True)
        return ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, LookupError) as error:
        raise ValueError("the XML is damaged") from error


def _refuse_doctype(*_: object) -> NoReturn:
    raise ValueError("the XML has a document type")


MAX_XMP_BYTES = 1 << 20
"""maximum size of a packet; cameras write 2 to 10 kB, editors with a long history some 100 kB"""
MAX_ELEMENTS = 20_000  # of a packet
MAX_VALUE = 1 << 18  # characters of a property

NAMESPACES = {
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "iptc",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "iptcCore",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "urn:unmask:verdict:1#": "unmask",
}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def xmp_fields(packet: bytes) -> Mapping[str, str]:
    """Return a packet's properties, "prefix:name" -> text, lists joined; raise ValueError for
    hostile input."""
    if len(packet) > MAX_XMP_BYTES:
        raise ValueError("the XMP packet is too large")
    # Some writers pad with zero bytes, or put the packet markers in twice.
    body = re.sub(rb"<\?xpacket[^>]*\?>", b"", packet).strip(b"\x00 \r\n\t")
    properties: dict[str, str] = {}
    for number, description in enumerate(parse_xml(body).iter(f"{_RDF}Description")):
        if number >= MAX_ELEMENTS:
            break
        pairs: list[tuple[str, Any]] = list(description.attrib.items())
        pairs += [(child.tag, child) for child in description]
        for tag, value in pairs:
            name = _name(tag)
            if name and name not in properties:
                properties[name] = (value if isinstance(value, str) else _text(value))[:MAX_VALUE]
    return properties


def _name(tag: object) -> str | None:
    space, _, name = str(tag).removeprefix("{").partition("}")
    prefix = NAMESPACES.get(space)
    if prefix is None and name == "AIGC":
        prefix = "TC260"  # of GB 45438; programs spell its namespace in several ways
    return f"{prefix}:{clean(name, 40)}" if prefix else None


def _text(element: Element) -> str:
    items = list(element.iter(f"{_RDF}li"))[:MAX_ELEMENTS]
    if str(element.tag).endswith("}History"):
        return str(len(items))
    if items:
        return ", ".join(t for t in map(_content, items[:20]) if t.strip())[:MAX_VALUE]
    return _content(element)[:MAX_VALUE]


def _content(element: Element) -> str:
    """Return an element's text, or the address that it refers to."""
    return "".join(element.itertext()).strip() or element.get(f"{_RDF}resource") or ""
