"""Heads and layouts of cards."""

from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from dashboard.components.chips import bullets
from dashboard.components.markup import Text, Width, icon, join, show, tag
from dashboard.components.typography import heading, strong


def head(title: Text, note: Text = "", *, width: Width = "stretch") -> None:
    """Draw a title with small print at the end of its line."""
    show(card_head(title, note), width=width)


def card_head(title: Text, note: Text = "") -> Markup:
    """Return a title with optional small print at the end of its line."""
    end = tag("div", note, cls="um-caption") if note else ""
    return tag("div", heading(title), end, cls="um-cardhead")


def titled(name: Text, state: Text) -> Markup:
    """Return a name in bold with its state at the other end of its line."""
    return tag("div", tag("b", name), state, cls="um-cardhead")


def part_head(title: Text, *asides: Text) -> None:
    """Draw the title of a part of the page, with asides in its line."""
    show(tag("div", tag("h2", title), *asides, cls="um-head"))


def introduced(title: Text, text: Text, *, width: Width = "stretch") -> None:
    """Draw a title over an introduction in small print."""
    show(heading(title), tag("p", text, cls="um-caption"), width=width)


def step(symbol: str, title: Text, why: Text) -> None:
    """Draw an action and its reason."""
    text = tag("div", tag("h3", title), tag("p", why))
    show(tag("div", icon(symbol), text, cls="um-next"))


def explained(title: Text, entries: Iterable[tuple[Text, Text]]) -> Markup:
    """Return chips with explanations, below a title."""
    rows = join(tag("div", chip, tag("p", text)) for chip, text in entries)
    return tag("div", tag("h2", title), rows, cls="um-four")


def name_and_note(name: Text, note: Text) -> Markup:
    """Return a name in bold over small print."""
    return tag("b", name) + tag("p", note, cls="um-caption")


def named(name: Text, note: Text) -> None:
    """Draw a name in bold over small print."""
    show(name_and_note(name, note))


def tile(picture: str | None, *lines: Text) -> Markup:
    """Return a thumbnail or its placeholder beside lines of text."""
    image = tag("img", src=picture, alt="") if picture else tag("i")
    return tag("div", image, tag("div", *lines), cls="um-kept")


def people(rows: Iterable[tuple[str, str, str]], title: Text = "", note: Text = "") -> None:
    """Draw (picture URL or "", name, detail) of each person, or an empty placeholder."""
    lines = [
        tag("li", tile(picture, strong(name), tag("span", detail, cls="um-caption")))
        for picture, name, detail in rows
    ]
    head = tag("p", tag("b", title), " ", tag("span", note, cls="um-caption"))
    show(tag("div", head + tag("ul", *lines) if lines else "", cls="um-people"))


def built(title: Text, chip: Text, number: Text, reasons: Iterable[Text]) -> None:
    """Draw a verdict in short: small print, chip, number, reasons."""
    head = tag("p", title, cls="um-caption")
    drawn = [head, chip, tag("b", number), bullets(reasons, "um-caption")]
    show(tag("div", *drawn, cls="um-built"))


def model_head(
    name: Text, state: Text, kind: Text, summary: Text, *, warning: Text = "", note: Text = ""
) -> Markup:
    """Return the head of a model's card: name, state, kind, summary, warning."""
    return tag(
        "div",
        tag("div", tag("h3", name), state, cls="um-model-name"),
        tag("p", kind, cls="um-caption"),
        tag("p", summary),
        tag("p", warning, cls="um-warn") if warning else "",
        tag("p", note, cls="um-caption") if note else "",
        cls="um-model",
    )


def model_accuracy(head: Text, figure: Markup) -> Markup:
    """Return a model's accuracy: an axis, or a sentence."""
    return tag("div", tag("p", head, cls="um-caption"), figure, cls="um-model-auc")


def model_problem(text: Text, *, calm: bool) -> Markup:
    """Return a problem with a model; `calm` if the model itself is fine."""
    line = tag("p", text, cls="um-caption" if calm else "um-warn", role="status")
    return tag("div", line, cls="um-model")


class Mark(NamedTuple):
    """A legend entry: its classes (`.um-keys` in static/result.css), its text, and a color that
    overrides the class's."""

    cls: str
    words: str
    color: str = ""


def legend(marks: Iterable[Mark]) -> Markup:
    """Return the legend of a chart."""
    drawn = [
        tag(
            "span",
            tag("i", cls=one.cls, style=f"color: {one.color}" if one.color else None),
            one.words,
        )
        for one in marks
    ]
    return tag("div", *drawn, cls="um-keys")


def preview(*parts: Text) -> Markup:
    """Return the preview beside a list."""
    return tag("div", *parts, cls="um-preview")
