"""Charts of a report. As on a page, their axes run from left to right in every language; the names
of bars begin where lines of text do."""

from collections.abc import Callable

from fpdf.enums import Align

from detector.messages.format import time_ticks
from detector.presentation import BarChart, Curve, CurveChart, LikelihoodScale, Text, series
from detector.report.page import A4Page
from detector.report.styles import BAND, EDGE, FILL, LABEL, LINE, STRONG_LABEL, TEXT, TICK, Color

Point = tuple[float, float]
NAMES, AXIS = 46.0, 14.0  # mm of the names of bars, and of the values at an axis
LANE, HEIGHT = 24.0, 3.6  # mm: height of a chart over time, and of a text
PITCH = 4.8  # mm from one bar to the next
DASHED = 0.6, 0.6  # mm of a dash, and from one to the next


def draw_scale(pdf: A4Page, scale: LikelihoodScale) -> None:
    """Draw the zones of a question from 0 to 100 %, and a pointer at the likelihood."""
    x, y, width, height = pdf.l_margin, pdf.get_y() + 4, pdf.epw, 3.2
    for label, start, end in scale.zones:
        pdf.set_fill_color(*FILL[label])
        pdf.rect(x + start * width, y, (end - start) * width - 0.4, height, style="F")
    with pdf.use_font_face(STRONG_LABEL):
        for limit, text in scale.ticks:
            _label(pdf, x + limit * width - 6, y + height + 2, 12, text)
    at = x + scale.share * width
    pdf.set_fill_color(*TEXT)
    pdf.polygon([(at - 1.8, y - 3.2), (at + 1.8, y - 3.2), (at, y - 0.4)], style="F")
    pdf.set_xy(x, y + height + 4.5)
    pdf.text_of(Text(" · ".join(scale.bands), "note"))


def draw_bars(pdf: A4Page, chart: BarChart) -> None:
    """Draw a bar, or a dot, for each row over one axis."""
    top, width = pdf.get_y() + 1, pdf.epw - NAMES - AXIS
    height = PITCH * len(chart.rows)
    x = pdf.l_margin + (AXIS if pdf.rtl else NAMES)
    names, values = (pdf.l_margin, x + width) if not pdf.rtl else (x + width, pdf.l_margin)

    def at(value: float) -> float:
        return x + (value - chart.low) / (chart.high - chart.low) * width

    if chart.band is not None:
        low, high = map(at, chart.band)
        pdf.set_fill_color(*BAND)
        pdf.rect(low, top, high - low, height, style="F")
    for place, row in enumerate(chart.rows):
        middle = top + (place + 0.5) * PITCH
        with pdf.use_font_face(STRONG_LABEL if row.total else LABEL):
            _label(pdf, names, middle, NAMES, pdf.fit(row.name), pdf.start)
            _label(pdf, values, middle, AXIS, row.value, pdf.end)
        if row.end is None:
            continue
        left, right = sorted((at(row.start), at(row.end)))
        pdf.set_fill_color(*(TEXT if row.total else FILL[row.state]))
        if chart.dots:
            _stroke(pdf, LINE, 0.15)
            pdf.line(x, middle, x + width, middle)
            _stroke(pdf, EDGE, 0.4)
            pdf.line(left, middle, right, middle)
            pdf.circle(at(row.end), middle, 1.2, style="F")
        else:
            pdf.rect(left, middle - 1.4, max(right - left, 0.2), 2.8, style="F")
    if not chart.dots:
        _stroke(pdf, EDGE, 0.2)
        pdf.line(at(0), top, at(0), top + height)
    pdf.set_xy(pdf.l_margin, top + height + 2)


def draw_curves(pdf: A4Page, chart: CurveChart) -> None:
    """Draw curves over the times of a clip; a gap is never drawn through."""
    if chart.title:
        pdf.text_of(Text(chart.title, "subhead"))
    x, y, width = pdf.l_margin + AXIS, pdf.get_y() + 2, pdf.epw - AXIS - 2

    def at(point: Point) -> Point:
        up = (point[1] - chart.low) / (chart.high - chart.low)
        return x + point[0] / chart.end * width, y + (1 - up) * LANE

    pdf.set_fill_color(*BAND)
    for outline in series.shaded(chart):
        pdf.polygon(list(map(at, outline)), style="F")
    _stroke(pdf, LINE, 0.2)
    for value, _text in chart.ticks:
        pdf.line(x, at((0.0, value))[1], x + width, at((0.0, value))[1])
    _stroke(pdf, EDGE, 0.2)
    pdf.set_dash_pattern(*DASHED)
    for limit in chart.limits:
        pdf.line(x, at((0.0, limit))[1], x + width, at((0.0, limit))[1])
    for line in chart.lines:
        _curve(pdf, line, at)
    with pdf.use_font_face(TICK):
        for value, text in series.ticks(chart, HEIGHT / LANE):
            _label(pdf, pdf.l_margin, at((0.0, value))[1], AXIS - 1.5, text, "R")
        for time, text in zip(*time_ticks(chart.end), strict=True):
            _label(pdf, at((time, 0.0))[0] - 8, y + LANE + 2.6, 16, text)
    pdf.set_xy(pdf.l_margin, y + LANE + 6)


def _curve(pdf: A4Page, line: Curve, at: Callable[[Point], Point]) -> None:
    color = FILL[line.state] if line.state else EDGE if line.muted else TEXT
    _stroke(pdf, color, line.width)
    pdf.set_fill_color(*color)
    pdf.set_dash_pattern(*(DASHED if line.dashed else ()))
    for run in series.runs(line.points):
        points = [at(point) for point in run]
        if len(points) == 1:
            pdf.circle(*points[0], 0.4 + line.width, style="F")
        else:
            pdf.polyline(points)
    pdf.set_dash_pattern()


def _label(
    pdf: A4Page, x: float, y: float, width: float, text: str, align: Align | str = "C"
) -> None:  # fmt: skip
    """Write a text centered on `y`."""
    pdf.set_xy(x, y - HEIGHT / 2)
    pdf.cell(width, HEIGHT, text, align=align)


def _stroke(pdf: A4Page, color: Color, width: float) -> None:
    pdf.set_draw_color(*color)
    pdf.set_line_width(width)
