"""The charts of a report, drawn as vectors: likelihood scale, score over time, robustness."""

import math
from collections.abc import Sequence
from itertools import groupby

from detector.messages import states
from detector.messages.format import percent, score, time_ticks
from detector.presentation.pulls import Pull
from detector.presentation.robustness import rows as trials
from detector.report.paper import BAND, EDGE, FILL, LINE, MARGIN, MUTED, SMALL, TEXT, WIDTH, Paper
from detector.schema.analysis import (
    Analysis,
    FrameSegment,
    Label,
    Question,
    Robustness,
    Side,
    Subject,
    Thresholds,
)
from detector.schema.comparison import Comparison, SharedMovement
from detector.sentences import _

LANE = 34.0  # mm; height of one person's chart
DIFFERENCES = 44.0  # mm; height of the chart of a comparison
MOVEMENT = 46.0  # mm; height of the chart of how a face moves
_LEFT = 12.0
_LINE = 3.6  # mm of a label at an axis
Line = Sequence[tuple[float, float] | None]
"""(time, score) at each sampled moment; None where there is no score."""


def scale(
    pdf: Paper, probability: float, thresholds: Thresholds, question: Question | None = None
) -> None:
    """Draw the likelihood on a line from 0 to 100 % with the question's three zones."""
    x, y, height = MARGIN, pdf.get_y() + 4, 3.2
    narrow: dict[str, list[str]] = {"L": [], "R": []}
    """words without room at their zone, by the end of the line under which they stand"""
    for label, start, end in thresholds.zones:
        word = states.zone(label.value, question and question.value)
        pdf.set_fill_color(*FILL[label])
        pdf.rect(x + start * WIDTH, y, max(0.0, end - start) * WIDTH - 0.4, height, style="F")
        pdf.ink(SMALL, MUTED)
        room = (end - start) * WIDTH
        if room < pdf.get_string_width(word) + 2:
            narrow["L" if label.side is Side.REAL else "R"].append(word)
        else:
            pdf.set_xy(x + start * WIDTH, y + height + 0.8)
            pdf.cell(room, 3.5, word, align="C")
    for align, words in narrow.items():
        pdf.set_xy(MARGIN, y + height + 7.6)
        pdf.cell(WIDTH, 3.5, " · ".join(words), align=align)
    pdf.ink(SMALL, style="B")
    for value in (start for _label, start, _end in thresholds.zones if start):
        pdf.set_xy(x + value * WIDTH - 6, y + height + 4.2)
        pdf.cell(12, 3.5, percent(value), align="C")
    at = x + probability * WIDTH
    pdf.set_fill_color(*TEXT)
    pdf.polygon([(at - 1.8, y - 3.2), (at + 1.8, y - 3.2), (at, y - 0.4)], style="F")
    pdf.set_xy(MARGIN, y + height + 11)


def bars(pdf: Paper, rows: Sequence[Pull]) -> None:
    """Draw what pulled which way as bars from the middle, the total last."""
    names, numbers, pitch = 52.0, 14.0, 4.8
    x, y = MARGIN + names, pdf.get_y() + 1
    width = WIDTH - names - numbers
    end = 1.25 * max(max(abs(row.tenths) for row in rows), 1)
    for place, row in enumerate(rows):
        last = place == len(rows) - 1
        top = y + place * pitch
        pdf.ink(SMALL, style="B" if last else "")
        pdf.set_xy(MARGIN, top)
        pdf.cell(names, pitch, row.name)
        length = width / 2 * abs(row.tenths) / end
        pdf.set_fill_color(*(TEXT if last else FILL[row.label]))
        left = x + width / 2 - (length if row.tenths < 0 else 0.0)
        pdf.rect(left, top + 1, max(length, 0.2), pitch - 2, style="F")
        pdf.set_xy(x + width, top)
        pdf.cell(numbers, pitch, row.value, align="R")
    pdf.set_draw_color(*EDGE)
    pdf.set_line_width(0.2)
    pdf.line(x + width / 2, y, x + width / 2, y + pitch * len(rows))
    pdf.set_xy(MARGIN, y + pitch * len(rows) + 1)


def timeline(pdf: Paper, analysis: Analysis, track: Subject, thresholds: Thresholds) -> None:
    """Draw a person's score over time: combined thick, models thin, a voice by windows."""
    end = max(analysis.media.duration or 0.0, track.end, 0.1)
    x, y = MARGIN + _LEFT, pdf.get_y() + 2
    width, height = WIDTH - _LEFT - 2, LANE - 10
    _axes(pdf, x, y, width, height, thresholds)
    faces = {face.index: face for face in track.frames}

    def draw(values: Line, color: Sequence[int], line: float) -> None:
        pdf.set_draw_color(*color)
        pdf.set_line_width(line)
        for run in _runs(values):
            points = [(x + t / end * width, y + (1 - v) * height) for t, v in run]
            if len(points) == 1:
                pdf.set_fill_color(*color)
                pdf.circle(points[0][0], points[0][1], 0.4 + line, style="F")
            else:
                pdf.polyline(points)

    sampled = range(len(analysis.timestamps))
    for model in (m for m in analysis.models if faces and m.question is track.question):
        draw([_score(faces.get(i), model.id) for i in sampled], EDGE, 0.15)
    draw([_score(faces.get(i), None) for i in sampled], TEXT, 0.55)
    for span in () if faces else track.spans:
        if span.score is not None:
            draw([(span.start, span.score), (span.end, span.score)], TEXT, 0.55)
    _under(pdf, end, x, y + height, width)
    pdf.set_xy(MARGIN, y + LANE - 4)


def differences(pdf: Paper, comparison: Comparison) -> None:
    """Draw each moment's face difference over re-encoding, and everything else's."""
    moments = comparison.moments
    end = max(comparison.copy_media.duration or 0.0, moments[-1].time, 0.1)
    person = min(
        comparison.people, key=lambda p: (p.changed_region == "none", -p.difference), default=None
    )
    inside: list[tuple[float, float] | None] = []
    limits: list[tuple[float, float] | None] = []
    for moment in moments:
        face = next((f for f in moment.faces if person and f.person == person.id), None)
        inside.append(None if face is None else (moment.time, face.difference))
        limits.append(None if face is None else (moment.time, face.noise_threshold))
    rest: Line = [(moment.time, moment.background_difference) for moment in moments]
    shown = [point for values in (inside, limits, rest) for point in values if point]
    top = 5 * max(1, math.ceil(max(level for _, level in shown) / 5))
    x, y = MARGIN + _LEFT, pdf.get_y() + 2
    width, height = WIDTH - _LEFT - 2, DIFFERENCES - 10

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return x + point[0] / end * width, y + (1 - point[1] / top) * height

    pdf.set_fill_color(*BAND)
    for run in _runs(limits):
        edge = [at(point) for point in run]
        floor = [(edge[-1][0], y + height), (edge[0][0], y + height)]
        pdf.polygon([*edge, *floor], style="F")
    pdf.set_line_width(0.2)
    pdf.set_draw_color(*LINE)
    for level in (0.0, top / 2, top):
        pdf.line(x, at((0, level))[1], x + width, at((0, level))[1])
        pdf.ink(SMALL, MUTED)
        pdf.set_xy(x - _LEFT, at((0, level))[1] - 1.8)
        pdf.cell(_LEFT - 1.5, 3.6, f"{level:g}", align="R")
    for values, color, line in ((rest, EDGE, 0.25), (inside, FILL[Label.FAKE], 0.55)):
        pdf.set_draw_color(*color)
        pdf.set_line_width(line)
        for run in _runs(values):
            pdf.polyline([at(point) for point in run])
    _under(pdf, end, x, y + height, width)
    pdf.set_xy(MARGIN, y + DIFFERENCES - 4)


def movement(pdf: Paper, shared: SharedMovement) -> None:
    """Draw how head and features move in both: the original thick, the copy over it."""
    end = max(len(trace.of_copy) for trace in shared.traces) - 1
    names = _LEFT + 4.0
    moving = {"head": _("Head"), "features": _("Features")}
    x, y = MARGIN + names, pdf.get_y() + 1
    width = WIDTH - names - 2
    height = (MOVEMENT - 10) / len(shared.traces)
    for number, trace in enumerate(shared.traces):
        middle = y + (number + 0.5) * height
        pdf.set_draw_color(*LINE)
        pdf.set_line_width(0.2)
        pdf.line(x, middle, x + width, middle)
        pdf.ink(SMALL, MUTED)
        pdf.set_xy(MARGIN, middle - 1.8)
        pdf.cell(names - 1.5, 3.6, moving[trace.what], align="R")
        for values, color, line in ((trace.of_original, EDGE, 0.8), (trace.of_copy, TEXT, 0.3)):
            pdf.set_draw_color(*color)
            pdf.set_line_width(line)
            pdf.polyline(
                [
                    (x + i / end * width, middle - max(-3.2, min(3.2, value)) / 6.8 * height)
                    for i, value in enumerate(values)
                ]
            )
    pdf.set_xy(MARGIN, y + MOVEMENT - 8)


def robustness(pdf: Paper, tried: Robustness, thresholds: Thresholds) -> None:
    """Draw a dot for each condition on the likelihood scale, from the unchanged part's."""
    rows = trials(tried)
    names, pitch = 46.0, 5.0
    x, y, width = MARGIN + names, pdf.get_y() + 1, WIDTH - names - 14
    height = pitch * len(rows)
    pdf.set_fill_color(*BAND)
    pdf.rect(
        x + thresholds.unsuspicious * width,
        y,
        (thresholds.suspect - thresholds.unsuspicious) * width,
        height,
        style="F",
    )
    base = tried.unchanged.probability
    for number, trial in enumerate(rows):
        middle = y + (number + 0.5) * pitch
        pdf.ink(SMALL)
        pdf.set_xy(MARGIN, middle - 2)
        pdf.cell(names, 4, trial.name)
        pdf.set_draw_color(*LINE)
        pdf.set_line_width(0.15)
        pdf.line(x, middle, x + width, middle)
        if trial.probability is None:
            pdf.set_xy(x, middle - 2)
            pdf.cell(width, 4, trial.says)
            continue
        at = x + trial.probability * width
        if base is not None and number:
            pdf.set_draw_color(*EDGE)
            pdf.set_line_width(0.4)
            pdf.line(x + base * width, middle, at, middle)
        pdf.set_fill_color(*FILL[trial.label])
        pdf.circle(at, middle, 1.2, style="F")
        pdf.set_xy(x + width + 1, middle - 2)
        pdf.cell(13, 4, trial.likelihood, align="R")
    pdf.set_line_width(0.2)
    pdf.set_xy(MARGIN, y + height + 2)


def _under(pdf: Paper, end: float, x: float, y: float, width: float) -> None:
    """Write times under a chart of `end` s."""
    pdf.ink(SMALL, MUTED)
    for time, text in zip(*time_ticks(end), strict=True):
        pdf.set_xy(x + time / end * width - 8, y + 0.8)
        pdf.cell(16, 3.5, text, align="C")
    pdf.set_line_width(0.2)


def _axes(
    pdf: Paper, x: float, y: float, width: float, height: float, thresholds: Thresholds
) -> None:
    low, high = (
        y + (1 - value) * height for value in (thresholds.unsuspicious, thresholds.suspect)
    )
    pdf.set_fill_color(*BAND)
    pdf.rect(x, high, width, low - high, style="F")
    pdf.set_line_width(0.2)
    pdf.set_draw_color(*LINE)
    for value in (0.0, 1.0):
        pdf.line(x, y + value * height, x + width, y + value * height)
    pdf.set_draw_color(*EDGE)
    pdf.set_dash_pattern(dash=0.6, gap=0.6)
    pdf.line(x, low, x + width, low)
    pdf.line(x, high, x + width, high)
    pdf.set_dash_pattern()
    for value, inner in _labels(thresholds, height):
        pdf.ink(SMALL, TEXT if inner else MUTED, style="B" if inner else "")
        pdf.set_xy(x - _LEFT, y + (1 - value) * height - 1.8)
        pdf.cell(_LEFT - 1.5, _LINE, score(value), align="R")


def _labels(thresholds: Thresholds, height: float) -> list[tuple[float, bool]]:
    """Return the labels that fit on an axis of so many mm; thresholds win over ends."""
    inner = [value for value in (thresholds.unsuspicious, thresholds.suspect) if 0.0 < value < 1.0]
    ends = [end for end in (0.0, 1.0) if all(abs(end - value) * height >= _LINE for value in inner)]
    return [*((value, True) for value in inner), *((end, False) for end in ends)]


def _score(face: FrameSegment | None, model: str | None) -> tuple[float, float] | None:
    if face is None:
        return None
    value = face.score if model is None else face.scores.get(model)
    return None if value is None else (face.time, value)


def _runs(values: Line) -> list[list[tuple[float, float]]]:
    """Stretches without a gap: a gap is never drawn through."""
    groups = groupby(values, key=lambda value: value is None)
    return [[value for value in run if value] for gap, run in groups if not gap]
