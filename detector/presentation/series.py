"""Time series of an `Analysis`: lanes, gaps, bands and tiles for charts, strips, tables and
reports."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from detector.decision.numbers import label_of
from detector.messages.format import clock, limit, listed, score, stretch
from detector.presentation import Curve, CurveChart, Points, lead
from detector.schema.analysis import (
    Analysis,
    FrameSegment,
    Label,
    ReasonCode,
    SpanSegment,
    Subject,
    Thresholds,
)
from detector.sentences import _, say
from detector.vision.boxes import FaceBox

SILENT = 0.5
"""s between two windows of sound from which on the stretch has no score"""


class Missing(Enum):
    """Reason for a missing score that is not a `ReasonCode`."""

    NOT_IN_FRAME = auto()
    NO_SCORE = auto()
    BETWEEN = auto()
    """the models that count score fewer moments (`ModelSpec.moments`): no gap"""
    NOT_YET = auto()
    NOT_HEARD = auto()


Why = Missing | ReasonCode

MISSING = {
    Missing.NOT_IN_FRAME: _("not in frame"),
    Missing.NO_SCORE: _("no score"),
    Missing.BETWEEN: _("between scored moments"),
    Missing.NOT_YET: _("not scored yet"),
    Missing.NOT_HEARD: _("not scored"),
}

TITLE = _("Scores")
UNSCORED = _("No model gave a score here.")


@dataclass(frozen=True)
class Gap:
    """A stretch of time without a score, and the reason."""

    start: float
    end: float
    why: Why

    @property
    def word(self) -> str:
        """Return the reason in a few words."""
        return words(self.why)


@dataclass(frozen=True)
class Lane:
    """One subject over the sampled moments."""

    track: Subject
    times: tuple[float, ...]  # every looked-at moment, s
    score: tuple[float | None, ...]  # all counted models together; None is a gap, never 0.5
    models: dict[str, tuple[float | None, ...]]  # the same for each model that scored this person
    gaps: tuple[Gap, ...]  # ascending, touching at the middle between two moments

    @property
    def points(self) -> Points:
        """Return (time, score) at each of `times`."""
        return list(zip(self.times, self.score, strict=True))

    @property
    def scored(self) -> list[tuple[float, float]]:
        """Return (time, score) of the scored moments."""
        return [(t, s) for t, s in self.points if s is not None]

    @property
    def runs(self) -> list[list[tuple[float, float]]]:
        """Return the line cut at its gaps: lists of (time, score) without a hole."""
        return runs(self.points)

    @property
    def gap_at(self) -> list[str]:
        """Return the reason for the gap at each of `times`; empty for a score."""
        between = words(Missing.BETWEEN)
        return [
            next((g.word for g in self.gaps if g.start <= t <= g.end), between) if s is None else ""
            for t, s in zip(self.times, self.score, strict=True)
        ]

    def joined(self, values: Sequence[float | None]) -> Points:
        """Return (time, value) at each of `times` without unsampled moments, so that a line breaks
        at gaps only."""
        points = zip(self.times, values, strict=True)
        return [
            (t, v)
            for t, v in points
            if v is not None or any(g.start <= t <= g.end for g in self.gaps)
        ]

    @property
    def bridges(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """Return pairs of neighboring points, (time, score), with unscored moments but no gap
        between them: a line there is interpolated."""
        place = {time: n for n, time in enumerate(self.times)}
        return [
            (a, b)
            for run in runs(self.joined(self.score))
            for a, b in itertools.pairwise(run)
            if place[b[0]] - place[a[0]] > 1
        ]

    def at(self, time: float) -> float | None:
        """Return the score at the nearest sampled moment."""
        if not self.times:
            return None
        return self.score[min(range(len(self.times)), key=lambda i: abs(self.times[i] - time))]


def moments(lane: Lane) -> list[tuple[float, str]]:
    """Return the start, s, and the text of each moment or window of a lane."""
    if lane.track.modality.of_sound:
        return [(s.start, stretch(s.start, s.end, tenths=True)) for s in lane.track.spans]
    return [(time, clock(time, tenths=True)) for time in lane.times]


def shaded(chart: CurveChart) -> list[list[tuple[float, float]]]:
    """Return the polygons of a chart's band: each run of its edge, closed along the floor."""
    floor = chart.floor
    return [[*run, (run[-1][0], floor), (run[0][0], floor)] for run in runs(chart.band)]


def length(analysis: Analysis) -> float:
    """Return the end of the time axis, s: the clip's length, else the last moment."""
    last = analysis.timestamps[-1] if analysis.timestamps else 0.0
    return max(analysis.media.duration or 0.0, last, 0.1)


def lane(analysis: Analysis, track: Subject, *, until: float | None = None) -> Lane:
    """Return one subject over the sampled moments; moments after `until` are "not scored yet"."""
    if track.modality.of_sound:
        return _heard(analysis, track)
    faces = {face.index: face for face in track.frames}
    ids = dict.fromkeys(id for face in track.frames for id in face.scores)
    later = [until is not None and time > until for time in analysis.timestamps]
    seen = [None if late else faces.get(index) for index, late in enumerate(later)]
    score = tuple(face.score if face else None for face in seen)
    missing = [
        None if value is not None else Missing.NOT_YET if late else reason(face)
        for value, late, face in zip(score, later, seen, strict=True)
    ]
    return Lane(
        track=track,
        times=tuple(analysis.timestamps),
        score=score,
        models={id: tuple(f.scores.get(id) if f else None for f in seen) for id in ids},
        gaps=gaps(analysis.timestamps, missing, length(analysis)),
    )


def _heard(analysis: Analysis, track: Subject) -> Lane:
    """Return a voice over the centers of its windows."""
    ids = dict.fromkeys(id for span in track.spans for id in span.scores)
    end, last, silent = length(analysis), 0.0, []
    for span in [*track.spans, SpanSegment(start=end, end=end)]:
        if span.start - last > SILENT:
            silent.append(Gap(last, span.start, Missing.NOT_HEARD))
        last = max(last, span.end)
    return Lane(
        track=track,
        times=tuple(span.center for span in track.spans),
        score=tuple(span.score for span in track.spans),
        models={id: tuple(span.scores.get(id) for span in track.spans) for id in ids},
        gaps=tuple(silent),
    )


def gaps_of(analysis: Analysis, track: Subject, model: str) -> tuple[Gap, ...]:
    """Return the gaps of one model's scores of a subject."""
    faces = {face.index: face for face in track.frames}
    seen = map(faces.get, range(len(analysis.timestamps)))
    missing = [None if face and model in face.scores else reason(face) for face in seen]
    return gaps(analysis.timestamps, missing, length(analysis))


def reason(face: FrameSegment | None) -> Why:
    """Return the reason for a missing score of a face."""
    if face is None:
        return Missing.NOT_IN_FRAME
    return face.quality.problem or Missing.NO_SCORE


def why(face: FrameSegment | None) -> str:
    """Return the same in a few words."""
    return words(reason(face))


def words(why: Why) -> str:
    """Return a reason in a few words."""
    if isinstance(why, Missing):
        return say(MISSING[why])
    return lead.why_not(why) or words(Missing.NO_SCORE)


def gaps(times: Sequence[float], missing: Sequence[Why | None], end: float) -> tuple[Gap, ...]:
    """Return runs of one reason, from midpoint to midpoint of the moments. If any moment was
    scored, moments that no model sampled are no gaps."""
    if None in missing:
        missing = [None if why is Missing.NO_SCORE else why for why in missing]
    cuts = _cuts(times, end)
    out, first = [], 0
    for why, run in itertools.groupby(missing):
        stop = first + len(list(run))
        if why is not None:
            out.append(Gap(cuts[first], cuts[stop], why))
        first = stop
    return tuple(out)


def _cuts(times: Sequence[float], end: float) -> list[float]:
    """Return the midpoints between moments, from 0 to the end."""
    return [0.0, *((a + b) / 2 for a, b in itertools.pairwise(times)), end]


def runs(
    points: Iterable[tuple[float, float | None]], most: float = math.inf
) -> list[list[tuple[float, float]]]:
    """Return a line as lists of (time, value), split at holes and at gaps of more than `most` s."""
    out: list[list[tuple[float, float]]] = [[]]
    for time, value in points:
        if out[-1] and (value is None or time - out[-1][-1][0] > most):
            out.append([])
        if value is not None:
            out[-1].append((time, value))
    return [run for run in out if run]


def above(run: Sequence[tuple[float, float]], level: float) -> list[list[tuple[float, float]]]:
    """Return the parts of a run over a level, with the exact crossings at their ends."""
    parts: list[list[tuple[float, float]]] = []
    current: list[tuple[float, float]] = []
    for (t0, v0), (t1, v1) in itertools.pairwise(run):
        if v0 > level and not current:
            current = [(t0, v0)]
        if (v0 > level) != (v1 > level):
            crossing = (t0 + (t1 - t0) * (level - v0) / (v1 - v0), level)
            current.append(crossing)
            if v1 <= level:
                parts.append(current)
                current = []
                continue
        if v1 > level:
            current.append((t1, v1))
    if len(current) > 1:
        parts.append(current)
    return parts


def chart(
    lines: Sequence[Curve], end: float, thresholds: Thresholds, said: str = ""
) -> CurveChart:  # fmt: skip
    """Return scores over time up to `end`, s, over the inconclusive band."""
    limits, above = tuple(thresholds.edges), thresholds.suspect
    ticks = (*((value, limit(value)) for value in limits), (0.0, "0"), (1.0, "100"))
    band, floor = [(0.0, above), (end, above)], thresholds.unsuspicious
    shown = tuple(lines), end, 0.0, 1.0, ticks, band, floor
    return CurveChart(*shown, said=said, limits=limits)


def ticks(chart: CurveChart, room: float) -> list[tuple[float, str]]:
    """Return the ticks whose texts, each `room` of the axis high, do not overlap. Thresholds that
    are too close share one text, "45–50". A text moves by half its height at most to leave room for
    an end of the axis; of two other ticks the first is left."""
    apart = room * (chart.high - chart.low)
    groups: list[list[float]] = []
    for edge in chart.limits:
        if groups and edge - groups[-1][-1] < apart:
            groups[-1].append(edge)
        else:
            groups.append([edge])
    texts = dict(chart.ticks)
    clear = []
    for group in groups:
        ends = dict.fromkeys(texts[edge] for edge in (group[0], group[-1]))
        middle = (group[0] + group[-1]) / 2
        inside = min(max(middle, chart.low + apart), chart.high - apart)
        clear.append((inside if abs(inside - middle) <= apart / 2 else middle, "–".join(ends)))
    for value, text in chart.ticks:
        if value not in chart.limits and all(
            abs(value - other) > 0.999 * apart for other, _ in clear
        ):
            clear.append((value, text))
    return clear


def peaks(lane: Lane) -> list[float]:
    """Return local maxima, s: scores higher than the two scored moments on either side."""
    values = [value for _time, value in lane.scored]
    return [
        time
        for i, (time, value) in enumerate(lane.scored)
        if all(value > v for v in values[max(0, i - 2) : i])
        and all(value >= v for v in values[i + 1 : i + 3])
    ]


def nearest_face(track: Subject, moments: Sequence[float], time: float) -> FrameSegment | None:
    """Return the face of a person at the sampled moment nearest to a time, if visible."""
    index = min(range(len(moments)), key=lambda i: abs(moments[i] - time), default=None)
    return next((face for face in track.frames if face.index == index), None)


def boxes_at(analysis: Analysis, time: float, *, named: bool = False) -> dict[str, FaceBox]:
    """Return each person's box at the sampled moment nearest to a time, by id; `named` with their
    names."""
    boxes = {}
    for track in analysis.people:
        face = nearest_face(track, analysis.timestamps, time)
        if face is not None:
            label = track.label if face.score is not None else Label.NOT_APPLICABLE
            boxes[track.id] = FaceBox(face.box, label, lead.placed(track) if named else "")
    return boxes


@dataclass(frozen=True)
class Tile:
    """One tile of a strip: the moment it shows, and its stretch of time."""

    index: int
    start: float
    stop: float


def tiles(lane: Lane, count: int, end: float) -> list[Tile]:
    """Return the moments shown by a strip of `count` tiles.

    The clip is cut into stretches of equal length; each is stood for by its highest score, so that
    a short event is never lost, or by its middle moment where it has no score. With no more
    moments than tiles, each moment has its own.
    """
    times = lane.times
    if len(times) <= count:
        cuts = _cuts(times, end)
        return [Tile(i, cuts[i], cuts[i + 1]) for i in range(len(times))]
    out = []
    for place in range(count):
        start, stop = end * place / count, end * (place + 1) / count
        last = place == count - 1
        members = [i for i, t in enumerate(times) if start <= t and (t < stop or last)]
        scored = [i for i in members if lane.score[i] is not None]
        if scored:
            out.append(Tile(max(scored, key=lambda i: lane.score[i] or 0.0), start, stop))
        elif members:
            out.append(Tile(members[len(members) // 2], start, stop))
    return out


def finding(lane: Lane, thresholds: Thresholds) -> str:
    """Return the text alternative of a lane."""
    unscored = _without_score(lane)
    return f"{_course(lane, thresholds)} {unscored}".rstrip() if lane.scored else unscored


def _course(lane: Lane, thresholds: Thresholds) -> str:
    who, highest = lead.name(lane.track), max(value for _time, value in lane.scored)
    low, high = (limit(edge) for edge in (thresholds.unsuspicious, thresholds.suspect))
    over = [part for run in lane.runs for part in above(run, thresholds.suspect)]
    if over:
        stretches = listed([stretch(part[0][0], part[-1][0], tenths=True) for part in over[:4]])
        text = (
            _("{who} is above {high} from {stretches} and later.")
            if len(over) > 4
            else _("{who} is above {high} from {stretches}.")
        )
        return text.format(who=who, high=high, stretches=stretches)
    if highest > thresholds.suspect:
        return _("{who} is above {high} for single moments.").format(who=who, high=high)
    if highest < thresholds.unsuspicious:
        return _("{who} stays below {low}.").format(who=who, low=low)
    return _("{who} does not go above {high}.").format(who=who, high=high)


def _without_score(lane: Lane) -> str:
    gaps = listed([gap_words(gap) for gap in lane.gaps[:4]])
    if (more := len(lane.gaps) - 4) > 0:
        gaps = _("{gaps} and {number} more").format(gaps=gaps, number=more)
    if not lane.scored:
        text = _("{who} has no score: {gaps}.")
        return text.format(who=lead.name(lane.track), gaps=gaps or words(Missing.NO_SCORE))
    return _("No score: {gaps}.").format(gaps=gaps) if gaps else ""


def gap_words(gap: Gap) -> str:
    """Return "turned away 00:03.3 to 00:04.7"."""
    return f"{gap.word} {stretch(gap.start, gap.end, tenths=True)}"


def scored(value: float, limits: Thresholds | None = None) -> str:
    """Return "score 88", on its side of the limits."""
    return _("score {score}").format(score=score(value, limits.edges if limits else ()))


def together(value: float, limits: Thresholds) -> str:
    """Return the score of all counted models at a moment: "score 88, all models"."""
    return _("{score}, all models").format(score=scored(value, limits))


def label_at(score: float | None, thresholds: Thresholds) -> Label:
    """Return the label of a score under the thresholds."""
    if score is None:
        return Label.NOT_APPLICABLE
    return label_of(score, thresholds)


def place(track: Subject, end: float) -> str:
    """Return the position and, if shorter than the clip, the time of a subject: "right, 00:01 to
    00:14", "left"."""
    whole = track.start <= 0.05 * end and track.end >= 0.95 * end
    when = "" if whole else stretch(track.start, track.end)
    return ", ".join(part for part in (lead.side(track.side), when) if part)
