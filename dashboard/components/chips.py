"""Chips, colored words and lists."""

from collections.abc import Iterable
from typing import Literal

from markupsafe import Markup

from dashboard.components.markup import Text, icon, join, tag
from dashboard.labels import Slug

Tone = Slug | Literal["plain"]


def chip(text: Text, tone: Tone = "plain", symbol: str = "") -> Markup:
    """Return a chip; `tone` is a state's `slug` or "plain", `symbol` a Material Symbol."""
    return tag("span", icon(symbol) if symbol else "", text, cls=f"um-chip {tone}")


def inked(text: Text, tone: str, symbol: str) -> Markup:
    """Return words in a state's color, after its icon."""
    return tag("span", icon(symbol), text, cls=f"um-ink {tone}")


def bullets(lines: Iterable[Text], cls: str | None = None, *, ordered: bool = False) -> Markup:
    """Return a list, a line each."""
    return tag("ol" if ordered else "ul", join(tag("li", line) for line in lines), cls=cls or "")
