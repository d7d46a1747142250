"""Colors and text styles of a report: those of the dashboard in its light theme."""

from collections.abc import Sequence

from fpdf import FontFace, TextStyle

from detector.presentation import Style
from detector.schema.codes import Label

Color = Sequence[int]
TEXT, MUTED, LINE, EDGE = (27, 29, 33), (91, 95, 102), (222, 220, 212), (138, 140, 139)
SUNKEN, BAND = (242, 241, 236), (252, 242, 217)
FILL: dict[Label | None, Color] = {
    Label.FAKE: (213, 94, 0),
    Label.PROBABLY_FAKE: (236, 160, 104),
    Label.INCONCLUSIVE: (236, 206, 130),
    Label.PROBABLY_REAL: (122, 201, 178),
    Label.REAL: (0, 158, 115),
    Label.NOT_APPLICABLE: (122, 127, 135),
    None: (122, 127, 135),
}
INK: dict[Label | None, Color] = {
    Label.FAKE: (168, 67, 0),
    Label.PROBABLY_FAKE: (168, 67, 0),
    Label.INCONCLUSIVE: (122, 82, 0),
    Label.PROBABLY_REAL: (0, 105, 76),
    Label.REAL: (0, 105, 76),
    Label.NOT_APPLICABLE: (91, 95, 102),
    None: (91, 95, 102),
}
"""Colors of states: of marks, and of words"""

BODY, SMALL = 9.0, 7.5  # pt


def _paragraph(
    size: float, style: str = "", color: Color = TEXT, fill: Color | None = None, above: float = 0.0
) -> TextStyle:
    return TextStyle("sans", style, size, color, fill, t_margin=above, b_margin=0.8)


PARAGRAPHS: dict[Style, TextStyle] = {
    "lead": _paragraph(11.0),
    "body": _paragraph(BODY),
    "item": _paragraph(BODY),
    "aside": _paragraph(BODY, fill=SUNKEN),
    "strong": _paragraph(BODY, "B"),
    "number": _paragraph(14.0, "B"),
    "subhead": _paragraph(BODY, "B", above=0.8),
    "note": _paragraph(SMALL, color=MUTED),
}
NAME = _paragraph(11.0, "B")
"""Of the file, over the headline"""


def headline(state: Label | None, family: str) -> TextStyle:
    """Return the style of the headline in a state's color."""
    return TextStyle(family, "B", 19.0, INK[state], b_margin=0.8)


def section_title(family: str) -> TextStyle:
    """Return the style of the title of a section."""
    return TextStyle(family, "B", 12.0, TEXT, b_margin=1.6)


LABEL, STRONG_LABEL = FontFace("sans", "", SMALL, TEXT), FontFace("sans", "B", SMALL, TEXT)
TICK = FontFace("sans", "", SMALL, MUTED)
"""Texts of charts, and of their axes"""
HEADS = FontFace("sans", "B", color=MUTED, fill_color=SUNKEN)
FACT, HASH = FontFace(color=MUTED), FontFace("mono", size_pt=8)
"""Of tables: heads, names of facts, hashes"""
FOOT, NUMBER = FontFace("mono", "", SMALL - 0.5, MUTED), TICK
"""The foot of a page, and its number"""
