"""Buttons, selectors and tables, alike on every page.

A table of options is a mapping from values to words, said in the reader's language; what is chosen
comes back as a value.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from mimetypes import guess_type
from typing import Any, Literal, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import i18n
from dashboard.components import typography
from dashboard.components.chips import bullets
from dashboard.components.markup import Text, show
from detector.sentences import _, say, spoken
from service import languages

V = TypeVar("V")

MAX_NAMES = 4
"""that are listed before they are deleted; more are counted"""
_TURNED = {"arrow_forward": "arrow_back", "arrow_back": "arrow_forward"}
Kind = Literal["primary", "secondary", "tertiary"]


def button(
    label: str,
    symbol: str = "",
    key: str | None = None,
    on_click: Callable[[], Any] | None = None,
    *,
    kind: Kind = "secondary",
    help: str | None = None,
    disabled: bool = False,
) -> bool:
    """Draw a button, with a Material Symbol before its words; return whether it was pressed."""
    shown = icon(symbol) if symbol else None
    return st.button(label, key, help, on_click=on_click, type=kind, icon=shown, disabled=disabled)


def icon(symbol: str) -> str:
    """Return a Material Symbol for Streamlit; where text runs from right to left, so do arrows to
    other pages. Those through time do not: charts and players keep its direction."""
    if languages.right_to_left(i18n.current()):
        symbol = _TURNED.get(symbol, symbol)
    return f":material/{symbol}:"


def download(
    label: str,
    make: Callable[[], bytes | str] | bytes | str,
    file_name: str,
    key: str,
    *,
    symbol: str = "download",
    **look: Any,
) -> None:
    """Draw a download button; the file is made when pressed, without a rerun. `look` are options of
    `st.download_button`."""
    make = spoken(make) if callable(make) else make
    mime, icon = guess_type(file_name)[0], f":material/{symbol}:"
    st.download_button(label, make, file_name, mime, key, on_click="ignore", icon=icon, **look)


def choose(
    label: str,
    options: Mapping[V, str],
    default: V,
    key: str,
    *,
    hidden: bool = False,
    disabled: bool = False,
    help: str | None = None,
) -> V:
    """Draw a segmented choice, return the chosen option; `hidden`: a label for screen readers
    only."""
    chosen = st.segmented_control(
        label,
        list(options),
        default=default,
        required=True,
        format_func=_words(options),
        label_visibility="collapsed" if hidden else "visible",
        key=key,
        disabled=disabled,
        help=help,
    )
    return default if chosen is None else chosen


def choose_any(
    label: str,
    options: Mapping[V, str],
    default: Iterable[V],
    key: str,
    *,
    hidden: bool = False,
    disabled: bool = False,
    help: str | None = None,
) -> list[V]:
    """Draw a choice of any number of options; return those, in the options' order."""
    chosen = st.pills(
        label,
        list(options),
        selection_mode="multi",
        default=list(default),
        format_func=_words(options),
        label_visibility="collapsed" if hidden else "visible",
        key=key,
        disabled=disabled,
        help=help,
    )
    return [option for option in options if option in chosen]


def select(label: str, options: Mapping[V, str], key: str, **look: Any) -> V:
    """Draw a select box, return the chosen option; `look` are options of `st.selectbox`."""
    chosen: V = st.selectbox(label, list(options), format_func=_words(options), key=key, **look)
    return chosen


def _words(options: Mapping[V, str]) -> Callable[[V], str]:
    """Return the function from values to their words in the language of now."""
    return {value: say(text) for value, text in options.items()}.__getitem__


def search(placeholder: str, key: str, width: int, **look: Any) -> str:
    """Draw a search field; `look` are options of `st.text_input`."""
    text = st.text_input(
        _("Search"), placeholder=placeholder, icon=":material/search:", width=width, key=key,
        label_visibility="collapsed", **look,
    )  # fmt: skip
    return text or ""


def confirm(
    question: Text,
    names: Sequence[str],
    after: str,
    run: Callable[[], Any],
    *,
    label: str,
    key: str,
) -> None:
    """Open a dialog that confirms a deletion of `names`; `after` it, a note. Either button closes
    it."""

    def ask() -> None:
        listed = list(names[:MAX_NAMES])
        if len(names) > MAX_NAMES:
            listed.append(_("and {number} more").format(number=len(names) - MAX_NAMES))
        small = typography.small_print(after) if after else ""
        show(typography.text(question), bullets(listed) if listed else "", small)
        with st.container(horizontal=True):
            keep = _("Keep them") if len(names) > 1 else _("Keep it")
            done = button(label, "delete", key, run, kind="primary")
            if button(keep, "", "kept") or done:
                st.rerun()

    st.dialog(label)(ask)()


def apart(key: str | None = None, *, wrap: bool = True) -> DeltaGenerator:
    """Return a row with its items at both ends."""
    return st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center",
        wrap=wrap, key=key,
    )  # fmt: skip


def paste_hint(*, links: bool = False) -> str:
    """Return the caption of an uploader: how `static/intake.js` takes pasted and dropped files."""
    if links:
        return _(
            "You can also paste a picture, a file or a link (Ctrl+V), or drop a file anywhere on "
            "this page."
        )
    return _("You can also paste a picture or a file (Ctrl+V), or drop one anywhere on this page.")


def table(rows: Iterable[Mapping[str, Any]]) -> None:
    """Draw rows under the names of their columns."""
    st.table(list(rows), border="horizontal", hide_index=True)
