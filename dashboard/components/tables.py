"""HTML tables, which become lists on a phone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st
from markupsafe import Markup

from dashboard.components.markup import Text, join, tag


class TableColumn(NamedTuple):
    """A column of a table; numbers stand to the right."""

    name: str
    number: bool = False


def facts(rows: Iterable[tuple[Text, Text]], cls: str = "um-facts") -> Markup:
    """Return a list of facts: name and value; empty without any."""
    cells = join(tag("dt", name) + tag("dd", value) for name, value in rows)
    return tag("dl", cells, cls=cls) if cells else Markup()


def table(columns: Sequence[TableColumn], rows: Iterable[Sequence[Text]]) -> Markup:
    """Return a table. The first cell of each row is its head."""
    aligned = [("n" if column.number else "", column.name) for column in columns]
    head = [tag("th", name, scope="col", cls=cls) for cls, name in aligned]
    body = [
        tag(
            "tr",
            tag("th", first, scope="row"),
            *(
                tag("td", tag("div", value), cls=cls, data_label=name)
                for (cls, name), value in zip(aligned[1:], rest, strict=True)
            ),
        )
        for first, *rest in rows
    ]
    return tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), cls="um-table")


def plain(rows: Iterable[Sequence[Text]], cls: str = "", *, heads: bool = False) -> Markup:
    """Return rows without names of columns; with `heads` the first cell of each is its head."""
    body = [
        tag("tr", *(tag("th" if heads and not i else "td", cell) for i, cell in enumerate(row)))
        for row in rows
    ]
    return tag("table", tag("tbody", *body), cls=cls)


def code(text: str, whole: str | None = None) -> Markup:
    """Return a hash or path; `whole` is the complete value."""
    return tag("code", text, title=whole)


def titled(text: str, more: str) -> Markup:
    """Return a cell's text with `more` as its tooltip."""
    return tag("span", text, title=more)


def with_note(text: Text, note: Text) -> Markup:
    """Return a cell's text with optional small print below it."""
    return join([text, tag("small", note) if note else ""])


def scored(rows: Sequence[Mapping[str, object]], numbers: Sequence[str], **look: Any) -> None:
    """Draw scores over time as a table with row selection; `numbers` are the columns of scores,
    `look` options of `st.dataframe`."""
    whole = st.column_config.NumberColumn(format="%d")
    st.dataframe(
        rows,
        hide_index=True,
        height=min(38 + 35 * len(rows), 420),
        column_config=dict.fromkeys(numbers, whole),
        selection_mode="single-row",
        placeholder="–",
        **look,
    )
