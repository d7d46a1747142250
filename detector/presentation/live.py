"""A live session in words: its reading, what it came to, its alarms, and its lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detector.messages import states
from detector.messages.format import clock, confidence, percent, took
from detector.presentation.lead import why_not
from detector.schema.analysis import Label, ReasonCode, Thresholds
from detector.sentences import NBSP, _, count, join, say

if TYPE_CHECKING:
    from detector.live import Alarm, Dot, LiveState
    from detector.live.state import LiveReading


@dataclass(frozen=True)
class LiveHeadline:
    """What stands in a session's card."""

    kicker: str
    head: str
    text: str
    label: Label = Label.NOT_APPLICABLE


def now(state: LiveState | None, *, running: bool) -> LiveHeadline:
    """Return the reading, with how long it has held; or that there is none yet."""
    if state is None or not state.ready:
        text = _("It comes about 3 s after the first face.")
        if running:
            text = _("The models are being loaded, about 10 s.")
        return LiveHeadline(_("Now"), _("No reading yet"), text)
    reading, held = state.reading, max(0.0, state.time - state.reading.since)
    kicker = _("Now · last 8\u00a0s")
    if held >= 1:
        kicker = join(kicker, _("for {time}").format(time=clock(held)), by=" · ")
    head = states.state(reading.label, reading.question)
    if reading.label is Label.NOT_APPLICABLE:
        head = _("No reading")
    if reading.too_slow is not None:
        head = states.too_slow()
    return LiveHeadline(kicker, head, say(reading.text), reading.label)


def beside(reading: LiveReading) -> str:
    """Return what stands beside a reading's number: its interval, and the person's own."""
    parts = [confidence(reading.interval)] if reading.interval is not None else []
    if reading.alone is not None:
        alone = _("Person\u00a0{person} alone {percent}")
        parts.append(alone.format(person=reading.person, percent=percent(reading.alone)))
    return " · ".join(parts)


def ended(state: LiveState, seconds: float) -> LiveHeadline:
    """Return what a session was, in place of the reading: how long, and its alarms."""
    lasting: dict[bool, list[float]] = {True: [], False: []}  # of alarms, and without a face, s
    for one in state.alarms:
        length = (state.time if one.end is None else one.end) - one.start
        lasting[one.kind == "manipulated"].append(length)
    said = _("No alarm.")
    if raised := lasting[True]:
        alarms = count(len(raised), "alarm", "alarms")
        said = _("{alarms}, {time} in all.").format(alarms=alarms, time=took(sum(raised)))
    if unseen := sum(lasting[False]):
        said = f"{said} {_('No face was in view for {time}.').format(time=took(unseen))}"
    head = _("{time} watched").format(time=clock(seconds))
    if state.mostly_slow:
        head, said = states.too_slow(), f"{head}. {said}"
    return LiveHeadline(_("This session"), head, said)


def known(name: str, matched: int, of: int, *, running: bool) -> tuple[str, str]:
    """Return that the camera shows a recording, and what that means."""
    said = _("The camera showed known footage: {name}.")
    if running:
        said = _("The camera shows known footage: {name}.")
    why = _(
        "It is in your library; {matched} of {of} frames match. A recording that is played into a "
        "camera does not show who is in front of it."
    )
    return said.format(name=name), why.format(matched=matched, of=of)


# --- alarms ---------------------------------------------------------------------------------------


def alarm(raised: Alarm) -> tuple[str, Label]:
    """Return what an alarm is of, in a word or two, and how that is shown."""
    if raised.kind == "manipulated":
        return states.state(Label.FAKE, short=True), Label.FAKE
    return _("No face"), Label.NOT_APPLICABLE


def lasted(raised: Alarm, now: float) -> str:
    """Return how long an alarm was, or has been so far."""
    length = f"{(now if raised.end is None else raised.end) - raised.start:.0f}{NBSP}s"
    return length if raised.end is not None else _("{time} so far").format(time=length)


def spoken(state: LiveState | None, at: Callable[[float], str]) -> str:
    """Return what a screen reader says of the newest alarm, when it begins and when it ends; `at`
    is the time of day of a second of the session."""
    if state is not None and state.reading.too_slow is not None:
        return states.too_slow()
    if state is None or not state.alarms:
        return ""
    newest = state.alarms[0]
    what = states.says(None) if newest.kind == "manipulated" else why_not(ReasonCode.NO_FACE)
    if newest.end is None:
        begun = _("Alarm {number}: {what} since {time}.")
        return begun.format(number=newest.number, what=what, time=at(newest.start))
    length = count(round(newest.end - newest.start), "second", "seconds")
    over = _("Alarm {number} over: {what} for {time}.")
    return over.format(number=newest.number, what=what, time=length)


# --- its lines ------------------------------------------------------------------------------------


def likelihoods(state: LiveState | None, thresholds: Thresholds) -> str:
    """Return the last minute of a session in a sentence."""
    means = [dot.mean for dot in state.series if dot.mean is not None] if state else []
    if not means:
        return _("Nothing was scored in the last 60 seconds.")
    over = sum(mean > thresholds.suspect for mean in means) / len(means)
    text = _(
        "The likelihood over 8 s lay between {low} and {high} in the last 60 seconds, {share} of "
        "the time above {threshold}."
    )
    shares = {"low": min(means), "high": max(means), "share": over}
    values = {name: percent(share) for name, share in shares.items()}
    return text.format(threshold=percent(thresholds.suspect), **values)


def of_voice(series: Sequence[Dot]) -> str:
    """Return the same of a voice."""
    means = [dot.mean for dot in series if dot.mean is not None]
    if not means:
        return _("No voice was judged in the last 60 seconds.")
    text = _(
        "The likelihood of a cloned voice lay between {low} and {high} in the last 60 seconds."
    )
    return text.format(low=percent(min(means)), high=percent(max(means)))
