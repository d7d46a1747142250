"""Sections of a result (`detector.presentation`) as HTML and charts."""

import re

from markupsafe import Markup

from dashboard import theme
from dashboard.charts import sections
from dashboard.components import figures, tables, typography
from dashboard.components.chips import inked
from dashboard.components.markup import Text, show
from dashboard.components.tables import TableColumn, code, with_note
from detector import presentation
from detector.presentation import BarChart, Block, Cell, CurveChart, Grid, Row, Section


def draw(section: Section) -> None:
    """Draw the blocks of a section, except pictures and stacked bars."""
    words: list[Markup | str] = []
    for number, one in enumerate(section.blocks):
        if isinstance(one, CurveChart) or (isinstance(one, BarChart) and one.dots):
            if isinstance(one, CurveChart) and one.title:
                words.append(typography.subheading(one.title))
            words = _shown(words)
            drawn = sections.figure(one, theme.palette())
            figures.chart(drawn, f"{section.id}-{number}", one.said)
        else:
            words.append(block(one))
    _shown(words)


def _shown(words: list[Markup | str]) -> list[Markup | str]:
    """Draw HTML parts as one element, if there are any; return none."""
    if any(words):
        show(*words)
    return []


def block(block: Block) -> Markup | str:
    """Return a block as HTML; empty for a chart."""
    match block:
        case presentation.Text(text, "note"):
            return typography.small_print(text)
        case presentation.Text(text, "item"):
            return typography.with_icon("info", text)
        case presentation.Text(text, "subhead"):
            return typography.subheading(text)
        case presentation.Text(text):
            return typography.text(text)
        case Grid((), rows):
            return tables.facts(pair(row) for row in rows if isinstance(row, Row))
        case Grid(heads, rows):
            columns = zip(*block.printed, strict=True)
            named = [
                TableColumn(name, all(map(_NUMBER, column)))
                for name, column in zip(heads, columns, strict=True)
            ]
            return tables.table(named, [list(map(_cell, row)) for row in rows])
    return ""


_NUMBER = re.compile(r"((\d[\d.,]*\s?[\w%]*\s?){1,2}|–?)$").match
"""A figure with its unit, or none."""


def pair(row: Row) -> tuple[str, Text]:
    """Return a fact; its note or exact value is a tooltip."""
    if row.note and not row.exact:
        return row.label, tables.titled(row.value, row.note)
    return row.label, _cell(row.cell)


def _cell(cell: str | Cell) -> Text:
    if isinstance(cell, str):
        return cell
    text: Text = code(cell.text, cell.exact) if cell.exact else cell.text
    if cell.state:
        text = inked(cell.text, cell.state)
    return with_note(text, cell.note)
