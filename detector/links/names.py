"""Display names of URLs; imports no HTTP client."""

import re
from urllib.parse import unquote, urlsplit

from detector.media.files import safe_name


def is_link(text: str) -> bool:
    """Return whether a text is meant as the address of a file on the web."""
    return re.match(r"https?://", text.strip(), re.IGNORECASE) is not None


def name_of(url: str) -> str:
    """Return what an address calls its file, safe to show: never its query, where tokens stand."""
    parts = urlsplit(url.strip())
    return safe_name(unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.hostname or "link")
