"""Who posted a file and when, by the page that shows it."""

from collections.abc import Mapping
from html.parser import HTMLParser

from detector.provenance.text import clean
from detector.schema.origin import Posted

MAX_PAGE = 1 << 18
"""bytes of a page that are read: its head"""
_NAMES = {
    "title": ("og:title", "twitter:title"),
    "by": ("article:author", "author", "og:article:author", "twitter:creator", "parsely-author"),
    "date": ("article:published_time", "og:article:published_time", "date", "datepublished"),
    "site": ("og:site_name",),
}
"""Names of `meta` elements, the first that is there."""


class _Meta(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            given = dict(attrs)
            name = given.get("property") or given.get("name") or given.get("itemprop") or ""
            self.said.setdefault(name.lower(), given.get("content") or "")


def of_page(page: bytes) -> dict[str, str]:
    """Return what a page's head says (Open Graph, article tags): title, by, date, site."""
    parser = _Meta()
    parser.feed(page[:MAX_PAGE].decode("utf-8", "replace"))
    return {
        key: text
        for key, names in _NAMES.items()
        if (text := next(filter(None, map(parser.said.get, names)), ""))
    }


def posted(*said: Mapping[str, str]) -> Posted | None:
    """Return what pages say, the first before the second; None where they say nobody and no day."""
    texts: dict[str, str] = {}
    for one in reversed(said):
        texts.update({key: clean(value) for key, value in one.items()})
    return Posted(**texts) if texts.get("by") or texts.get("date") else None
