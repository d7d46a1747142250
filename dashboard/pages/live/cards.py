"""The reading, the alarms, the picture's quality as they are shown. Pure functions."""

from collections.abc import Callable, Sequence
from typing import Literal

from markupsafe import Markup

from dashboard import labels
from dashboard.components import camera, tables, typography, verdict
from dashboard.components.chips import chip
from dashboard.components.markup import Text, rich
from dashboard.components.tables import with_note
from dashboard.labels import NBSP
from dashboard.pages.live.link import NAMES, Finding, Grade
from detector.live import Alarm, LiveState
from detector.live.state import LiveReading
from detector.messages import states
from detector.models.registry import list_models
from detector.presentation import lead
from detector.schema.analysis import Label, ReasonCode, Thresholds
from detector.sentences import _, say
from service.records.model import FoundFootage

SHOWN_ALARMS = 4
"""Listed in the card; all are in the log."""
GRADES: dict[Grade, tuple[labels.Slug | Literal["plain"], str]] = {
    "good": ("plain", "check"),
    "fair": ("plain", "help"),
    "bad": ("na", "close"),
    "none": ("plain", "remove"),
}
"""Tone and icon. A broken link is no evidence, so it has no color of one."""

Clock = Callable[[float], str]
"""Seconds of the session -> "10:41:20" in the person's time zone."""


def foot(state: LiveState | None, seconds: float, *, lost: bool = False) -> Markup:
    """Return the line under the picture: how long, how fast, how late."""
    if state is None:
        return camera.foot(_("Off"))
    parts = state.rates.words
    names = labels.plain_names(list_models())
    for every in sorted({model.every for model in state.models} - {1}):
        titles = ", ".join(
            names.get(model.id, model.title) for model in state.models if model.every == every
        )
        parts.append(_("{models}: 1 of {number} scored frames").format(models=titles, number=every))
    word = _("Lost") if lost else _("Live")
    return camera.foot(f"{word} · {labels.clock(seconds, tenths=False)}", parts, on=True, lost=lost)


def now(state: LiveState | None, thresholds: Thresholds, *, running: bool) -> Markup:
    """Return the reading: word, sentence, number, scale."""
    if state is None or not state.ready:
        head = _("No reading yet")
        text = (
            _("The models are being loaded, about 10 s.")
            if running
            else _("It comes about 3 s after the first face.")
        )
        return verdict.head(_("Now"), "na", "hourglass_empty", head, text)
    reading = state.reading
    known = labels.state(reading.label, reading.question)
    held = max(0.0, state.time - reading.since)
    kicker = _("Now · last 8\u00a0s")
    if held >= 1:
        kicker += " · " + _("for {time}").format(time=labels.clock(held, tenths=False))
    word = _("No reading") if reading.label is Label.NOT_APPLICABLE else known.words
    if reading.too_slow is not None:
        word = states.too_slow()
    head = verdict.head(kicker, known.slug, known.icon, word, say(reading.text))
    if reading.probability is None:
        return head
    return head + _number(reading, reading.probability)


def ended(state: LiveState, seconds: float) -> Markup:
    """Return what a session was, in place of the reading: how long, and its alarms."""
    raised = [alarm for alarm in state.alarms if alarm.kind == "manipulated"]
    said = _("No alarm.")
    if raised:
        total = sum((state.time if a.end is None else a.end) - a.start for a in raised)
        said = _("{alarms}, {time} in all.").format(
            alarms=labels.count(len(raised), "alarm", "alarms"), time=labels.took(total)
        )
    head = _("{time} watched").format(time=labels.clock(seconds, tenths=False))
    if state.mostly_slow:
        head, said = states.too_slow(), f"{head}. {said}"
    return verdict.head(_("This session"), "na", "stop_circle", head, said)


def slug(state: LiveState | None) -> str:
    """Return which color stands on top of the card."""
    if state is None or not state.ready:
        return "na"
    return labels.state(state.reading.label).slug


def _number(reading: LiveReading, probability: float) -> Markup:
    """Return the likelihood with its interval and scale, as on a result's page."""
    beside = []
    if reading.interval is not None:
        beside.append(labels.confidence(reading.interval))
    if reading.alone is not None:
        alone = _("Person\u00a0{person} alone {percent}")
        beside.append(alone.format(person=reading.person, percent=labels.percent(reading.alone)))
    text = rich(_("<b>{percent}</b> combined likelihood"), percent=labels.percent(probability))
    return verdict.number(text, " · ".join(beside)) + verdict.scale(
        probability, reading.thresholds, reading.question
    )


def known(found: FoundFootage, *, running: bool) -> Markup:
    """Return that the camera shows a recording, which a screen reader says when it comes."""
    said = _("The camera showed known footage: {name}.")
    if running:
        said = _("The camera shows known footage: {name}.")
    why = _(
        "It is in your library; {matched} of {of} frames match. A recording that is played into a "
        "camera does not show who is in front of it."
    )
    text = why.format(matched=found.matched, of=found.asked)
    return typography.concern(said.format(name=found.name), text)


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
    name, icon, tone = kind(alarm)
    length = f"{(now if alarm.end is None else alarm.end) - alarm.start:.0f}{NBSP}s"
    if alarm.end is None:
        length = _("{time} so far").format(time=length)
    peak = "–" if alarm.peak is None else labels.percent(alarm.peak)
    who = _("Person {person}").format(person=alarm.person) if alarm.person else ""
    return [
        with_note(chip(name, tone, icon), who),
        clock(alarm.start),
        length,
        typography.strong(peak),
    ]


def kind(alarm: Alarm) -> tuple[str, str, labels.Slug]:
    """Return words, icon and tone of an alarm."""
    state = labels.state(Label.FAKE if alarm.kind == "manipulated" else Label.NOT_APPLICABLE)
    name = state.short if alarm.kind == "manipulated" else _("No face")
    return name, state.icon, state.slug


def spoken(state: LiveState | None, clock: Clock) -> str:
    """Return what a screen reader says of the newest alarm, when it begins and when it ends."""
    if state is not None and state.reading.too_slow is not None:
        return states.too_slow()
    if state is None or not state.alarms:
        return ""
    alarm = state.alarms[0]
    what = states.says(None) if alarm.kind == "manipulated" else lead.why_not(ReasonCode.NO_FACE)
    if alarm.end is None:
        begun = _("Alarm {number}: {what} since {time}.")
        return begun.format(number=alarm.number, what=what, time=clock(alarm.start))
    length = labels.count(round(alarm.end - alarm.start), "second", "seconds")
    over = _("Alarm {number} over: {what} for {time}.")
    return over.format(number=alarm.number, what=what, time=length)


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
    """Return how good the picture is: chips, each with what to do; without a picture, a line."""
    if state is None:
        return [], _("Face size, light and sharpness are checked while it runs.")
    chips = []
    for hint in state.hints:
        text = say(hint.text)
        if hint.person:
            text = _("Person {person}: {hint}").format(person=hint.person, hint=text)
        slug: labels.Slug = "na" if hint.blocking else "inc"
        icon = "do_not_disturb_on" if hint.blocking else "help"
        chips.append((chip(say(hint.title), slug, icon), text))
    size = max((face.box[2] - face.box[0] for face in state.faces), default=0.0)
    codes = {hint.code.value for hint in state.hints}
    if size:
        for code, name, more in (
            ("too_small", _("Face size good"), f"{size:.0f}{NBSP}px"),
            ("too_dark", _("Light good"), ""),
            ("too_blurred", _("Sharpness good"), ""),
        ):
            if not codes & {code, "starting", *(("too_bright",) if code == "too_dark" else ())}:
                chips.append((chip(name, "plain", "check"), more))
    return chips, ""


def connection(findings: Sequence[Finding], sentence: str) -> Markup:
    """Return the connection test's outcome and lines."""
    rows = [(chip(say(NAMES[one.way]), *GRADES[one.grade]), one.text) for one in findings]
    outcome = typography.conclusion(sentence)
    return outcome + tables.plain(rows, "um-connection", heads=True)
