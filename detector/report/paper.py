"""PDF pages of documents (`detector.presentation`): one method for each kind of block.

fpdf2, not HTML with print CSS: it is pure Python, where WeasyPrint needs Pango on every computer.
It embeds fonts, shapes Arabic, breaks tables over pages and writes PDF/A-3 with attached data.
"""

import html
import io
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
from babel import Locale
from fontTools.ttLib import TTFont
from fpdf import FPDF, FontFace
from fpdf.enums import Align, TableBordersLayout, VAlign
from fpdf.fonts import TTFFont

from detector.config import get_config
from detector.errors import UsageError
from detector.messages.format import time_ticks, unbroken
from detector.presentation import (
    BarChart,
    Block,
    Curve,
    CurveChart,
    Grid,
    LikelihoodScale,
    Pictures,
    Presentation,
    Section,
    Style,
    Text,
    series,
)
from detector.schema.codes import Label
from detector.sentences import _, language

FONT = "UNMASK_REPORT_FONT"
"""Environment variable: a TrueType font for scripts that DejaVu lacks (Chinese, Japanese, Korean,
Devanagari …). Without it such letters are printed as their numbers, such as U+4E2D."""

MARGIN, WIDTH = 18.0, 210.0 - 2 * 18.0  # mm, of A4
GAP = 4.0  # mm between pictures
FRAME_HEIGHT, FRAME_WIDTH = 52.0, WIDTH  # mm of a picture alone, at most
TEXT, MUTED, LINE, EDGE = (27, 29, 33), (91, 95, 102), (222, 220, 212), (138, 140, 139)
SUNKEN, BAND = (242, 241, 236), (252, 242, 217)
FILL: dict[Label | None, tuple[int, int, int]] = {
    Label.FAKE: (213, 94, 0),
    Label.PROBABLY_FAKE: (236, 160, 104),
    Label.INCONCLUSIVE: (236, 206, 130),
    Label.PROBABLY_REAL: (122, 201, 178),
    Label.REAL: (0, 158, 115),
    Label.NOT_APPLICABLE: (122, 127, 135),
    None: (122, 127, 135),
}
INK: dict[Label | None, tuple[int, int, int]] = {
    Label.FAKE: (168, 67, 0),
    Label.PROBABLY_FAKE: (168, 67, 0),
    Label.INCONCLUSIVE: (122, 82, 0),
    Label.PROBABLY_REAL: (0, 105, 76),
    Label.REAL: (0, 105, 76),
    Label.NOT_APPLICABLE: (91, 95, 102),
    None: (91, 95, 102),
}
"""The dashboard's colors in its light theme: marks, and words."""
BODY, SMALL = 9.0, 7.5  # pt
STYLES: dict[Style, tuple[float, Sequence[int], str]] = {
    "lead": (11.0, TEXT, ""),
    "body": (BODY, TEXT, ""),
    "item": (BODY, TEXT, ""),
    "aside": (BODY, TEXT, ""),
    "strong": (BODY, TEXT, "B"),
    "number": (14.0, TEXT, "B"),
    "subhead": (BODY, TEXT, "B"),
    "note": (SMALL, MUTED, ""),
}
"""Size in pt, color and weight of a paragraph."""
NAMES = 46.0  # mm of the names of facts and bars
CELL = (0.8, 1.2)  # mm over and beside the text of a table's cell
AXIS = 14.0  # mm beside a chart, for the texts of its axis
LANE, LABEL = 24.0, 3.6  # mm: height of a chart over time, and of a text at its axis
PITCH = 4.8  # mm from one bar to the next

_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<rdf:Description rdf:about="" xmp:CreatorTool="Unmask" xmp:CreateDate="{created}"
 xmp:ModifyDate="{created}" pdfaid:part="3" pdfaid:conformance="B">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
"""Instead of fpdf2's own, which holds the time of day, so that no two reports would be equal."""

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_FACES = {
    ("sans", ""): "DejaVuSans.ttf",
    ("sans", "B"): "DejaVuSans-Bold.ttf",
    ("mono", ""): "DejaVuSansMono.ttf",
    ("serif", "B"): "DejaVuSerif-Bold.ttf",
}
SANS = _FONTS / _FACES["sans", ""]


class Paper(FPDF):
    """A4 pages with embedded fonts as PDF/A-3, which may carry data."""

    def __init__(self, title: str, footer: str, created: datetime, spacing: float = 1.0) -> None:
        super().__init__(format="A4", enforce_compliance="PDF/A-3B")
        self.foot = footer
        code = language().info().get("language", "en-US").replace("_", "-")
        self.rtl = Locale.parse(code, sep="-").text_direction == "rtl"
        """Whether it is read from right to left; charts are not."""
        self.start = Align.R if self.rtl else Align.L
        """The side at which lines begin."""
        self.spacing = spacing
        """of the usual distance between lines"""
        self.ends: list[float] = []
        """mm; where the content of each full page ends"""
        self.numbered = False
        """Whether a letter stands as its number, because no embedded font has it."""
        self.set_creation_date(created)
        self.set_title(title)
        self.set_creator("Unmask")
        self.set_lang(code)
        self.set_xmp_metadata(
            _XMP.format(title=html.escape(printable(title)), created=created.isoformat())
        )
        for (family, style), file in _FACES.items():
            self.add_font(family, style, _FONTS / file)
        if (own := own_font()) is not None:
            self.add_font("own", "", own)
            self.set_fallback_fonts(["own"], exact_match=False)
        self.set_text_shaping(True)
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, margin=20)
        self.add_page()

    def close_fonts(self) -> None:
        """Close the font files; nothing can be drawn after."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def footer(self) -> None:
        """Draw the file's hash and the page's number, on every page."""
        self.ends.append(self.get_y())
        self.set_y(-14)
        self.ink(SMALL - 0.5, MUTED, family="mono")
        self.cell(WIDTH * 0.85, 4, self.foot)
        self.ink(SMALL, MUTED)
        self.cell(WIDTH * 0.15, 4, f"{self.page_no()}", align="R")

    def ink(
        self,
        size: float = BODY,
        color: Sequence[int] = TEXT,
        *,
        style: str = "",
        family: str = "sans",
    ) -> None:
        """Set the font and color of text; the serif font has no Arabic letters."""
        self.set_font("sans" if self.rtl and family == "serif" else family, style, size)
        self.set_text_color(*color)

    # --- a document -------------------------------------------------------------------------------

    def document(self, document: Presentation) -> None:
        """Draw a report: a strip and a headline in the color of its label, then its sections."""
        self.set_fill_color(*FILL[document.state])
        self.rect(MARGIN, MARGIN, WIDTH, 1.4, style="F")
        self.set_y(MARGIN + 4)
        self.text_of(Text(document.kicker, "note"))
        if document.about:
            self.paragraph(document.about, 11, style="B")
        self.headline(document.headline, INK[document.state])
        for section in document.sections:
            self.section(section)

    def headline(self, text: str, color: Sequence[int] = TEXT) -> None:
        """Draw the headline."""
        self.paragraph(text, 19, color, style="B", family="serif")

    def section(self, section: Section) -> None:
        """Draw a section; a title stays on the page of what follows it."""
        if section.title:
            if self.will_page_break(14 + sum(map(self._room, section.blocks[:2]))):
                self.add_page()
            self.ln(4 * self.spacing)
            self.ink(12, style="B", family="serif")
            self.start_section(section.title)
            self.cell(WIDTH, 6, section.title, align=self.start, new_x="LMARGIN", new_y="NEXT")
            self.stroke(LINE, 0.2)
            self.line(MARGIN, self.get_y() + 0.5, MARGIN + WIDTH, self.get_y() + 0.5)
            self.ln(2.5 * self.spacing)
        for block, following in zip(section.blocks, (*section.blocks[1:], None), strict=True):
            titled = isinstance(block, Text) and block.style == "subhead" and following is not None
            if self.will_page_break(self._room(block) + (self._room(following) if titled else 0)):
                self.add_page()
            self.block(block)

    def block(self, block: Block) -> None:
        """Draw a block."""
        draw: dict[type, Callable[[Any], None]] = {
            Text: self.text_of, Grid: self.rows, LikelihoodScale: self.scale, BarChart: self.bars,
            CurveChart: self.lines, Pictures: self.pictures,
        }  # fmt: skip
        draw[type(block)](block)

    def _room(self, block: Block | None) -> float:
        """Return the height, mm, of the least part of a block that may stand on a page."""
        match block:
            case Pictures(row=row):
                return self._width(row) + 14 if row > 1 else FRAME_HEIGHT
            case CurveChart():
                return LANE + 14
            case BarChart(rows=rows):
                return PITCH * len(rows) + 4
            case Grid(heads, rows) if heads:
                return 7 + 6.5 * min(len(rows), 6)
            case LikelihoodScale():
                return 20.0
        return 5.0

    # --- words ------------------------------------------------------------------------------------

    def text_of(self, text: Text) -> None:
        """Draw a paragraph; an aside has a darker ground, as on the page of a result."""
        size, color, style = STYLES[text.style]
        if text.style == "subhead":
            self.ln(0.8)
        if text.text:
            said = f"· {text.text}" if text.style == "item" else text.text
            self.paragraph(said, size, color, style=style, aside=text.style == "aside")

    def paragraph(
        self, text: str, size: float = BODY, color: Sequence[int] = TEXT, *, style: str = "",
        family: str = "sans", aside: bool = False,
    ) -> None:  # fmt: skip
        """Draw a paragraph of untrusted text."""
        self.ink(size, color, style=style, family=family)
        self.set_fill_color(*SUNKEN)
        self.multi_cell(
            WIDTH, size * 0.5 * self.spacing, self.fit(text or " "), align=self.start, fill=aside,
            padding=3 if aside else 0, new_x="LMARGIN", new_y="NEXT",
        )  # fmt: skip
        self.ln(0.8)

    def rows(self, table: Grid) -> None:
        """Draw a table, in smaller letters where words do not fit, its head on each page; without
        heads names at the start and values beside them, hashes in a font of equal widths."""
        cells, widths = [*([table.heads] if table.heads else []), *table.printed], [NAMES]
        self.ink()
        if not table.heads:
            widths.append(WIDTH - NAMES)
        else:
            for size in (SMALL + 0.5, SMALL - 1.0, SMALL - 2.0):
                self.ink(size, style="B")
                if sum(widths := self._widths(cells)) <= WIDTH + 0.1:
                    break
        self._grid(cells, widths, heads=bool(table.heads))
        self.ln(1.5)

    def _widths(self, rows: Sequence[Sequence[str]]) -> list[float]:
        """Return the widths of columns, mm: of their longest cells where all fit, else of their
        longest words and a share of what is left."""
        columns = list(zip(*rows, strict=True))
        whole = [max(map(self._wide, column)) for column in columns]
        if sum(whole) <= WIDTH:
            return [width + (WIDTH - sum(whole)) / len(whole) for width in whole]
        longest = (max((w for cell in c for w in cell.split(" ")), key=self._wide) for c in columns)
        words = [min(self._wide(word), WIDTH / 3) for word in longest]
        share = (WIDTH - sum(words)) / (sum(whole) - sum(words) or 1.0)
        return [a + max(0.0, share) * (b - a) for a, b in zip(words, whole, strict=True)]

    def _wide(self, text: str) -> float:
        return self.get_string_width(text) + 2 * CELL[1] + 0.6

    def _grid(self, rows: Sequence[Sequence[str]], widths: Sequence[float], *, heads: bool) -> None:
        """Draw table cells, below heads or after names."""
        self.set_font(style="")
        self.stroke(LINE, 0.2)
        self.set_fill_color(255)
        order = slice(None, None, -1) if self.rtl else slice(None)
        name, code = FontFace(color=MUTED), FontFace(family="mono", size_pt=8)
        lines = TableBordersLayout.HORIZONTAL_LINES if heads else TableBordersLayout.NONE
        with self.table(
            col_widths=tuple(widths)[order], width=WIDTH, line_height=4.0 * self.spacing,
            padding=CELL if heads else (0.2, 0), borders_layout=lines, first_row_as_headings=heads,
            text_align="RIGHT" if self.rtl else "LEFT",
            v_align=VAlign.M if heads else VAlign.T,
            headings_style=FontFace(emphasis="BOLD", color=MUTED, fill_color=SUNKEN),
        ) as grid:  # fmt: skip
            for cells in rows:
                row = grid.row()
                for place, cell in list(enumerate(cells))[order]:
                    is_hash = len(cell) == 64 and set(cell) <= set("0123456789abcdef")
                    style = None if heads else code if is_hash else name if place == 0 else None
                    row.cell(self.fit(cell), style=style)

    def fit(self, text: str) -> str:
        """Return a text as these fonts can print it."""
        kept = unbroken(text)
        shown = printable(kept)
        self.numbered |= shown != kept
        if self.rtl and any(unicodedata.bidirectional(c) == "AL" for c in shown):
            return f"{_FROM_THE_RIGHT}{shown}"  # although it may begin with a Latin name
        return shown

    def label(self, x: float, y: float, width: float, text: str, align: str = "C") -> None:
        """Write a chart label centered on `y`."""
        self.set_xy(x, y - LABEL / 2)
        self.cell(width, LABEL, text, align=align)

    # --- pictures and charts ----------------------------------------------------------------------

    def _width(self, row: int) -> float:
        return (WIDTH - (row - 1) * GAP) / row

    def pictures(self, shown: Pictures) -> None:
        """Draw pictures side by side with their captions."""
        top, lowest, width = self.get_y() + 1, 0.0, self._width(shown.row)
        sides = [picture.size[1] / picture.size[0] for picture in shown.pictures]
        high = [height_of(picture.size) for picture in shown.pictures]
        if shown.row > 1:
            high = [width * min(1.0, side) for side in sides]
        for number, picture in enumerate(shown.pictures):
            x, wide = MARGIN + number * (width + GAP), high[number] / sides[number]
            jpeg = io.BytesIO(picture.jpeg)
            self.image(jpeg, x=x, y=top, w=wide, h=high[number], alt_text=picture.caption)
            self.set_xy(x, top + max(high) + 1)
            self.ink(SMALL, MUTED)
            caption = self.fit(picture.caption)
            self.multi_cell(width, LABEL, caption, align=self.start, new_x="LMARGIN", new_y="NEXT")
            lowest = max(lowest, self.get_y())
        self.set_xy(MARGIN, lowest + 1)

    def scale(self, scale: LikelihoodScale) -> None:
        """Draw the zones of a question from 0 to 100 %, a pointer at the likelihood."""
        y, height = self.get_y() + 4, 3.2
        for label, start, end in scale.zones:
            self.set_fill_color(*FILL[label])
            self.rect(MARGIN + start * WIDTH, y, (end - start) * WIDTH - 0.4, height, style="F")
        self.ink(SMALL, style="B")
        for limit, text in scale.ticks:
            self.label(MARGIN + limit * WIDTH - 6, y + height + 2, 12, text)
        at = MARGIN + scale.share * WIDTH
        self.set_fill_color(*TEXT)
        self.polygon([(at - 1.8, y - 3.2), (at + 1.8, y - 3.2), (at, y - 0.4)], style="F")
        self.set_xy(MARGIN, y + height + 4.5)
        self.paragraph(" · ".join(scale.bands), SMALL, MUTED)

    def bars(self, chart: BarChart) -> None:
        """Draw a bar, or a dot, for each row over one axis."""
        x, y, width = MARGIN + NAMES, self.get_y() + 1, WIDTH - NAMES - AXIS
        height = PITCH * len(chart.rows)

        def at(value: float) -> float:
            return x + (value - chart.low) / (chart.high - chart.low) * width

        if chart.band is not None:
            self.set_fill_color(*BAND)
            low, high = map(at, chart.band)
            self.rect(low, y, high - low, height, style="F")
        for place, row in enumerate(chart.rows):
            middle = y + (place + 0.5) * PITCH
            self.ink(SMALL, style="B" if row.total else "")
            self.label(MARGIN, middle, NAMES, row.name, "L")
            self.label(x + width, middle, AXIS, row.value, "R")
            if row.end is None:
                continue
            if chart.dots:
                self.stroke(LINE, 0.15)
                self.line(x, middle, x + width, middle)
            self.set_fill_color(*(TEXT if row.total else FILL[row.state]))
            left, right = sorted((at(row.start), at(row.end)))
            if chart.dots:
                self.stroke(EDGE, 0.4)
                self.line(left, middle, right, middle)
                self.circle(at(row.end), middle, 1.2, style="F")
            else:
                self.rect(left, middle - 1.4, max(right - left, 0.2), 2.8, style="F")
        if not chart.dots:
            self.stroke(EDGE, 0.2)
            self.line(at(0), y, at(0), y + height)
        self.set_xy(MARGIN, y + height + 2)

    def lines(self, chart: CurveChart) -> None:
        """Draw curves over the times of a clip; a gap is never drawn through."""
        if chart.title:
            self.text_of(Text(chart.title, "subhead"))
        x, y, width = MARGIN + AXIS, self.get_y() + 2, WIDTH - AXIS - 2

        def at(point: tuple[float, float]) -> tuple[float, float]:
            up = (point[1] - chart.low) / (chart.high - chart.low)
            return x + point[0] / chart.end * width, y + (1 - up) * LANE

        self.set_fill_color(*BAND)
        for outline in series.shaded(chart):
            self.polygon(list(map(at, outline)), style="F")
        self.ink(SMALL, MUTED)
        for value, _text in chart.ticks:
            self.stroke(LINE, 0.2)
            self.line(x, at((0.0, value))[1], x + width, at((0.0, value))[1])
        for value, text in series.ticks(chart, LABEL / LANE):
            self.label(MARGIN, at((0.0, value))[1], AXIS - 1.5, text, "R")
        for line in chart.lines:
            self._curve(line, at)
        self.ink(SMALL, MUTED)
        for time, text in zip(*time_ticks(chart.end), strict=True):
            self.label(at((time, 0.0))[0] - 8, y + LANE + 2.6, 16, text)
        self.set_xy(MARGIN, y + LANE + 6)

    def _curve(self, line: Curve, at: Callable[[tuple[float, float]], tuple[float, float]]) -> None:
        color = FILL[line.state] if line.state else EDGE if line.muted else TEXT
        self.stroke(color, line.width)
        self.set_fill_color(*color)
        self.set_dash_pattern(*((0.6, 0.6) if line.dashed else ()))
        for run in series.runs(line.points):
            points = [at(point) for point in run]
            if len(points) == 1:
                self.circle(*points[0], 0.4 + line.width, style="F")
            else:
                self.polyline(points)
        self.set_dash_pattern()

    def stroke(self, color: Sequence[int], width: float) -> None:
        """Set the color and width of lines."""
        self.set_draw_color(*color)
        self.set_line_width(width)


def height_of(size: tuple[int, int]) -> float:
    """Return the height, mm, of a picture of this (width, height) alone in its row."""
    return min(FRAME_HEIGHT, FRAME_WIDTH * size[1] / size[0])


_FROM_THE_RIGHT = "\u200f"
_TURNING = frozenset([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Embeddings, overrides and isolates of bidirectional text, and what ends them."""


def printable(text: str) -> str:
    """Return text with unprintable letters and direction marks replaced by their numbers."""
    known = (_covered(SANS) | _covered(own_font())) - _TURNING
    return "".join(c if ord(c) in known or c in "\n\t " else f"[U+{ord(c):04X}]" for c in text)


SPACINGS = (1.0, 0.95, 0.9, 0.85)
"""of the distance between lines, the first that leaves no page all but empty"""
LEAST = 90.0  # mm from the top that the content of a page reaches at least


def laid_out(draw: Callable[[Paper], None], title: str, footer: str, created: datetime) -> Paper:
    """Return a drawn report, with line spacing that leaves no page almost empty."""
    drawn = dict[Paper, float]()
    for spacing in SPACINGS:
        paper = Paper(title, footer, created, spacing)
        draw(paper)
        drawn[paper] = min([*paper.ends, paper.get_y()])
        if drawn[paper] >= LEAST or len(paper.pages) == 1:
            break
    else:
        paper = max(drawn, key=lambda one: drawn[one])  # of equal ones the first
    for other in drawn.keys() - {paper}:
        other.close_fonts()
    return paper


def own_font() -> Path | None:
    """Return the operator's font for more scripts, or None; raise UsageError."""
    if (named := get_config().report_font) is None:
        return None
    path = named.expanduser()
    try:
        with path.open("rb") as file:
            TTFont(file)
    except Exception as error:
        raise UsageError(
            _("{font}: {name} is not a font that we can read.").format(font=FONT, name=path.name)
        ) from error
    return path


@lru_cache(maxsize=4)
def _covered(font: Path | None) -> frozenset[int]:
    if font is None:
        return frozenset()
    with TTFont(font, lazy=True) as opened:
        return frozenset(opened.getBestCmap())
