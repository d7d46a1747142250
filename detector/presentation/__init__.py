"""A result in words: from an analysis or a comparison to sections, which every surface renders.

A `Section` is a title and blocks: paragraphs, facts, tables and charts as data. The PDF, Markdown
and the command line each have one loop over blocks, the page draws their rows, and none of them has
words of its own about a result. Sentences of codes are those of `detector.messages`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from detector.messages import states
from detector.schema.codes import Label
from detector.sentences import _

LIMITS = _("What this can’t tell")
"""Head of what stands beside every result"""

Style = Literal["lead", "body", "strong", "note", "item", "subhead", "aside"]


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
class Text:
    """A paragraph."""

    text: str
    style: Style = "body"


@dataclass(frozen=True)
class FactRows:
    """Names and values."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Cell:
    """A cell that is more than a text."""

    text: str
    note: str = ""  # in small under it
    label: Label | None = None  # whose color and sign it has

    def __str__(self) -> str:
        """As print shows it: with its sign, and the note in brackets."""
        text = f"{states.GLYPHS[self.label]} {self.text}" if self.label else self.text
        return f"{text} ({self.note})" if self.note else text


@dataclass(frozen=True)
class Grid:
    """Rows under heads."""

    heads: tuple[str, ...]
    rows: Sequence[Sequence[str | Cell]]

    @property
    def printed(self) -> list[list[str]]:
        """Its rows as texts."""
        return [list(map(str, row)) for row in self.rows]


@dataclass(frozen=True)
class Number:
    """The one number of a result on the scale of its question."""

    value: str  # "88 %"
    what: str  # "combined likelihood"
    note: str  # "95 % interval 62 to 91 %"
    share: float  # 0..1
    zones: tuple[tuple[Label, str, float, float], ...]  # label, its word, from, to

    @property
    def said(self) -> str:
        """What stands after the value."""
        return ", ".join(filter(None, [self.what, self.note]))


@dataclass(frozen=True)
class BarRow:
    """A row of a bar chart; without an end, its text alone."""

    name: str
    value: str
    start: float = 0.0
    end: float | None = None
    label: Label = Label.NOT_APPLICABLE
    total: bool = False
    id: str = ""  # of the model that it is of
    time: float | None = None  # s, its moment


@dataclass(frozen=True)
class BarChart:
    """Bars over one axis from `low` to `high`; as `dots` the end of each is what counts."""

    rows: tuple[BarRow, ...]
    low: float
    high: float
    band: tuple[float, float] | None = None  # shaded: inconclusive
    dots: bool = False

    @property
    def said(self) -> str:
        """Return it in words, for who can't see it."""
        return "; ".join(f"{row.name}: {row.value}" for row in self.rows)


Points = Sequence[tuple[float, float | None]]
"""(time in s, value); None where there is none: a gap is never drawn through."""


@dataclass(frozen=True)
class Curve:
    """One curve."""

    points: Points
    width: float = 0.55  # mm
    label: Label | None = None  # its color; None: that of text
    muted: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class CurveChart:
    """Curves over the times of a clip."""

    lines: tuple[Curve, ...]
    end: float  # s
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]  # values with their texts, the most important first
    band: Points = ()  # the upper edge of what is shaded, which begins at `floor`
    floor: float = 0.0
    title: str = ""
    said: str = ""  # in words, for who can't see it


@dataclass(frozen=True)
class Picture:
    """One picture of a report."""

    kind: str  # "frame", "crop" or "heatmap"; of a comparison "copy", "original" or "heat"
    caption: str
    jpeg: bytes
    size: tuple[int, int]  # width, height, px


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other, so many in a row; one alone is as wide as it may be."""

    pictures: tuple[Picture, ...]
    row: int = 1


Block = Text | FactRows | Grid | Number | BarChart | CurveChart | Pictures


@dataclass(frozen=True)
class Section:
    """Blocks under a title; without one, what a document begins with."""

    id: str  # the same in every language
    title: str
    blocks: tuple[Block, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Its facts."""
        return tuple(
            row for block in self.blocks if isinstance(block, FactRows) for row in block.rows
        )

    @property
    def line(self) -> str:
        """Its facts in a line, for a terminal."""
        return f"{self.title}: {'; '.join(': '.join(row.as_pair) for row in self.rows)}"


@dataclass(frozen=True)
class Presentation:
    """A result from its headline to its last section."""

    title: str  # of the file
    kicker: str  # what it is, and when it was made
    about: str  # names of the files
    headline: str
    label: Label  # the color of the headline
    sections: Sequence[Section]


def rows_of(pairs: Iterable[tuple[str, str]]) -> tuple[Row, ...]:
    """Return a row for each name that has a value."""
    return tuple(Row(name, value) for name, value in pairs if value)


def facts(pairs: Iterable[tuple[str, str]]) -> FactRows:
    """Return facts of names and values, those that have one."""
    return FactRows(rows_of(pairs))


def items(lines: Iterable[str]) -> list[Text]:
    """Return a paragraph for each line of a list."""
    return [Text(line, "item") for line in lines]
