"""The pictures of a report, beside each other."""

import io

from detector.report.content import Content, ReportPicture
from detector.report.paper import MARGIN, MUTED, SMALL, WIDTH, Paper


def draw(pdf: Paper, content: Content) -> None:
    """Draw the face and where models looked, and say what can't be shown."""
    _ = pdf.speech.gettext
    if content.figures:
        pdf.head(_("Pictures"), 60.0 + 24)
    small = [f for f in content.figures if f.kind != "frame"]
    if small:
        row(pdf, small[:4], (WIDTH - 3 * 4) / 4)
    if any(f.kind == "heatmap" for f in small):
        pdf.say(
            _("A heatmap shows which places raised a model's score, scaled for each picture by "
              "itself. It is no proof: a high score for a wrong reason has a heatmap too."),
            SMALL, MUTED,
        )  # fmt: skip
    for why in content.missing:
        pdf.say(why, SMALL, MUTED)


def row(pdf: Paper, figures: list[ReportPicture], width: float) -> None:
    """Draw pictures of `width` mm beside each other, each with its caption."""
    if pdf.will_page_break(width + 14):
        pdf.add_page()
    top, lowest = pdf.get_y() + 1, 0.0
    for number, figure in enumerate(figures):
        x = MARGIN + number * (width + 4)
        pdf.image(
            io.BytesIO(figure.jpeg), x=x, y=top, w=width, h=width, keep_aspect_ratio=True,
            alt_text=figure.caption,
        )  # fmt: skip
        pdf.set_xy(x, top + width + 1)
        pdf.ink(SMALL, MUTED)
        pdf.multi_cell(width, 3.6, figure.caption, align=pdf.start, new_x="LMARGIN", new_y="NEXT")
        lowest = max(lowest, pdf.get_y())
    pdf.set_xy(MARGIN, lowest + 1)
