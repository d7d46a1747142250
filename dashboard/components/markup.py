"""HTML, written so that nothing from outside can be part of it.

A piece of HTML is a `Markup` (markupsafe): what is put into one is escaped unless it is one itself.
`show` draws it, and escapes a plain string. Nothing outside this folder calls `st.html`: pages say
what is there (`typography`, `chips`, `facts` ...), and no page writes a tag.
"""

import re
from collections.abc import Iterable
from typing import Literal

import streamlit as st
from markupsafe import Markup, escape
from streamlit.delta_generator import DeltaGenerator

from dashboard import i18n
from detector.messages.format import unbroken
from detector.sentences import NBSP
from service import languages

Text = str | Markup
"""Words as they are, or HTML that was made here."""
Width = Literal["stretch", "content"]
_QUANTITY = re.compile(
    rf"\d[\d.,]*(?:×\d+|{NBSP}[A-Za-z]+(?: \d[\d.,]*{NBSP}[A-Za-z]+)*)"
    r"|\[\d[\d.]*, \d[\d.]*\]|(?<=>)-\d[\d.,]*"
)
"""A number with its Latin unit, a size in pixels, an interval, a cell's negative number."""


def show(*parts: Text, width: Width = "stretch", at: DeltaGenerator | None = None) -> None:
    """Draw pieces of HTML as one element, strings escaped, into `at` or the container at hand."""
    (at or st).html(str(written(*parts)), width=width)


def written(*parts: Text) -> Markup:
    """Return pieces of HTML, strings escaped; no line of it ends between "88" and "%". Among words
    from right to left a quantity is a directional isolate: "8.0 s", not "s 8.0"."""
    text = unbroken(join(parts))
    if languages.right_to_left(i18n.current()):
        text = _QUANTITY.sub("\u2066\\g<0>\u2069", text)
    return Markup(text)


def tag(name: str, *children: Text, cls: str = "", **attributes: str | None) -> Markup:
    """Return an element of class `cls` with escaped children; an attribute's `_` stands for `-`."""
    given = {"class": " ".join(cls.split()) or None, **attributes}
    written = Markup("").join(
        Markup(' {}="{}"').format(Markup(key.replace("_", "-")), value)
        for key, value in given.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, join(children))


def rich(sentence: str, **values: object) -> Markup:
    """Return a trusted sentence with tags, its values escaped."""
    return Markup(sentence).format(**values)


def join(parts: Iterable[Text], between: str = "") -> Markup:
    """Return pieces after one another, plain strings escaped."""
    return escape(between).join(escape(part) for part in parts)


def icon(name: str, cls: str = "") -> Markup:
    """Return a Material Symbol, hidden from screen readers."""
    return tag("span", name, cls=f"um-icon {cls}", aria_hidden="true")
