"""From an `Analysis` to lines over time: what charts, strips and the inspector draw.

No Streamlit and no plotly, so that it is tested without a page.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from dashboard import labels
from dashboard.i18n import LazyDict, _
from detector.schema.analysis import Analysis, FrameSegment, Label, ReasonCode, Subject, Thresholds


class Missing(Enum):
    """Why there is no score at a moment, where no `ReasonCode` says it."""

    NOT_IN_FRAME = auto()
    NO_SCORE = auto()
    NOT_YET = auto()


Why = Missing | ReasonCode

MISSING: LazyDict[Missing, str] = LazyDict(
    lambda: {
        Missing.NOT_IN_FRAME: _("not in frame"),
        Missing.NO_SCORE: _("no score"),
        Missing.NOT_YET: _("not scored yet"),
    }
)


@dataclass(frozen=True)
class Gap:
    """A stretch of time without a score, and why."""

    start: float
    end: float
    why: Why

    @property
    def word(self) -> str:
        """Why, in a word or three."""
        return said(self.why)


@dataclass(frozen=True)
class Lane:
    """One person over the looked-at moments.

    Attributes
    ----------
    times : tuple of float
        Every looked-at moment, s.
    score : tuple of float or None
        All counted models together at each of `times`; None is a gap, never 0.5.
    models : dict of str to tuple
        The same for each model that scored this person.
    gaps : tuple of Gap
        Ascending, touching their neighbors at the middle between two moments.
    """

    track: Subject
    times: tuple[float, ...]
    score: tuple[float | None, ...]
    models: dict[str, tuple[float | None, ...]]
    gaps: tuple[Gap, ...]

    @property
    def scored(self) -> list[tuple[float, float]]:
        """(time, score) of the moments that have one."""
        return [(t, s) for t, s in zip(self.times, self.score, strict=True) if s is not None]

    def at(self, time: float) -> float | None:
        """The score at the nearest looked-at moment."""
        if not self.times:
            return None
        return self.score[min(range(len(self.times)), key=lambda i: abs(self.times[i] - time))]


def length(analysis: Analysis) -> float:
    """End of the time axis, s: the clip's length, or the last moment where it isn't known."""
    last = analysis.moments[-1] if analysis.moments else 0.0
    return max(analysis.media.duration or 0.0, last, 0.1)


def lane(analysis: Analysis, track: Subject, *, until: float | None = None) -> Lane:
    """Lay one person out over the looked-at moments.

    Parameters
    ----------
    until : float, optional
        While a run is going on: moments after this time are "not scored yet".
    """
    faces = {face.index: face for face in track.frames}
    ids = list(dict.fromkeys(id for face in track.frames for id in face.scores))
    score: list[float | None] = []
    models: dict[str, list[float | None]] = {id: [] for id in ids}
    missing: list[Why | None] = []
    for index, time in enumerate(analysis.moments):
        face = faces.get(index)
        later = until is not None and time > until
        value = None if later or face is None else face.score
        score.append(value)
        for id in ids:
            models[id].append(None if later or face is None else face.scores.get(id))
        missing.append(None if value is not None else Missing.NOT_YET if later else reason(face))
    return Lane(
        track=track,
        times=tuple(analysis.moments),
        score=tuple(score),
        models={id: tuple(line) for id, line in models.items()},
        gaps=gaps(analysis.moments, missing, length(analysis)),
    )


def reason(face: FrameSegment | None) -> Why:
    """Why a person has no score at a moment."""
    if face is None:
        return Missing.NOT_IN_FRAME
    problem = face.quality.problem
    return Missing.NO_SCORE if problem is None else problem


def why(face: FrameSegment | None) -> str:
    """The same in a word or three."""
    return said(reason(face))


def said(why: Why) -> str:
    """A reason in a word or three."""
    if isinstance(why, Missing):
        return MISSING[why]
    return labels.WHY_NOT.get(why, MISSING[Missing.NO_SCORE])


def gaps(times: Sequence[float], missing: Sequence[Why | None], end: float) -> tuple[Gap, ...]:
    """Runs of the same reason, from middle to middle between the moments around them."""
    found: list[Gap] = []
    for i, why in enumerate(missing):
        if why is None:
            continue
        start = 0.0 if i == 0 else (times[i - 1] + times[i]) / 2
        stop = end if i == len(times) - 1 else (times[i] + times[i + 1]) / 2
        if found and found[-1].why is why and found[-1].end == start:
            found[-1] = Gap(found[-1].start, stop, why)
        else:
            found.append(Gap(start, stop, why))
    return tuple(found)


def runs(lane: Lane, values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """A line cut at its gaps: lists of (time, value) without a hole."""
    out: list[list[tuple[float, float]]] = [[]]
    for time, value in zip(lane.times, values, strict=True):
        if value is None:
            out.append([])
        else:
            out[-1].append((time, value))
    return [run for run in out if run]


def above(run: Sequence[tuple[float, float]], level: float) -> list[list[tuple[float, float]]]:
    """The parts of a run over a level, with the exact crossings at their ends."""
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


def peaks(lane: Lane) -> list[float]:
    """Moments whose score is higher than at the two scored moments on either side, s."""
    scored = lane.scored
    found = []
    for i, (time, value) in enumerate(scored):
        around = scored[max(0, i - 2) : i] + scored[i + 1 : i + 3]
        before = [v for t, v in around if t < time]
        after = [v for t, v in around if t > time]
        if all(value > v for v in before) and all(value >= v for v in after):
            found.append(time)
    return found


def nearest_face(track: Subject, moments: Sequence[float], time: float) -> FrameSegment | None:
    """The face of a person at the looked-at moment nearest to a time, if they are in it."""
    if not moments:
        return None
    index = min(range(len(moments)), key=lambda i: abs(moments[i] - time))
    return next((face for face in track.frames if face.index == index), None)


@dataclass(frozen=True)
class Tile:
    """One tile of a strip: the moment it shows, and the stretch of time it stands for."""

    index: int
    start: float
    stop: float


def tiles(lane: Lane, count: int, end: float) -> list[Tile]:
    """Which moments stand for a clip in a strip of so many tiles.

    The clip is cut into stretches of equal length; each is stood for by its highest score, so that
    a short event is never lost, or by its middle moment where it has no score. With no more
    moments than tiles, each moment has its own.
    """
    times = lane.times
    if len(times) <= count:
        cuts = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(times)), end]
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
    """What a lane shows, in a sentence or two: the text alternative of its chart."""
    said = _without_score(lane)
    return said if not lane.scored else f"{_course(lane, thresholds)} {said}".rstrip()


def _course(lane: Lane, thresholds: Thresholds) -> str:
    who, highest = labels.who(lane.track), max(score for time, score in lane.scored)
    low, high = (labels.whole_percent(t) for t in (thresholds.low, thresholds.high))
    over = [part for run in runs(lane, lane.score) for part in above(run, thresholds.high)]
    if over:
        stretches = labels.listed([labels.stretch(part[0][0], part[-1][0]) for part in over[:4]])
        text = (
            _("{who} is above {high} from {stretches} and later.")
            if len(over) > 4
            else _("{who} is above {high} from {stretches}.")
        )
        return text.format(who=who, high=high, stretches=stretches)
    if highest > thresholds.high:
        return _("{who} is above {high} for single moments.").format(who=who, high=high)
    if highest < thresholds.low:
        return _("{who} stays below {low}.").format(who=who, low=low)
    return _("{who} does not go above {high}.").format(who=who, high=high)


def _without_score(lane: Lane) -> str:
    """Where there is no score, as a sentence; empty where there is one everywhere."""
    gaps = listed_gaps(lane)
    if not lane.scored:
        text = _("{who} has no score: {gaps}.")
        return text.format(who=labels.who(lane.track), gaps=gaps or MISSING[Missing.NO_SCORE])
    return _("No score: {gaps}.").format(gaps=gaps) if gaps else ""


def listed_gaps(lane: Lane, most: int = 4) -> str:
    """The gaps in words: "turned away 00:03.3 to 00:04.7"."""
    gaps = labels.listed([gap_words(gap) for gap in lane.gaps[:most]])
    more = len(lane.gaps) - most
    return _("{gaps} and {number} more").format(gaps=gaps, number=more) if more > 0 else gaps


def gap_words(gap: Gap) -> str:
    """ "turned away 00:03.3 to 00:04.7" """
    return f"{gap.word} {labels.stretch(gap.start, gap.end)}"


def label_at(score: float | None, thresholds: Thresholds) -> Label:
    """The state of one score under the thresholds."""
    if score is None:
        return Label.NOT_APPLICABLE
    if score > thresholds.high:
        return Label.FAKE
    return Label.REAL if score < thresholds.low else Label.INCONCLUSIVE


def place(track: Subject, end: float) -> str:
    """Where and when a person is: "right, 00:01 to 00:14", "left, whole clip"."""
    whole = track.start <= 0.05 * end and track.end >= 0.95 * end
    when = _("whole clip") if whole else labels.stretch(track.start, track.end, tenths=False)
    side = labels.SIDES[track.side]
    return f"{side}, {when}" if side else when
