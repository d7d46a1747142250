"""Reading, alarms and picture quality of the Live page as HTML. Pure functions."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from dashboard import labels
from dashboard.components import camera, chips, tables, typography, verdict
from dashboard.components.chips import chip
from dashboard.components.markup import Text
from dashboard.components.tables import with_note
from dashboard.labels import Slug
from dashboard.pages.live.link import NAMES, Finding, Grade
from detector.live import Alarm, LiveState
from detector.models.registry import list_models
from detector.presentation import Cell
from detector.presentation import live as presented
from detector.presentation.live import LiveHeadline
from detector.schema.live import LiveReading
from detector.schema.summary import FoundFootage
from detector.sentences import _, say

SHOWN_ALARMS = 4
"""Listed in the card; all are in the log."""
GRADES: dict[Grade, tuple[Slug, str]] = {
    "good": ("plain", "check"),
    "fair": ("plain", "help"),
    "bad": ("na", "close"),
    "none": ("plain", "remove"),
}
"""Tone and icon. A broken link is no evidence, so it has no color of one."""

Clock = Callable[[float], str]
"""Seconds of the session -> "10:41:20" in the person's time zone."""


def foot(state: LiveState | None, seconds: float, *, lost: bool = False) -> Markup:
    """Return the line under the picture: duration, rate, delay."""
    if state is None:
        return camera.foot(_("Off"))
    parts = presented.speed(state.rates)
    names = labels.plain_names(list_models())
    for every in sorted({round(seconds, 1) for seconds in state.every.values()} - {0.0}):
        titles = [names.get(id, id) for id, s in state.every.items() if round(s, 1) == every]
        parts.append(presented.seldom(titles, every))
    word = _("Lost") if lost else _("Live")
    return camera.foot(f"{word} · {labels.clock(seconds, tenths=False)}", parts, on=True, lost=lost)


def now(state: LiveState | None, *, running: bool) -> Markup:
    """Return the reading: word, sentence, number, scale."""
    ready = state is not None and state.ready
    said = presented.now(state, running=running)
    head = _headline(said, "" if ready else "hourglass_empty")
    if state is None or not ready or state.reading.probability is None:
        return head
    return head + _number(state.reading, state.reading.probability)


def ended(state: LiveState, seconds: float) -> Markup:
    """Return the summary of an ended session: duration and alarms."""
    return _headline(presented.ended(state, seconds), "stop_circle")


def _headline(said: LiveHeadline, icon: str) -> Markup:
    return verdict.head(said.kicker, said.state, said.head, said.text, symbol=icon)


def slug(state: LiveState | None) -> str:
    """Return the color of the card's top edge."""
    if state is None or not state.ready:
        return "na"
    return labels.look(state.reading.label).slug


def _number(reading: LiveReading, probability: float) -> Markup:
    """Return the likelihood with its interval and scale, as on a result's page."""
    scale = verdict.scale(probability, reading.thresholds, reading.question)
    return verdict.number(*presented.number(reading)) + scale


def known(found: FoundFootage, *, running: bool) -> Markup:
    """Return the note that the camera shows a recording, announced by screen readers."""
    return typography.concern(
        *presented.known(found.name, found.matched, found.asked, running=running)
    )


def alarms(raised: Sequence[Alarm], now: float, clock: Clock) -> Markup:
    """Return the newest alarms as rows."""
    if not raised:
        return typography.small_print(_("None in this session."))
    drawn = tables.plain(
        [_alarm(alarm, now, clock) for alarm in raised[:SHOWN_ALARMS]], "um-alarms"
    )
    if (more := len(raised) - SHOWN_ALARMS) > 0:
        earlier = _("{number} earlier in the log.").format(number=more)
        drawn += typography.small_print(earlier)
    return drawn


def _alarm(alarm: Alarm, now: float, clock: Clock) -> list[Text]:
    kind = presented.alarm(alarm)
    return [
        with_note(chips.reading(kind), kind.note),
        clock(alarm.start),
        presented.lasted(alarm, now),
        typography.strong("–" if alarm.peak is None else labels.percent(alarm.peak)),
    ]


LOG = ("number", "kind", "person", "start", "seconds", "highest_percent")
"""Columns of the file; like those of every export, they are keys and in no language."""


def log(raised: Sequence[Alarm], now: float, clock: Clock) -> list[tuple[str, ...]]:
    """Return all alarms as rows under `LOG`, oldest first."""
    return [
        (
            str(alarm.number),
            alarm.kind,
            alarm.person or "",
            clock(alarm.start),
            f"{(now if alarm.end is None else alarm.end) - alarm.start:.1f}",
            "" if alarm.peak is None else str(labels.whole_percent(alarm.peak)),
        )
        for alarm in reversed(raised)
    ]


def quality(state: LiveState | None) -> tuple[list[tuple[Markup, str]], str]:
    """Return the picture's quality as chips, each with advice; without a picture, a line."""
    if state is None:
        return [], _("Face size, light and sharpness are checked while it runs.")
    rows = presented.quality(state)
    return [(chips.reading(Cell(row.label, state=row.state)), row.value) for row in rows], ""


def connection(findings: Sequence[Finding], sentence: str) -> Markup:
    """Return the connection test's outcome and lines."""
    rows = [(chip(say(NAMES[one.way]), *GRADES[one.grade]), one.text) for one in findings]
    outcome = typography.conclusion(sentence)
    return outcome + tables.plain(rows, "um-connection", heads=True)
