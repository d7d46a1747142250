"""Display names of URLs; imports no HTTP client."""

import re
from urllib.parse import unquote, urlsplit

from detector.media.files import safe_name


def is_link(text: str) -> bool:
    """Return True if a text is a web URL."""
    return re.match(r"https?://", text.strip(), re.IGNORECASE) is not None


def name_of(url: str) -> str:
    """Return a URL's file name, safe to display, without its query, which may hold tokens."""
    parts = urlsplit(url.strip())
    return safe_name(unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.hostname or "link")
