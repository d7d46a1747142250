"""What a person presses and chooses from, drawn alike on every page.

A table of options is a mapping from values to words; what is chosen comes back as a value.
"""

from collections.abc import Callable, Iterable, Mapping
from mimetypes import guess_type
from typing import Any, Literal, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

V = TypeVar("V")

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
    icon = f":material/{symbol}:" if symbol else None
    return st.button(label, key, help, on_click=on_click, type=kind, icon=icon, disabled=disabled)


def download(
    label: str,
    make: Callable[[], bytes | str] | bytes | str,
    file_name: str,
    key: str,
    *,
    symbol: str = "download",
    **look: Any,
) -> None:
    """Draw a button that hands out a file, made when it is pressed; the page is not drawn anew.
    `look` are options of `st.download_button`."""
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
    """Draw options side by side, return the chosen one; `hidden`: a label for screen readers."""
    chosen = st.segmented_control(
        label,
        list(options),
        default=default,
        required=True,
        format_func=options.__getitem__,
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
    """Draw options of which any number can be chosen; return those, in the options' order."""
    chosen = st.pills(
        label,
        list(options),
        selection_mode="multi",
        default=list(default),
        format_func=options.__getitem__,
        label_visibility="collapsed" if hidden else "visible",
        key=key,
        disabled=disabled,
        help=help,
    )
    return [option for option in options if option in chosen]


def apart(key: str | None = None, *, wrap: bool = True) -> DeltaGenerator:
    """Return a row whose pieces stand at its two ends."""
    return st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center",
        wrap=wrap, key=key,
    )  # fmt: skip


def table(rows: Iterable[Mapping[str, Any]]) -> None:
    """Draw rows under the names of their columns."""
    st.table(list(rows), border="horizontal", hide_index=True)
