"""The HTML of the Live page: the reading, the alarms, the picture's quality. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from dashboard import labels
from dashboard.components import likelihood_scale
from dashboard.i18n import _, ngettext
from dashboard.labels import NBSP
from dashboard.pages.live.link import NAMES, Finding, Grade
from dashboard.pages.live.problems import Problem
from detector.schema.analysis import Label, Question, ReasonCode, Thresholds

if TYPE_CHECKING:
    from detector.live import Alarm, Hint, LiveState

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


def cover(problem: Problem) -> str:
    """What stands in the camera's place; over the last frame where the picture is lost."""
    turning = " turning" if problem.icon == "sync" else ""
    lost = " lost" if problem.over_frame else ""
    return (
        f"<div class='um-cover{lost}' role='status'>"
        f"<span class='um-icon{turning}' aria-hidden='true'>{problem.icon}</span>"
        f"<h2>{labels.escape(problem.head)}</h2><p>{labels.escape(problem.text)}</p></div>"
    )


def foot(state: LiveState | None, seconds: float, *, lost: bool = False) -> str:
    """The line under the picture: how long, how fast, how late."""
    if state is None:
        return f"<div class='um-foot'><span>{_('Off')}</span></div>"
    rates, fps = state.rates, round(state.rates.fps)
    parts = [
        ngettext("{number} frame a second", "{number} frames a second", fps).format(number=fps),
        _("scored {number} a second").format(number=round(rates.scored_fps)),
    ]
    if rates.delay is not None:
        parts.append(_("delay {time}").format(time=f"{rates.delay * 1000:.0f}{NBSP}ms"))
    spans = "".join(f"<span>{part}</span>" for part in parts)
    word = _("Lost") if lost else _("Live")
    return (
        f"<div class='um-foot'><span class='on{' lost' if lost else ''}'>{word} · "
        f"{labels.clock(seconds, tenths=False)}</span><div>{spans}</div></div>"
    )


def now(state: LiveState | None, thresholds: Thresholds, *, running: bool) -> str:
    """The reading: word, sentence, number, scale."""
    if state is None or not state.ready:
        head = _("No reading yet")
        text = (
            _("The models are being loaded, about 10 s.")
            if running
            else _("It comes about 3 s after the first face.")
        )
        return _head("na", "hourglass_empty", head, text, _("Now"))
    reading = state.reading
    known = labels.state(reading.label, reading.question)
    kept = max(0.0, state.time - reading.since)
    kicker = _("Now · last 3\u00a0s")
    if kept >= 1:
        kicker += " · " + _("for {time}").format(time=labels.clock(kept, tenths=False))
    word = _("No reading") if reading.label is Label.NOT_APPLICABLE else known.words
    out = _head(known.slug, known.icon, word, reading.text, kicker)
    if reading.probability is None:
        return out
    span = (
        (reading.low, reading.high)
        if reading.low is not None and reading.high is not None
        else None
    )
    ranged = ""
    if span:
        ranged = _("range in 3\u00a0s: {low} to {high}").format(
            low=labels.whole_percent(span[0]), high=labels.whole_percent(span[1])
        )
    number = (
        _("<b>{percent}</b> likelihood; Person\u00a0{person}")
        if reading.person
        else _("<b>{percent}</b> likelihood")
    ).format(
        percent=labels.percent(reading.probability), person=labels.escape(reading.person or "")
    )
    return (
        f"{out}<div class='um-number'><div>{number}</div>"
        f"<div class='um-caption'>{ranged}</div></div>"
        + likelihood_scale.scale(
            reading.probability,
            reading.thresholds,
            reading.question or Question.MANIPULATION,
            span=span,
            ranges=_("The frames of 3 seconds range from {least} to {most}."),
        )
    )


def slug(state: LiveState | None) -> str:
    """Which color stands on top of the card."""
    if state is None or not state.ready:
        return "na"
    return labels.STATES[state.reading.label].slug


def _head(slug: str, icon: str, word: str, text: str, kicker: str) -> str:
    return (
        f"<div class='um-caption'>{kicker}</div>"
        f"<h2 class='um-verdict {slug}'><span class='um-icon' aria-hidden='true'>{icon}</span>"
        f"<span>{labels.escape(word)}</span></h2><p class='um-say'>{labels.escape(text)}</p>"
    )


def alarms_head(above: float, seconds: float) -> str:
    """Return the head of the alarms' card: when one is raised."""
    after = _("after {seconds}\u00a0s above {percent}").format(
        seconds=f"{seconds:.0f}", percent=labels.whole_percent(above)
    )
    return (
        f"<div class='um-cardhead'><h2 class='um-h2'>{_('Alarms')}</h2>"
        f"<span class='um-caption'>{after}</span></div>"
    )


def alarms(found: Sequence[Alarm], now: float, clock: Clock) -> str:
    """The newest alarms as rows."""
    if not found:
        return f"<p class='um-caption um-none'>{_('None in this session.')}</p>"
    rows = "".join(_alarm(alarm, now, clock) for alarm in found[:SHOWN_ALARMS])
    more = len(found) - SHOWN_ALARMS
    earlier = _("{number} earlier in the log.").format(number=more)
    rest = f"<p class='um-caption'>{earlier}</p>" if more > 0 else ""
    return f"<table><tbody>{rows}</tbody></table>{rest}"


def _alarm(alarm: Alarm, now: float, clock: Clock) -> str:
    name, icon, tone = kind(alarm)
    length = f"{(now if alarm.end is None else alarm.end) - alarm.start:.0f}{NBSP}s"
    if alarm.end is None:
        length = _("{time} so far").format(time=length)
    peak = "–" if alarm.peak is None else labels.percent(alarm.peak)
    who = ""
    if alarm.person:
        who = f"<small>{_('Person {person}').format(person=labels.escape(alarm.person))}</small>"
    return (
        f"<tr><td>{labels.chip(name, tone, icon)}{who}</td><td>{clock(alarm.start)}</td>"
        f"<td>{length}</td><td><b>{peak}</b></td></tr>"
    )


def kind(alarm: Alarm) -> tuple[str, str, labels.Slug]:
    """Words, icon and tone of an alarm."""
    state = labels.STATES[Label.FAKE if alarm.kind == "manipulated" else Label.NOT_APPLICABLE]
    name = state.short if alarm.kind == "manipulated" else _("No face")
    return name, state.icon, state.slug


def spoken(state: LiveState | None, clock: Clock) -> str:
    """What a screen reader says of the newest alarm: once when it begins, once when it ends."""
    if state is None or not state.alarms:
        return ""
    alarm = state.alarms[0]
    what = (
        labels.QUESTIONS[Question.MANIPULATION].fake_short
        if alarm.kind == "manipulated"
        else labels.WHY_NOT[ReasonCode.NO_FACE]
    )
    if alarm.end is None:
        begun = _("Alarm {number}: {what} since {time}.")
        return begun.format(number=alarm.number, what=what, time=clock(alarm.start))
    length = labels.count(round(alarm.end - alarm.start), "second", "seconds")
    over = _("Alarm {number} over: {what} for {time}.")
    return over.format(number=alarm.number, what=what, time=length)


LOG = ("number", "kind", "person", "start", "seconds", "highest_3s_mean_percent")
"""Columns of the file; like those of every export, they are keys and in no language."""


def log(found: Sequence[Alarm], now: float, clock: Clock) -> list[tuple[str, ...]]:
    """All alarms as rows under `LOG`, oldest first."""
    return [
        (
            str(alarm.number),
            alarm.kind,
            alarm.person or "",
            clock(alarm.start),
            f"{(now if alarm.end is None else alarm.end) - alarm.start:.1f}",
            "" if alarm.peak is None else str(labels.whole_percent(alarm.peak)),
        )
        for alarm in reversed(found)
    ]


def quality(state: LiveState | None) -> str:
    """How good the picture is: chips, each with what to do."""
    if state is None:
        text = _("Face size, light and sharpness are checked while it runs.")
        return f"<p class='um-caption'>{text}</p>"
    chips = [_hint(hint) for hint in state.hints]
    size = max((face.box[2] - face.box[0] for face in state.faces), default=0.0)
    codes = {hint.code.value for hint in state.hints}
    if size:
        for code, name, more in (
            ("too_small", _("Face size good"), f"{size:.0f}{NBSP}px"),
            ("too_dark", _("Light good"), ""),
            ("too_blurred", _("Sharpness good"), ""),
        ):
            if not codes & {code, "starting", *(("too_bright",) if code == "too_dark" else ())}:
                chips.append(_noted(labels.chip(name, "plain", "check"), more))
    return f"<div class='um-quality'>{''.join(chips)}</div>"


def _hint(hint: Hint) -> str:
    text = hint.text
    if hint.person:
        text = _("Person {person}: {hint}").format(person=hint.person, hint=text)
    chip = (
        labels.chip(hint.title, "na", "do_not_disturb_on")
        if hint.blocking
        else labels.chip(hint.title, "inc", "help")
    )
    return _noted(chip, text)


def _noted(chip: str, note: str) -> str:
    return f"<div>{chip}<span class='um-caption'>{labels.escape(note)}</span></div>"


def connection(found: Sequence[Finding], sentence: str) -> str:
    """The connection test's lines."""
    rows = "".join(
        f"<tr><th>{labels.chip(NAMES[one.way], *GRADES[one.grade])}</th>"
        f"<td>{labels.escape(one.text)}</td></tr>"
        for one in found
    )
    return (
        f"<p role='status' class='um-concluded'>{labels.escape(sentence)}</p>"
        f"<table class='um-connection'><tbody>{rows}</tbody></table>"
    )
