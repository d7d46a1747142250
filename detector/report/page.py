"""A page of a report: its fonts, margins and foot, and paragraphs."""

import html
import unicodedata
from datetime import datetime

from babel import Locale
from fpdf import FPDF, TextStyle
from fpdf.enums import Align
from fpdf.fonts import TTFFont

from detector.messages.format import unbroken
from detector.presentation import Text
from detector.report import styles
from detector.report.fonts import FACES, own_font, printable
from detector.sentences import language

MARGIN, BOTTOM = 18.0, 20.0  # mm, of A4

_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<rdf:Description rdf:about="" xmp:CreatorTool="Unmask" xmp:CreateDate="{created}"
 xmp:ModifyDate="{created}" pdfaid:part="3" pdfaid:conformance="B">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
"""Instead of fpdf2's own, which holds the time of day, so that no two reports would be equal."""
_FROM_THE_RIGHT = "\u200f"


class A4Page(FPDF):
    """Page with embedded fonts as PDF/A-3, which may carry data."""

    def __init__(self, title: str, footer: str, created: datetime, spacing: float = 1.0) -> None:
        super().__init__(format="A4", enforce_compliance="PDF/A-3B")
        self.foot = footer
        code = language().info().get("language", "en-US").replace("_", "-")
        self.rtl = Locale.parse(code, sep="-").text_direction == "rtl"
        """Whether it is read from right to left."""
        self.start, self.end = (Align.R, Align.L) if self.rtl else (Align.L, Align.R)
        """The sides at which lines begin and end."""
        self.serif = "sans" if self.rtl else "serif"  # which has no Arabic letters
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
        for (family, style), file in FACES.items():
            self.add_font(family, style, file)
        if (own := own_font()) is not None:
            self.add_font("own", "", own)
            self.set_fallback_fonts(["own"], exact_match=False)
        self.set_font("sans", "", styles.BODY)
        self.set_text_shaping(True)
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, margin=BOTTOM)
        self.set_section_title_styles(
            styles.section_title(self.serif).replace(l_margin=self.start)
        )  # fmt: skip
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
        with self.use_font_face(styles.FOOT):
            self.cell(self.epw * 0.85, 4, self.foot)
        with self.use_font_face(styles.NUMBER):
            self.cell(self.epw * 0.15, 4, f"{self.page_no()}", align="R")

    def text_of(self, text: Text) -> None:
        """Draw a paragraph; an aside has a darker ground, as on the page of a result."""
        if text.text:
            said = f"· {text.text}" if text.style == "item" else text.text
            self.paragraph(said, styles.PARAGRAPHS[text.style])

    def paragraph(self, text: str, style: TextStyle) -> None:
        """Draw a paragraph of untrusted text."""
        filled, size = style.fill_color is not None, style.size_pt or styles.BODY
        with self.use_text_style(style):
            self.multi_cell(
                self.epw, size * 0.5 * self.spacing, self.fit(text or " "), align=self.start,
                fill=filled, padding=3 if filled else 0, new_x="LMARGIN", new_y="NEXT",
            )  # fmt: skip

    def fit(self, text: str) -> str:
        """Return a text as these fonts can print it."""
        kept = unbroken(text)
        shown = printable(kept)
        self.numbered |= shown != kept
        if self.rtl and any(unicodedata.bidirectional(c) == "AL" for c in shown):
            return f"{_FROM_THE_RIGHT}{shown}"  # although it may begin with a Latin name
        return shown
