"""Foreign text made fit to keep: one line, no trick characters, short."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200
"""characters of one value that are kept"""


def clean(value: object, longest: int = LONGEST) -> str:
    """Return a value from a file as one harmless line.

    Control and format characters (which can turn the reading direction, or hide text) go, bytes are
    read as UTF-8, and what is too long is cut. It still has to be escaped where it is shown.
    """
    if isinstance(value, bytes):
        # EXIF's UserComment begins with the name of its character set.
        value = re.sub(rb"\A(ASCII|UNICODE|JIS)\x00+", b"", value[: 8 * longest])
        value = value.decode("utf-8", "replace")
    text = str(value)[: 8 * longest]
    kept = "".join(
        " " if ch.isspace() else ch
        for ch in unicodedata.normalize("NFC", text)
        if ch.isspace() or unicodedata.category(ch) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else f"{kept[: longest - 1]}…"
