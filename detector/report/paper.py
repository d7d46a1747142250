"""The paper a report is printed on: its fonts, colors, heads and simple tables."""

import html
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
from babel import Locale
from fontTools.ttLib import TTFont
from fpdf import FPDF, FontFace
from fpdf.enums import Align, TableBordersLayout, WrapMode
from fpdf.fonts import TTFFont

from detector.config import get_config
from detector.errors import UsageError
from detector.schema.analysis import Label
from detector.sentences import _, language

FONT = "UNMASK_REPORT_FONT"
"""Environment variable: a TrueType font for scripts that DejaVu lacks (Chinese, Japanese, Korean,
Devanagari …). Without it such letters are printed as their numbers, such as U+4E2D."""

MARGIN, WIDTH = 18.0, 210.0 - 2 * 18.0  # mm, of A4
TEXT, MUTED, LINE, EDGE = (27, 29, 33), (91, 95, 102), (222, 220, 212), (138, 140, 139)
SUNKEN, BAND = (242, 241, 236), (252, 242, 217)
FILL: dict[Label, tuple[int, int, int]] = {
    Label.FAKE: (213, 94, 0),
    Label.PROBABLY_FAKE: (236, 160, 104),
    Label.INCONCLUSIVE: (236, 206, 130),
    Label.PROBABLY_REAL: (122, 201, 178),
    Label.REAL: (0, 158, 115),
    Label.NOT_APPLICABLE: (122, 127, 135),
}
INK: dict[Label, tuple[int, int, int]] = {
    Label.FAKE: (168, 67, 0),
    Label.PROBABLY_FAKE: (168, 67, 0),
    Label.INCONCLUSIVE: (122, 82, 0),
    Label.PROBABLY_REAL: (0, 105, 76),
    Label.REAL: (0, 105, 76),
    Label.NOT_APPLICABLE: (91, 95, 102),
}
"""The dashboard's colors in its light theme: marks, and words."""
BODY, SMALL = 9.0, 7.5  # pt

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


T = TypeVar("T")


class Paper(FPDF):
    """A4, every font embedded, PDF/A-3 (which may carry the data it shows)."""

    def __init__(self, title: str, footer: str, created: datetime, spacing: float = 1.0) -> None:
        super().__init__(format="A4", enforce_compliance="PDF/A-3B")
        self.foot = footer
        code = language().info().get("language", "en-US").replace("_", "-")
        self.rtl = Locale.parse(code, sep="-").text_direction == "rtl"
        """Whether it is read from right to left; charts are not."""
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
        """Close the files of the fonts; nothing more is drawn."""
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

    @property
    def start(self) -> Align:
        """Return the side at which lines begin."""
        return Align.R if self.rtl else Align.L

    def in_order(self, cells: Sequence[T]) -> list[T]:
        """Return what stands beside each other, from left to right."""
        return list(reversed(cells)) if self.rtl else list(cells)

    def ink(
        self,
        size: float = BODY,
        color: Sequence[int] = TEXT,
        *,
        style: str = "",
        family: str = "sans",
    ) -> None:
        """Choose how the next words look; the serif font has no Arabic letters."""
        self.set_font("sans" if self.rtl and family == "serif" else family, style, size)
        self.set_text_color(*color)

    def head(self, text: str, room: float = 24.0) -> None:
        """Draw a section's title, together with at least `room` mm of what follows."""
        if self.will_page_break(room):
            self.add_page()
        self.ln(4 * self.spacing)
        self.ink(12, style="B", family="serif")
        self.start_section(text)
        self.cell(WIDTH, 6, text, align=self.start, new_x="LMARGIN", new_y="NEXT")
        self.set_draw_color(*LINE)
        self.line(MARGIN, self.get_y() + 0.5, MARGIN + WIDTH, self.get_y() + 0.5)
        self.ln(2.5 * self.spacing)

    def banner(self, color: Sequence[int]) -> None:
        """Draw the strip at the top of the first page."""
        self.set_fill_color(*color)
        self.rect(MARGIN, MARGIN, WIDTH, 1.4, style="F")
        self.set_y(MARGIN + 4)

    def headline(self, text: str, color: Sequence[int]) -> None:
        """Draw what a report says, as its headline."""
        self.ink(19, color, style="B", family="serif")
        self.multi_cell(WIDTH, 9, self._fit(text), align=self.start, new_x="LMARGIN", new_y="NEXT")

    def number(self, percent: str, what: str) -> None:
        """Draw the one number of a report, large, and what it is."""
        self.ink(16, style="B")
        width = self.get_string_width(percent) + 2.5
        sides = (MARGIN, MARGIN + width)
        if self.rtl:
            sides = (MARGIN + WIDTH - width, MARGIN)
        self.set_x(sides[0])
        self.cell(width, 7.5, percent, align=self.start)
        self.ink(11)
        self.set_x(sides[1])
        shown, room = self._fit(what), WIDTH - width
        self.multi_cell(room, 8.3, shown, align=self.start, new_x="LMARGIN", new_y="NEXT")

    def box(self, title: str, text: str) -> None:
        """Draw a paragraph with its title on a darker ground, as the page of a result does."""
        height = 4.6 * self.spacing
        self.ink()
        needed: Any = self.multi_cell(
            WIDTH,
            height,
            self._fit(text),
            align=self.start,
            padding=3,
            dry_run=True,
            output="HEIGHT",
        )
        if self.will_page_break(needed + 6):
            self.add_page()
        self.ln(1)
        self.subhead(title)
        self.set_fill_color(*SUNKEN)
        self.ink()
        self.multi_cell(
            WIDTH, height, self._fit(text), align=self.start, fill=True, padding=3,
            new_x="LMARGIN", new_y="NEXT",
        )  # fmt: skip

    def form(self, fields: Sequence[tuple[str, str]]) -> None:
        """Draw fields beside each other: a name over a value, or over a line to write on."""
        gap = 4.0
        width = (WIDTH - gap * (len(fields) - 1)) / len(fields)
        if self.will_page_break(14):
            self.add_page()
        top, lowest = self.get_y(), self.get_y() + 11
        for place, (name, value) in enumerate(self.in_order(fields)):
            x = MARGIN + place * (width + gap)
            self.set_xy(x, top)
            self.ink(SMALL, MUTED)
            self.cell(width, 4, name, align=self.start, new_x="LEFT", new_y="NEXT")
            self.ink()
            self.set_x(x)
            self.multi_cell(
                width, 4.5, self._fit(value), align=self.start, new_x="LEFT", new_y="NEXT",
                wrapmode=_wrapping(value),
            )  # fmt: skip
            lowest = max(lowest, self.get_y())
        self.set_draw_color(*EDGE)
        for place in range(len(fields)):
            x = MARGIN + place * (width + gap)
            self.line(x, lowest, x + width, lowest)
        self.set_xy(MARGIN, lowest + 2)

    def subhead(self, text: str) -> None:
        """Draw the title of a part of a section."""
        self.ink(BODY, style="B")
        self.cell(WIDTH, 5, text, align=self.start, new_x="LMARGIN", new_y="NEXT")

    def say(
        self,
        text: str,
        size: float = BODY,
        color: Sequence[int] = TEXT,
        *,
        style: str = "",
        width: float = WIDTH,
    ) -> None:
        """Draw a paragraph, which may hold foreign text."""
        self.ink(size, color, style=style)
        self.multi_cell(
            width, size * 0.5 * self.spacing, self._fit(text), align=self.start, new_x="LMARGIN",
            new_y="NEXT", wrapmode=_wrapping(text),
        )  # fmt: skip
        self.ln(0.8)

    def facts(self, rows: Sequence[tuple[str, str]], names: float = 40.0) -> None:
        """Draw names at the start, values beside them; hashes in a font of equal widths."""
        value_x, name_x = (MARGIN, MARGIN + WIDTH - names) if self.rtl else (MARGIN + names, MARGIN)
        for name, value in rows:
            hexadecimal = len(value) >= 32 and all(c in "0123456789abcdef" for c in value)
            if self.will_page_break(10):
                self.add_page()
            self.ink(BODY, MUTED)
            self.set_x(name_x)
            self.multi_cell(
                names, 4.5 * self.spacing, name, align=self.start, new_x="RIGHT", new_y="TOP"
            )
            self.ink(8 if hexadecimal else BODY, family="mono" if hexadecimal else "sans")
            self.set_x(value_x)
            self.multi_cell(
                WIDTH - names, 4.5 * self.spacing, self._fit(value), align=self.start,
                new_x="LMARGIN", new_y="NEXT", wrapmode=_wrapping(value),
            )  # fmt: skip

    def rows(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]
    ) -> None:
        """Draw a table; its head is repeated on each page."""
        self.ink(SMALL + 0.5)
        self.set_draw_color(*LINE)
        self.set_fill_color(255)
        with self.table(
            col_widths=tuple(self.in_order(widths)), width=WIDTH, line_height=4.0 * self.spacing,
            padding=(0.8, 1.2), borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            text_align="RIGHT" if self.rtl else "LEFT",
            headings_style=FontFace(emphasis="BOLD", color=MUTED, fill_color=SUNKEN),
        ) as table:  # fmt: skip
            table.row(self.in_order(head))
            for row in rows:
                table.row([self._fit(cell) for cell in self.in_order(row)])
        self.ln(1.5)

    def _fit(self, text: str) -> str:
        shown = printable(text)
        self.numbered |= shown != text
        if self.rtl and any(unicodedata.bidirectional(c) == "AL" for c in shown):
            return f"{_FROM_THE_RIGHT}{shown}"  # although it may begin with a Latin name
        return shown


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
    drawn = []
    for spacing in SPACINGS:
        paper = Paper(title, footer, created, spacing)
        draw(paper)
        shortest = min([*paper.ends, paper.get_y()])
        drawn.append((shortest, spacing, paper))
        if shortest >= LEAST or len(paper.pages) == 1:
            break
    else:
        paper = max(drawn, key=lambda kept: kept[:2])[2]
    for *_rank, other in drawn:
        if other is not paper:
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


def _wrapping(text: str) -> WrapMode:
    """Return lines break between words, unless one is so long that it has to be broken anywhere."""
    return WrapMode.CHAR if any(len(word) > 60 for word in text.split()) else WrapMode.WORD
