"""What is chosen in a table whose rows can be marked and whose cells can be pressed."""

from typing import NamedTuple

import streamlit as st

_CHOSEN = "rows-chosen"
_MARKED = ""
"""In the place of a column: the row is marked."""


class RowSelection(NamedTuple):
    """Which rows are marked; which was marked or pressed last, and whether it was marked."""

    marked: list[int]
    last: int | None
    by_mark: bool


def read(key: str, rows: int) -> RowSelection:
    """Return the chosen ones of the first `rows`; Streamlit tells what is chosen, not when."""
    event = st.session_state.get(key)
    selection = event["selection"] if event else {"rows": [], "cells": []}
    pressed = [(row, column) for row, column in selection["cells"] if row < rows]
    choices = [*pressed, *((row, _MARKED) for row in selection["rows"] if row < rows)]
    table, known = st.session_state.get(_CHOSEN, ("", []))
    known = [choice for choice in known if choice in choices] if table == key else []
    order = [*known, *(choice for choice in choices if choice not in known)]
    st.session_state[_CHOSEN] = key, order
    marked = [row for row, column in choices if column == _MARKED]
    last, how = order[-1] if order else (None, "")
    return RowSelection(marked, last, last is not None and how == _MARKED)
