"""A result in words: from an analysis to titled rows, which every surface shows.

The page, the PDF and the command line draw a `Section` each in its own way, and have no words of
their own for what stands in it. Sentences are those of `detector.messages`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Row", "Section", "rows_of"]


@dataclass(frozen=True)
class Row:
    """One fact: its name and its value."""

    label: str
    value: str
    note: str = ""
    """More of the value, in small beside it."""
    exact: str = ""
    """The whole of a value that is shortened where there is little room, such as a hash."""

    @property
    def as_pair(self) -> tuple[str, str]:
        """Its name and value as paper shows them: whole, and with the note."""
        value = self.exact or self.value
        return self.label, f"{value} ({self.note})" if self.note else value


@dataclass(frozen=True)
class Section:
    """Facts under a title."""

    title: str
    rows: tuple[Row, ...]

    @property
    def printed(self) -> list[tuple[str, str]]:
        """Its rows as paper shows them, as (name, value)."""
        return [row.as_pair for row in self.rows]

    @property
    def line(self) -> str:
        """All of it in a line, for a terminal."""
        return f"{self.title}: {'; '.join(': '.join(pair) for pair in self.printed)}"


def rows_of(pairs: Iterable[tuple[str, str]]) -> tuple[Row, ...]:
    """Return a row for each name that has a value."""
    return tuple(Row(name, value) for name, value in pairs if value)
