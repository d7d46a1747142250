"""Lists of items: pagination, a table with row selection, and cards for narrow pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.components import cards as heads
from dashboard.components import controls, typography
from dashboard.components.markup import Text, show
from detector.sentences import _

T = TypeVar("T")

LETTER, AROUND = 5.9, 16
"""px of a letter in a table, and around the text of a cell"""
HEAD = 37
"""px of the head of a table with its borders"""
_CHOSEN = "rows-chosen"
_MARKED = ""
"""In the place of a column: the row is marked."""


class ListPage(NamedTuple, Generic[T]):
    """A page of a list; `key` is that of its page selector."""

    items: Sequence[T]
    total: int
    number: int  # from 1
    size: int  # items of a full page
    key: str

    def draw(self) -> None:
        """Draw which items are shown, and the choice of another page."""
        first = (self.number - 1) * self.size + 1
        text = _("{first} to {last} of {total}")
        last = first + len(self.items) - 1
        typography.caption(text.format(first=first, last=last, total=self.total), width="content")
        if self.total > self.size:
            st.pagination(-(-self.total // self.size), key=self.key)


def page(key: str, size: int, fetch: Callable[[int], tuple[Sequence[T], int]]) -> ListPage[T]:
    """Return the chosen page; `fetch` returns items from an offset on, and the total."""
    number = int(st.session_state.get(key, 1))
    items, total = fetch((number - 1) * size)
    if not items and number > 1:  # its last ones were deleted
        number = st.session_state[key] = max(1, -(-total // size))
        items, total = fetch((number - 1) * size)
    return ListPage(items, total, number, size, key)


class ListColumn(NamedTuple, Generic[T]):
    """A column: its heading, what it shows of an item, its width in px at least, and Streamlit's
    function for how it looks."""

    heading: str
    value: Callable[[T], object]
    width: int
    look: Callable[..., Any] = st.column_config.TextColumn

    @property
    def fitted(self) -> int:
        """Return the width in px in which no language cuts the heading."""
        return max(self.width, round(LETTER * len(self.heading)) + AROUND)


class RowSelection(NamedTuple, Generic[T]):
    """The marked items, the last marked or pressed one, and whether it was marked."""

    marked: list[T]
    last: T | None
    by_mark: bool


@dataclass(frozen=True)
class Collection(Generic[T]):
    """Layout of a list. Table keys differ by order and filter."""

    name: str  # begins the keys of the table and the cards
    columns: Mapping[str, ListColumn[T]]
    alt: str
    title: Callable[[T], str]  # of the box that marks a card
    card: Callable[[T], Text]
    action: Callable[[int, T], None]  # Draws the button of a card
    row_height: int = 35  # px
    pressable: bool = True  # Cells can be pressed; rows can always be marked

    def _box(self, number: int, item: T) -> str:
        return f"{self.name}-tick-{number}-{self.title(item)}"

    def selected(self, key: str, items: Sequence[T]) -> RowSelection[T]:
        """Return what is chosen in the table of that key, and which cards are marked; Streamlit
        tells what is chosen, not when."""
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
        ticked = (n for n, one in enumerate(items) if st.session_state.get(self._box(n, one)))
        rows = dict.fromkeys([*marked, *ticked])
        last_item = None if last is None else items[last]
        return RowSelection([items[row] for row in rows], last_item, how == _MARKED)

    def cells(self, item: T) -> dict[str, object]:
        """Return what the columns show of an item."""
        return {name: column.value(item) for name, column in self.columns.items()}

    def draw(self, key: str, items: Sequence[T]) -> None:
        """Draw items as a table and as cards, of which style sheets show one by the page's
        width."""
        with st.container(key=f"{self.name}-table"):
            st.dataframe(
                list(map(self.cells, items)),
                hide_index=True,
                row_height=self.row_height,
                height=self.row_height * len(items) + HEAD,
                column_config={
                    name: one.look(one.heading, width=one.fitted)
                    for name, one in self.columns.items()
                },
                on_select="rerun",
                selection_mode=["multi-row", "single-cell"] if self.pressable else "multi-row",
                placeholder="–",
                key=key,
                alt=self.alt,
            )
        with st.container(key=f"{self.name}-cards"):
            cards(self.name, items, self._card)

    def _card(self, number: int, item: T) -> None:
        selecting = st.session_state.get(f"{self.name}-selecting")
        if selecting:
            text = _("Select {file}").format(file=self.title(item))
            st.checkbox(text, key=self._box(number, item), width="content",
                        label_visibility="collapsed")  # fmt: skip
        show(self.card(item))
        if not selecting:
            self.action(number, item)

    def draw_select(self) -> None:
        """Draw the switch by which cards can be marked."""
        st.toggle(_("Select"), key=f"{self.name}-selecting")


def cards(name: str, items: Sequence[T], card: Callable[[int, T], None]) -> None:
    """Draw each item in a line of its own: `card` gets its number and the item."""
    for number, item in enumerate(items):
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", wrap=False,
            key=f"card-{name}-{number}",
        ):  # fmt: skip
            card(number, item)


def line(key: str, name: str, *facts: str, picture: bytes | None = None) -> DeltaGenerator:
    """Draw an item's picture, and its name over facts; return the place for its buttons, at the
    line's end."""
    with controls.apart(key):
        if picture:
            st.image(picture, width=96, alt=name)
        heads.named(name, " · ".join(filter(None, facts)))
        return st.container(horizontal=True, vertical_alignment="center", width="content")
