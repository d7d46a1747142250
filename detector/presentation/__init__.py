"""The wording of results: an analysis, a comparison or an evaluation as sections, in data.

A `Section` is a title and blocks: paragraphs, tables, charts and pictures. The PDF, Markdown, the
command line and the page have one renderer each. The sentences of codes are in `detector.messages`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from detector.messages import states
from detector.schema.codes import Label
from detector.sentences import _

LIMITS = _("What this can’t tell")
"""Head of the limits of every result"""

Style = Literal["lead", "body", "strong", "note", "item", "number", "subhead", "aside"]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    style: Style = "body"


@dataclass(frozen=True)
class Cell:
    """A table cell with more than a text."""

    text: str
    note: str = ""  # small print
    state: Label | None = None  # its color and icon; None: neither good nor bad
    exact: str = ""  # the complete value of a shortened text, such as a hash

    def __str__(self) -> str:
        """Return the cell in print: with its sign, and the note in brackets."""
        text = self.exact or self.text
        text = f"{states.GLYPHS[self.state]} {text}" if self.state else text
        return f"{text} ({self.note})" if self.note else text


@dataclass(frozen=True)
class Row:
    """A fact: a name and a value. A row of a table without heads."""

    label: str
    value: str
    note: str = ""
    exact: str = ""
    state: Label | None = None  # of the value

    @property
    def cell(self) -> Cell:
        """Return the value as a cell."""
        return Cell(self.value, self.note, self.state, self.exact)

    def __iter__(self) -> Iterator[str | Cell]:
        """Yield the name and the value."""
        yield from (self.label, self.cell)


@dataclass(frozen=True)
class Grid:
    """A table; without heads a list of names and values."""

    heads: tuple[str, ...]
    rows: Sequence[Row | Sequence[str | Cell]]

    @property
    def printed(self) -> list[list[str]]:
        """Return its rows in print."""
        return [list(map(str, row)) for row in self.rows]


@dataclass(frozen=True)
class LikelihoodScale:
    """A likelihood on the scale of its question."""

    value: str  # "88 %"
    share: float  # 0..1
    zones: tuple[tuple[Label, float, float], ...]  # label, from, to
    bands: tuple[str, ...]  # "under 30: no sign", ascending
    ticks: tuple[tuple[float, str], ...]  # limits between the zones with their texts

    @property
    def said(self) -> str:
        """Return the text alternative."""
        return ", ".join([self.value, *self.bands])


@dataclass(frozen=True)
class BarRow:
    """A row of a bar chart; without an end, its text alone."""

    name: str
    value: str
    start: float = 0.0
    end: float | None = None
    state: Label | None = None  # its color
    total: bool = False
    id: str = ""  # of its model
    time: float | None = None  # s, its moment


@dataclass(frozen=True)
class BarChart:
    """Bars over an axis from `low` to `high`; with `dots` each end is a dot on a line."""

    rows: tuple[BarRow, ...]
    low: float
    high: float
    band: tuple[float, float] | None = None  # shaded: inconclusive
    dots: bool = False
    ticks: tuple[tuple[float, str], ...] = ()  # values at the axis with their texts

    @property
    def said(self) -> str:
        """Return the text alternative."""
        return "; ".join(f"{row.name}: {row.value}" for row in self.rows)


Points = Sequence[tuple[float, float | None]]
"""(time in s, value); None where there is none: a line is never drawn through a gap."""


@dataclass(frozen=True)
class Curve:
    """One curve."""

    points: Points
    width: float = 0.55  # mm
    state: Label | None = None  # its color; None: that of text
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
    band: Points = ()  # upper edge of the shaded area above `floor`
    floor: float = 0.0
    title: str = ""
    said: str = ""  # text alternative
    limits: tuple[float, ...] = ()  # of `ticks`: thresholds, lines from end to end, ascending


@dataclass(frozen=True)
class Picture:
    """A picture of a report."""

    kind: str  # "frame", "crop" or "heatmap"; of a comparison "copy", "original" or "heat"
    caption: str
    jpeg: bytes
    size: tuple[int, int]  # width, height, px


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, `row` in a line."""

    pictures: tuple[Picture, ...]
    row: int = 1


Block = Text | Grid | LikelihoodScale | BarChart | CurveChart | Pictures


@dataclass(frozen=True)
class Section:
    """Blocks under a title; the first section of a document has none."""

    id: str  # the same in every language
    title: str
    blocks: tuple[Block, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return its facts."""
        grids = (block for block in self.blocks if isinstance(block, Grid))
        return tuple(row for grid in grids for row in grid.rows if isinstance(row, Row))

    @property
    def line(self) -> str:
        """Return its facts in a line, for a terminal."""
        return f"{self.title}: {'; '.join(': '.join(map(str, row)) for row in self.rows)}"


@dataclass(frozen=True)
class Presentation:
    """A document: the headline of a result and its sections."""

    title: str  # of the file
    kicker: str  # kind and date
    about: str  # names of the files
    headline: str
    state: Label | None  # color of the headline
    sections: Sequence[Section]


def facts(rows: Iterable[Row | tuple[str, str]]) -> Grid:
    """Return names and values as a table without heads; names without a value are left out."""
    out = [row if isinstance(row, Row) else Row(*row) for row in rows]
    return Grid((), [row for row in out if row.value])


def items(lines: Iterable[str]) -> list[Text]:
    """Return a list, a paragraph for each line."""
    return [Text(line, "item") for line in lines]
