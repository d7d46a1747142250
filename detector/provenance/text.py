"""Foreign text made fit to keep: one line, no trick characters, short; and foreign XML."""

import re
from typing import NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from detector.media.files import one_line

MAX_TEXT = 200  # characters of one value that are kept


def clean(value: object, longest: int = MAX_TEXT) -> str:
    """Return a value as one short line without control and format characters; still to be
    escaped."""
    if isinstance(value, bytes):
        # EXIF's UserComment begins with the name of its character set.
        value = re.sub(rb"\A(ASCII|UNICODE|JIS)\x00+", b"", value[: 8 * longest])
        value = value.decode("utf-8", "replace")
    text = one_line(str(value)[: 8 * longest])
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def parse_xml(data: bytes) -> ElementTree.Element:
    """Return the root of an XML document; raise ValueError for a damaged one, or one with a
    document type: without that, there are no entities that expand or name other files."""
    guard = expat.ParserCreate()  # stops at once, which a TreeBuilder's `doctype` does not
    guard.StartDoctypeDeclHandler = _refuse_doctype
    try:
        guard.Parse(data, True)
        return ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, LookupError) as error:
        raise ValueError("the XML is damaged") from error


def _refuse_doctype(*_: object) -> NoReturn:
    raise ValueError("the XML has a document type")
