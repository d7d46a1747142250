"""Foreign text made fit to keep: one line, no trick characters, short."""

import re

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
