"""The heads of cards and of the parts of a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from dashboard.components.chips import bullets
from dashboard.components.markup import Text, Width, icon, join, show, tag
from dashboard.components.typography import heading


def head(title: Text, note: Text = "", *, width: Width = "stretch") -> None:
    """Draw a title with small print at the other end of its line."""
    show(card_head(title, note), width=width)


def card_head(title: Text, note: Text = "") -> Markup:
    """Return a title with small print at the other end of its line, where there is any."""
    end = tag("span", note, cls="um-caption") if note else ""
    return tag("div", heading(title), end, cls="um-cardhead")


def wide_head(title: Text, aside: Text) -> None:
    """Draw a title with something at the other end of its line: a legend, or what the card does."""
    show(tag("div", heading(title), aside, cls="um-card-head"))


def part_head(title: Text, *asides: Text, cls: str = "") -> None:
    """Draw the title of a part of the page, and what stands in its line."""
    show(tag("div", tag("h2", title), *asides, cls=f"um-head {cls}"))


def introduced(title: Text, text: Text, *, width: Width = "stretch") -> None:
    """Draw a title over small print that says what the card is for."""
    show(heading(title), tag("p", text, cls="um-caption"), width=width)


def step(symbol: str, title: Text, why: Text) -> None:
    """Draw what can be done, and why."""
    text = tag("div", tag("h3", title), tag("p", why))
    show(tag("div", icon(symbol), text, cls="um-next"))


def explained(title: Text, entries: Iterable[tuple[Text, Text]]) -> Markup:
    """Return chips, each with what it means, under a title."""
    rows = join(tag("div", chip, tag("p", text)) for chip, text in entries)
    return tag("div", tag("h2", title), rows, cls="um-four")


def named(name: Text, note: Text, cls: str = "") -> None:
    """Draw a name in bold over small print."""
    show(tag("div", tag("b", name), tag("p", note, cls="um-caption"), cls=cls))


def people(rows: Iterable[tuple[str, str, str]], title: Text = "", note: Text = "") -> None:
    """Draw people with their faces; without any, their place.

    Parameters
    ----------
    rows : iterable of (picture, name, detail)
        A picture is an address, or empty.
    """
    lines = [
        tag(
            "li",
            tag("img", src=picture, alt=name) if picture else tag("i"),
            tag("div", tag("b", name), tag("span", detail)),
        )
        for picture, name, detail in rows
    ]
    head = tag("p", tag("b", title), " ", tag("span", note, cls="um-caption"))
    show(tag("div", head + tag("ul", *lines) if lines else "", cls="um-people"))


def built(title: Text, chip: Text, number: Text, reasons: Iterable[Text]) -> None:
    """Draw a verdict in short: small print, chip, number, reasons."""
    head = tag("p", title, cls="um-caption")
    drawn = [head, chip, tag("b", number), bullets(reasons, "um-caption")]
    show(tag("div", *drawn, cls="um-built"))


class Mark(NamedTuple):
    """A mark of a chart: its classes (`.um-keys` in static/result.css), and its words."""

    cls: str
    words: str


def legend(marks: Iterable[Mark]) -> Markup:
    """Return what each mark of a chart stands for."""
    drawn = join(tag("span", tag("i", cls=mark.cls), mark.words) for mark in marks)
    return tag("div", drawn, cls="um-keys")
