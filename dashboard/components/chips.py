"""Chips, colored words and lists."""

from collections.abc import Iterable

from markupsafe import Markup

from dashboard import labels
from dashboard.components.markup import Text, icon, join, tag
from dashboard.labels import Slug
from detector.presentation import Cell
from detector.schema.analysis import Label


def chip(text: Text, tone: Slug = "plain", symbol: str = "") -> Markup:
    """Return a chip; `tone` is a state's `slug`, `symbol` a Material Symbol."""
    return tag("span", icon(symbol) if symbol else "", text, cls=f"um-chip {tone}")


def reading(cell: Cell) -> Markup:
    """Return a chip in the color of its state, with its icon."""
    look = labels.look(cell.state)
    return chip(cell.text, look.slug, look.icon)


def inked(text: Text, state: Label | None) -> Markup:
    """Return words in a state's color, after its icon."""
    look = labels.look(state)
    return tag("span", icon(look.icon), text, cls=f"um-ink {look.slug}")


def bullets(lines: Iterable[Text], cls: str | None = None, *, ordered: bool = False) -> Markup:
    """Return a list, a line each."""
    return tag("ol" if ordered else "ul", join(tag("li", line) for line in lines), cls=cls or "")
