"""A bar of which each part is a share of the whole, with what each part is under it."""

from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from dashboard.components.markup import Text, icon, join, tag


class BarShare(NamedTuple):
    """A part: its tone (a slug, "run", "bad" or "rest"), icon, words and count."""

    tone: str
    symbol: str
    words: str
    number: int


def bar(shares: Iterable[BarShare], label: str) -> Markup:
    """Return the bar and its legend, without empty parts; `label` says it to a screen reader."""
    parts = [share for share in shares if share.number]
    drawn = [tag("i", cls=part.tone, style=f"flex: {part.number}") for part in parts]
    return tag("div", *drawn, cls="um-shares", role="img", aria_label=label) + legend(parts)


def legend(parts: Iterable[BarShare]) -> Markup:
    """Return what each part is, with its number."""
    keys = [
        tag(
            "span",
            icon(part.symbol) if part.symbol else "",
            part.words,
            " ",
            tag("b", f"{part.number:,}"),
            cls=f"um-share {part.tone}",
        )
        for part in parts
    ]
    return tag("div", join(keys), cls="um-share-keys")


def total(number: Text, words: Text, aside: Text) -> Markup:
    """Return the line over a bar: a figure with what it is, and small print at the other end."""
    head = tag("p", tag("b", number), " ", words)
    return tag("div", head, tag("span", aside, cls="um-caption"), cls="um-total")
