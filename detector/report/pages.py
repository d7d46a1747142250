"""Pages of a report: the blocks of a document (`detector.presentation`) as PDF.

fpdf2, not HTML with print CSS: it is pure Python, where WeasyPrint needs Pango on every computer.
It embeds fonts, shapes Arabic, breaks tables over pages and writes PDF/A-3 with attached data.
"""

import io
from collections.abc import Callable, Sequence
from datetime import datetime

from fpdf.enums import TableBordersLayout, VAlign

from detector.presentation import (
    BarChart,
    Block,
    CurveChart,
    Grid,
    LikelihoodScale,
    Pictures,
    Presentation,
    Section,
    Text,
)
from detector.report import charts, styles
from detector.report.page import MARGIN, A4Page

GAP = 4.0  # mm between pictures
FRAME_HEIGHT, FRAME_WIDTH = 52.0, 210.0 - 2 * MARGIN  # mm of a picture alone, at most
CELL = (0.8, 1.2)  # mm over and beside the text of a table's cell
SIZES = (styles.SMALL + 0.5, styles.SMALL - 1.0, styles.SMALL - 2.0)
"""pt of a table's text, the first in which its words fit"""


class ReportPages(A4Page):
    """Pages with the blocks of a report."""

    def document(self, document: Presentation) -> None:
        """Draw a report: a strip and a headline in the color of its state, then its sections."""
        self.set_fill_color(*styles.FILL[document.state])
        self.rect(MARGIN, MARGIN, self.epw, 1.4, style="F")
        self.set_y(MARGIN + 4)
        self.text_of(Text(document.kicker, "note"))
        if document.about:
            self.paragraph(document.about, styles.NAME)
        self.paragraph(document.headline, styles.headline(document.state, self.serif))
        for section in document.sections:
            self.section(section)

    def section(self, section: Section) -> None:
        """Draw a section; a title stays on the page of what follows it."""
        if section.title:
            if self.will_page_break(14 + sum(map(_room, section.blocks[:2]))):
                self.add_page()
            self.ln(4.8 * self.spacing)
            self.start_section(section.title)
            self.set_draw_color(*styles.LINE)
            self.set_line_width(0.2)
            self.line(MARGIN, self.get_y(), MARGIN + self.epw, self.get_y())
            self.ln(2 * self.spacing)
        for block, following in zip(section.blocks, (*section.blocks[1:], None), strict=True):
            titled = isinstance(block, Text) and block.style == "subhead" and following is not None
            if self.will_page_break(_room(block) + (_room(following) if titled else 0)):
                self.add_page()
            self.block(block)

    def block(self, block: Block) -> None:
        """Draw a block."""
        match block:
            case Text():
                self.text_of(block)
            case Grid():
                self.rows(block)
            case Pictures():
                self.pictures(block)
            case LikelihoodScale():
                charts.draw_scale(self, block)
            case BarChart():
                charts.draw_bars(self, block)
            case CurveChart():
                charts.draw_curves(self, block)

    # --- tables -----------------------------------------------------------------------------------

    def rows(self, table: Grid) -> None:
        """Draw a table, in smaller letters where words do not fit, its head on each page; without
        heads names at the start and values beside them, hashes in a font of equal widths."""
        heads = bool(table.heads)
        cells = [*([table.heads] if heads else []), *table.printed]
        widths = [charts.NAMES, self.epw - charts.NAMES]
        self.set_font("sans", "", styles.BODY)
        if heads:
            for size in SIZES:
                self.set_font("sans", "B", size)
                if sum(widths := self._widths(cells)) <= self.epw + 0.1:
                    break
            self.set_font(style="")
        self.set_fill_color(255)  # that of cells
        self.set_draw_color(*styles.LINE)
        self.set_line_width(0.2)
        order = slice(None, None, -1) if self.rtl else slice(None)
        with self.table(
            col_widths=tuple(widths)[order], width=self.epw, line_height=4.0 * self.spacing,
            padding=CELL if heads else (0.2, 0), first_row_as_headings=heads,
            borders_layout=TableBordersLayout.HORIZONTAL_LINES if heads
            else TableBordersLayout.NONE,
            text_align="RIGHT" if self.rtl else "LEFT", v_align=VAlign.M if heads else VAlign.T,
            headings_style=styles.HEADS,
        ) as grid:  # fmt: skip
            for line in cells:
                row = grid.row()
                for place, cell in list(enumerate(line))[order]:
                    is_hash = len(cell) == 64 and set(cell) <= set("0123456789abcdef")
                    style = styles.HASH if is_hash else styles.FACT if place == 0 else None
                    row.cell(self.fit(cell), style=None if heads else style)
        self.set_font("sans", "", styles.BODY)
        self.ln(1.5)

    def _widths(self, rows: Sequence[Sequence[str]]) -> list[float]:
        """Return the widths of columns, mm: of their longest cells where all fit, else of their
        longest words and a share of what is left."""
        columns = list(zip(*rows, strict=True))
        whole = [max(map(self._wide, column)) for column in columns]
        if sum(whole) <= self.epw:
            return [width + (self.epw - sum(whole)) / len(whole) for width in whole]
        longest = (max((w for cell in c for w in cell.split(" ")), key=self._wide) for c in columns)
        words = [min(self._wide(word), self.epw / 3) for word in longest]
        share = (self.epw - sum(words)) / (sum(whole) - sum(words) or 1.0)
        return [a + max(0.0, share) * (b - a) for a, b in zip(words, whole, strict=True)]

    def _wide(self, text: str) -> float:
        return self.get_string_width(text) + 2 * CELL[1] + 0.6

    # --- pictures ---------------------------------------------------------------------------------

    def pictures(self, shown: Pictures) -> None:
        """Draw pictures side by side with their captions, the first where lines begin."""
        top, lowest, width = self.get_y() + 1, 0.0, _width(shown.row)
        sides = [picture.size[1] / picture.size[0] for picture in shown.pictures]
        high = [height_of(picture.size) for picture in shown.pictures]
        if shown.row > 1:
            high = [width * min(1.0, side) for side in sides]
        for number, picture in enumerate(shown.pictures):
            x, wide = MARGIN + number * (width + GAP), high[number] / sides[number]
            left = x
            if self.rtl:
                x = MARGIN + self.epw - width - number * (width + GAP)
                left = x + width - wide
            jpeg = io.BytesIO(picture.jpeg)
            self.image(jpeg, x=left, y=top, w=wide, h=high[number], alt_text=picture.caption)
            self.set_xy(x, top + max(high) + 1)
            with self.use_font_face(styles.TICK):
                self.multi_cell(
                    width, charts.HEIGHT, self.fit(picture.caption), align=self.start,
                    new_x="LMARGIN", new_y="NEXT",
                )  # fmt: skip
            lowest = max(lowest, self.get_y())
        self.set_xy(MARGIN, lowest + 1)


def _width(row: int) -> float:
    return (FRAME_WIDTH - (row - 1) * GAP) / row


def height_of(size: tuple[int, int]) -> float:
    """Return the height, mm, of a picture of this (width, height) alone in its row."""
    return min(FRAME_HEIGHT, FRAME_WIDTH * size[1] / size[0])


def _room(block: Block | None) -> float:
    """Return the height, mm, of the least part of a block that may stand on a page."""
    match block:
        case Pictures(row=row):
            return _width(row) + 14 if row > 1 else FRAME_HEIGHT
        case CurveChart():
            return charts.LANE + 14
        case BarChart(rows=rows):
            return charts.PITCH * len(rows) + 4
        case Grid(heads, rows) if heads:
            return 7 + 6.5 * min(len(rows), 6)
        case LikelihoodScale():
            return 20.0
        case Text(style="subhead"):
            return 7.0
    return 5.0


SPACINGS = (1.0, 0.95, 0.9, 0.85)
"""of the distance between lines, the first that leaves no page all but empty"""
LEAST = 90.0  # mm from the top that the content of a page reaches at least


def laid_out(
    draw: Callable[[ReportPages], None], title: str, footer: str, created: datetime
) -> ReportPages:
    """Return a drawn report, with line spacing that leaves no page almost empty."""
    drawn = dict[ReportPages, float]()
    for spacing in SPACINGS:
        pages = ReportPages(title, footer, created, spacing)
        draw(pages)
        drawn[pages] = min([*pages.ends, pages.get_y()])
        if drawn[pages] >= LEAST or len(pages.pages) == 1:
            break
    else:
        pages = max(drawn, key=lambda one: drawn[one])  # of equal ones the first
    for other in drawn.keys() - {pages}:
        other.close_fonts()
    return pages
