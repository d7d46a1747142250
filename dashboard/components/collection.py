"""The one table of a page: rows that can be marked and pressed, and cards where it has no room."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import streamlit as st

T = TypeVar("T")

_CHOSEN = "rows-chosen"
_MARKED = ""
"""In the place of a column: the row is marked."""


class RowSelection(NamedTuple, Generic[T]):
    """Which items are marked; which was marked or pressed last, and whether it was marked."""

    marked: list[T]
    last: T | None
    by_mark: bool


def selected(key: str, items: Sequence[T]) -> RowSelection[T]:
    """Return what is chosen in the table of that key; Streamlit tells what is chosen, not when."""
    event = st.session_state.get(key)
    selection = event["selection"] if event else {}
    pressed = [(row, column) for row, column in selection.get("cells", ()) if row < len(items)]
    marked = [row for row in selection.get("rows", ()) if row < len(items)]
    choices = [*pressed, *((row, _MARKED) for row in marked)]
    table, known = st.session_state.get(_CHOSEN, ("", []))
    known = [choice for choice in known if choice in choices] if table == key else []
    order = [*known, *(choice for choice in choices if choice not in known)]
    st.session_state[_CHOSEN] = key, order
    last, how = order[-1] if order else (None, None)
    return RowSelection(
        [items[row] for row in marked], None if last is None else items[last], how == _MARKED
    )


class TableSpec(NamedTuple):
    """How items are drawn as a table."""

    rows: Sequence[Mapping[str, object]]  # The cells of each item by column
    columns: Mapping[str, Any]  # Streamlit's configuration of each column
    row_height: int  # px
    alt: str
    pressable: bool = True  # Cells can be pressed; rows can always be marked


def draw(
    name: str, key: str, items: Sequence[T], table: TableSpec, card: Callable[[int, T], None]
) -> None:
    """Draw items as a table and as cards, of which style sheets show one by the page's width.
    `name` begins the keys of both; `key` is the table's own, one for each order and choice of its
    items, by which `selected` reads it at the next run."""
    with st.container(key=f"{name}-table"):
        st.dataframe(
            table.rows,
            hide_index=True,
            row_height=table.row_height,
            height=table.row_height * len(items) + 40,
            column_config=dict(table.columns),
            on_select="rerun",
            selection_mode=["multi-row", "single-cell"] if table.pressable else "multi-row",
            placeholder="–",
            key=key,
            alt=table.alt,
        )
    with st.container(key=f"{name}-cards"):
        cards(name, items, card)


def cards(name: str, items: Sequence[T], card: Callable[[int, T], None]) -> None:
    """Draw each item in a line of its own: `card` gets its number and the item."""
    for number, item in enumerate(items):
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", wrap=False,
            key=f"card-{name}-{number}",
        ):  # fmt: skip
            card(number, item)
