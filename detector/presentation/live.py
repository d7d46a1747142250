"""Wording of a live session: reading, summary, alarms and lines."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from detector import messages, questions
from detector.decision.session import WINDOW
from detector.messages import states
from detector.messages.format import (
    capital,
    clock,
    confidence,
    limit_percent,
    listed,
    lower_first,
    percent,
    score,
    took,
)  # fmt: skip
from detector.presentation import Cell, Row
from detector.presentation.lead import why_not
from detector.presentation.verdict import LIKELIHOOD
from detector.schema.analysis import (
    Analysis,
    CaveatCode,
    Label,
    ModelResult,
    Question,
    ReasonCode,
    Side,
    Thresholds,
)  # fmt: skip
from detector.schema.ensemble import shown_name
from detector.schema.live import (
    Alarm,
    Dot,
    LiveFace,
    LiveRates,
    LiveReading,
    LiveState,
    Observation,
    TooSlow,
)  # fmt: skip
from detector.sentences import NBSP, _, count, join, ngettext, numeral, say
from detector.sentences import known as told


@dataclass(frozen=True)
class LiveHeadline:
    """The texts of a session's card."""

    kicker: str
    head: str
    text: str
    state: Label = Label.NOT_APPLICABLE


def now(state: LiveState | None, *, running: bool) -> LiveHeadline:
    """Return the current reading with its duration, or that there is none yet."""
    if state is None or not state.ready:
        text = _("It comes about 3 s after the first face.")
        if running:
            text = _("The models are being loaded, about 10 s.")
        return LiveHeadline(_("Now"), _("No reading yet"), text)
    reading, held = state.reading, max(0.0, state.time - state.reading.since)
    kicker = _("Now · last 8\u00a0s")
    if held >= 1:
        kicker = join(kicker, _("for {time}").format(time=clock(held)), by=" · ")
    head = of_reading(reading)
    if reading.label is not Label.NOT_APPLICABLE and reading.too_slow is None:
        head = states.state(reading.label, reading.question)
    return LiveHeadline(kicker, head, say(reading.text), reading.label)


def share(probability: float | None, near: Iterable[float] = ()) -> str:
    """Return "52 %", on its side of the limits `near` it, or "–"."""
    return "–" if probability is None else percent(probability, near)


def number(reading: LiveReading) -> tuple[str, str, str]:
    """Return the likelihood of a reading, its name, and its interval with the person's own
    likelihood."""
    parts = [confidence(reading.interval)] if reading.interval is not None else []
    if reading.alone is not None:
        alone = _("Person\u00a0{person} alone {percent}")
        parts.append(alone.format(person=reading.person, percent=percent(reading.alone)))
    shown = share(reading.probability, reading.thresholds.edges)
    return shown, say(LIKELIHOOD), " · ".join(parts)


def ended(state: LiveState, seconds: float) -> LiveHeadline:
    """Return the summary of an ended session: duration and alarms."""
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


def extent(seconds: float, scored: int, kept: int | None) -> str:
    """Return the length of a session, s, and its number of frames: of those `kept` for its result,
    or without one of all that were scored."""
    frames = count(scored, "scored frame", "scored frames")
    if kept is not None:
        frames = count(kept, "frame", "frames")
    return _("{time} long, {frames}.").format(time=clock(seconds), frames=frames)


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


# --- a reading ------------------------------------------------------------------------------------


def word(label: Label, question: Question | None) -> str:
    """Return a label as one word."""
    return _("No reading") if label is Label.NOT_APPLICABLE else states.state(
        label, question, short=True)  # fmt: skip


def of_face(face: LiveFace) -> str:
    """Return the reading of a face, or the reason for none."""
    return capital(face.problem) if face.problem else word(face.label, face.question)


def of_reading(reading: LiveReading) -> str:
    """Return a reading's label, or that the session is too slow."""
    slow = reading.too_slow is not None
    return states.too_slow() if slow else word(reading.label, reading.question)


def scored(slow: TooSlow) -> str:
    """Return the share of scored frames."""
    text = ngettext(
        "{number} frame in {seconds} s was scored.", "{number} frames in {seconds} s were scored.",
        slow.scored,
    )  # fmt: skip
    if slow.model:
        text = ngettext(
            "{model} scored {number} frame in {seconds} s.",
            "{model} scored {number} frames in {seconds} s.",
            slow.scored,
        )
    seconds = f"{slow.seconds:.0f}"
    return text.format(model=told(slow.model), number=slow.scored, seconds=seconds)


_ABSTAINED = {
    ReasonCode.TOO_FEW_FRAMES: _("Looking. A first reading takes a few seconds of a face."),
    ReasonCode.LOW_QUALITY: _("The face is too small for a verdict. Show it larger."),
    ReasonCode.TOO_FEW_MODELS: _("Too few models gave a score for a verdict."),
}


def why(decided: Analysis, reason: ReasonCode | None) -> str:
    """Return the basis of a reading, or why it is open."""
    verdict, limits = decided.verdict, decided.verdict.thresholds
    if verdict.label.side is Side.FAKE:
        text = _("The score is over the threshold: consistent with {what}.")
        return text.format(what=told(questions.of(verdict.question).consistent_with))
    if verdict.label.side is Side.REAL:
        return _("No sign of manipulation in the last {window} s.").format(window=f"{WINDOW:.0f}")
    if (veto := verdict.vetoed_by or reason) in _ABSTAINED:
        return _ABSTAINED[veto]
    if limits.never_decide:
        return _("No score of these models decides.")
    if verdict.label is Label.INCONCLUSIVE and not limits.can_clear:
        text = _("The score is not over the threshold of {high}.")
        return text.format(high=limit_percent(limits.suspect))
    if verdict.label is Label.INCONCLUSIVE and not verdict.vetoed_by:
        return _("The score is between the thresholds.")
    return messages.text(verdict.reasons[0])


def missing(models: Iterable[ModelResult]) -> str:
    """Return the counted models whose last score is too old for a reading."""
    names = ", ".join(told(shown_name(model)) for model in models)
    text = _("Not in it, for lack of a score in the last {seconds} s: {models}.")
    return names and text.format(seconds=f"{2 * WINDOW:.0f}", models=told(names))


def stopped(model: ModelResult) -> str:
    """Return that a model stopped scoring, and why."""
    text = _("{title} takes no part: {why}.")
    why = told((model.error or "").rstrip("."))
    return text.format(title=told(shown_name(model)), why=why)


# --- the picture ----------------------------------------------------------------------------------


_HINTS = {
    "begun": (_("Starting"), _("Starting.")),
    "starting": (_("Starting"), _("The models are being loaded.")),
    "model_failed": (_("Model stopped"), "{text}"),
    "unscored": (_("No face"), _("No face is being scored.")),
    "no_signal": (
        _("No picture"),
        _("No picture has come for a moment. Check the camera or the connection."),
    ),
    "no_face": (
        _("No face"),
        _("No face in view. See that one is in the picture and nothing covers it."),
    ),
    "recapture": (
        _("Screen filmed"),
        _("Stripes run over the whole picture, as when a camera films a screen. A face on a screen "
          "can't be judged this way: open the video itself."),
    ),
    "too_many": (
        _("{most} faces"),
        _("{most} faces are in view; the {few} largest are judged."),
    ),
    "too_slow": (_("Too slow"), "{text}"),
    "slow": (
        _("Slow"),
        _("This computer scores {rate} frames a second: the reading can lag by {lag} s."),
    ),
    "face_too_small": (
        _("Face too small"), _("The face is {width} px wide, too small to judge. Show it larger."),
    ),
    "too_dark": (_("Too dark"), _("The face is too dark to judge. Ask for more light on it.")),
    "too_bright": (
        _("Too bright"),
        _("The face is overexposed, so it can't be judged. Ask for less light on it."),
    ),
    "too_blurred": (
        _("Too blurred"),
        _("The face is too blurred to judge. Keep the camera still, or wipe its lens."),
    ),
    "turned_away": (
        _("Turned away"), _("The face is turned away. Ask for a look into the camera."),
    ),
    "small": (
        _("Face small"),
        _("The face is {width} px wide, so scores are less sure. Show it larger."),
    ),
    "dim": (
        _("Light low"),
        _("The light on the face is low, so scores are less sure. Ask for more light."),
    ),
    "soft": (
        _("Picture soft"),
        _("The face is soft, so scores are less sure. Keep the camera still, or wipe its lens."),
    ),
}  # fmt: skip


def hint(name: str, **values: object) -> tuple[str, str]:
    """Return the chip and the advice of a hint on picture quality."""
    title, text = (say(part).format(**values) for part in _HINTS[name])
    return title, text


def quality(state: LiveState) -> list[Row]:
    """Return each measured quality with its advice: NOT_APPLICABLE if it prevents judging,
    INCONCLUSIVE if it makes scores less sure."""
    out: list[Row] = []
    for one in state.hints:
        text = say(one.text)
        if one.person:
            text = _("Person {person}: {hint}").format(person=one.person, hint=text)
        label = Label.NOT_APPLICABLE if one.blocking else Label.INCONCLUSIVE
        out.append(Row(say(one.title), text, state=label))
    size = max((face.box[2] - face.box[0] for face in state.faces), default=0.0)
    codes = {one.code.value for one in state.hints}
    if not size or "starting" in codes:
        return out
    good = (
        (_("Face size good"), f"{size:.0f}{NBSP}px", {"too_small"}),
        (_("Light good"), "", {"too_dark", "too_bright"}),
        (_("Sharpness good"), "", {"too_blurred"}),
    )
    return out + [Row(said, more) for said, more, bad in good if not codes & bad]


def speed(rates: LiveRates) -> list[str]:
    """Return the frame rate and latency of a session."""
    fps = round(rates.fps)
    text = ngettext("{number} frame a second", "{number} frames a second", fps)
    often = _("scored {number} a second").format(number=round(rates.scored_fps))
    said = [text.format(number=fps), often]
    if rates.delay is None:
        return said
    return [*said, _("delay {time}").format(time=f"{rates.delay * 1000:.0f}{NBSP}ms")]


def seldom(titles: Iterable[str], every: float) -> str:
    """Return the models that score only a frame each `every` s."""
    text = _("{models}: every {seconds} s")
    return text.format(models=", ".join(titles), seconds=numeral(every, ".1f"))


# --- alarms ---------------------------------------------------------------------------------------


def alarm(raised: Alarm) -> Cell:
    """Return the kind of an alarm in a few words, noted with its person."""
    who = _("Person {person}").format(person=raised.person) if raised.person else ""
    if raised.kind == "manipulated":
        return Cell(states.state(Label.FAKE, short=True), who, Label.FAKE)
    return Cell(_("No face"), who, Label.NOT_APPLICABLE)


def _length(raised: Alarm, now: float) -> str:
    return f"{(now if raised.end is None else raised.end) - raised.start:.0f}{NBSP}s"


def lasted(raised: Alarm, now: float) -> str:
    """Return the duration of an alarm so far."""
    length = _length(raised, now)
    return length if raised.end is not None else _("{time} so far").format(time=length)


def over_lane(raised: Alarm, now: float) -> str:
    """Return the label of an alarm's bar."""
    text = _("alarm, {time}") if raised.kind == "manipulated" else _("no face, {time}")
    return text.format(time=_length(raised, now))


def note(raised: Alarm, began: float, now: float) -> str:
    """Return an alarm as a sentence of the session's Analysis, whose first frame was at `began`,
    s."""
    end = now if raised.end is None else raised.end
    times = {"begin": clock(raised.start - began), "finish": clock(end - began)}
    if raised.kind == "no_face":
        return _("No face from {begin} to {finish}.").format(**times)
    text = _("Alarm from {begin} to {finish}: a likelihood of up to {peak} over {window} s.")
    return text.format(peak=percent(raised.peak or 0.0), window=f"{WINDOW:.0f}", **times)


def known_footage(name: str) -> str:
    """Return as a sentence of the session's Analysis that the camera showed a recording."""
    text = _("The camera showed footage that is in the library of whoever watched it: {name}.")
    return text.format(name=name)


def spoken(state: LiveState | None, at: Callable[[float], str]) -> str:
    """Return the screen reader text of the newest alarm's begin and end; `at` gives the time of day
    of a second of the session."""
    if state is not None and state.reading.too_slow is not None:
        return states.too_slow()
    return told_of(state.alarms[0], at) if state is not None and state.alarms else ""


def told_of(raised: Alarm, at: Callable[[float], str]) -> str:
    """Return that an alarm began or ended; `at` gives the time of a second of the session."""
    what = states.says(None) if raised.kind == "manipulated" else why_not(ReasonCode.NO_FACE)
    if raised.end is None:
        text = _("Alarm {number}: {what} since {time}.")
        return text.format(number=raised.number, what=what, time=at(raised.start))
    length = count(round(raised.end - raised.start), "second", "seconds")
    text = _("Alarm {number} over: {what} for {time}.")
    return text.format(number=raised.number, what=what, time=length)


# --- the challenge --------------------------------------------------------------------------------


_MOVES = {"turn": _("Turn"), "cover": _("Hand"), "lean": _("Lean in")}


def observed(seen: Observation) -> tuple[Cell, Cell, str]:
    """Return the outcome of a challenge move: its frames, what broke, the highest score."""
    broke = [
        (seen.rose, _("the score rose over the limit")),
        (seen.lost and seen.move != "cover", _("no face for {time}").format(time=took(seen.lost))),
        (seen.replaced, _("another face was followed afterwards")),
    ]
    held = _("score and face held") if seen.scored else _("no frame was scored")
    text = "; ".join(said for holds, said in broke if holds) or held
    if seen.made is False:
        text = _("this move was not seen; {what}").format(what=text)
    if seen.made is None:
        text = _("{what}; look for yourself whether it was made").format(what=text)
    outcome = Cell(_("Broke"), text, Label.INCONCLUSIVE)
    if seen.held:
        outcome = Cell(_("Held"), text)
        if not seen.judged:
            outcome = Cell(_("Not seen"), text, Label.NOT_APPLICABLE)
    frames = count(seen.scored, "scored frame", "scored frames")
    highest = "–" if seen.highest is None else score(seen.highest)
    return Cell(say(_MOVES[seen.move]), frames), outcome, highest


def conclusion(seen: Sequence[Observation], *, slow: bool) -> str:
    """Return the outcome of all challenge moves."""
    broke = [lower_first(say(_MOVES[one.move])) for one in seen if not one.held]
    unseen = [lower_first(say(_MOVES[one.move])) for one in seen if not one.judged]
    if slow:
        return _("Too few frames were scored here to say anything.")
    text = _("Nothing broke.")
    if broke:
        text = _("Something broke at: {moves}. Ask for the same move again, more slowly.")
    elif unseen:
        text = _("Nothing broke, but these moves were not seen: {moves}. Ask for them again.")
    return text.format(moves=listed(broke or unseen))


PROVES = _(
    "A break is a reason to ask on, and no proof: poor light and quick moves lose genuine faces "
    "too. That nothing breaks proves nothing: good swaps hold. It was not measured how often "
    "either happens. Ask what only this person can know, or call them back."
)
"""What a challenge proves, and what it does not."""


# --- its lines ------------------------------------------------------------------------------------


MINUTE = _("Last 60 seconds"), _("dots: one scored frame · line: the likelihood over 8 s")
VOICE = _("Voice"), _("dots: one window of 4 s · line: mean of the last 12 s")
"""Heads of the charts of a session, and their legends"""


def ago() -> tuple[list[float], list[str]]:
    """Return the ticks of the last minute, s from now, and their texts."""
    texts = [_("60\u00a0s ago"), f"40{NBSP}s", f"20{NBSP}s", _("now")]
    return [-60.0, -40.0, -20.0, 0.0], texts


def raised_above(seconds: float, limit: float) -> str:
    """Return when an alarm begins."""
    text = _("after {seconds}\u00a0s above {percent}")
    return text.format(seconds=f"{seconds:.0f}", percent=limit_percent(limit))


def likelihoods(state: LiveState | None, thresholds: Thresholds) -> str:
    """Return the text alternative of the last minute."""
    means = [dot.mean for dot in state.series if dot.mean is not None] if state else []
    if not means:
        return _("Nothing was scored in the last 60 seconds.")
    over = sum(mean > thresholds.suspect for mean in means) / len(means)
    text = _(
        "The likelihood over 8 s lay between {low} and {high} in the last 60 seconds, {share} of "
        "the time above {threshold}."
    )
    low, high = (percent(mean, thresholds.edges) for mean in (min(means), max(means)))
    above = limit_percent(thresholds.suspect)
    return text.format(low=low, high=high, share=percent(over), threshold=above)


def voice(label: Label) -> Cell:
    """Return the answer about a microphone's voice."""
    none = label is Label.NOT_APPLICABLE
    return Cell(states.state(label, Question.VOICE, short=none), state=label)


def why_of_voice(analysis: Analysis) -> str:
    """Return the obstacle to a verdict on the voice, or the accuracy of a microphone's
    likelihood."""
    verdict, reasons = analysis.verdict, analysis.verdict.reasons
    if reasons and (verdict.probability is None or verdict.vetoed_by):
        return messages.text(reasons[0])
    never = (c for c in analysis.verdict.caveats if c.code is CaveatCode.NEVER_DECIDES)
    if (caveat := next(never, None)) is not None:
        return messages.text(caveat)
    return _("Measured on recordings, not on microphones through a video link.")


def of_voice(series: Sequence[Dot]) -> str:
    """Return the same of the voice."""
    means = [dot.mean for dot in series if dot.mean is not None]
    if not means:
        return _("No voice was judged in the last 60 seconds.")
    text = _(
        "The likelihood of a cloned voice lay between {low} and {high} in the last 60 seconds."
    )
    return text.format(low=percent(min(means)), high=percent(max(means)))
