"""Write the table of settings into hosting.md when MkDocs builds the site."""

from typing import Any

from detector.config import as_markdown
from service.config import get_config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with the table in place of its marker."""
    marker = "<!-- settings: docs/hooks.py puts the table here -->"
    return markdown.replace(marker, as_markdown(get_config()))
