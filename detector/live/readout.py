"""From the verdict on the last seconds to what is said: the words, the sentence under them, the
series of the chart."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from detector.live.hysteresis import HOLD, LabelHysteresis, WindowVerdict
from detector.live.state import HISTORY, WINDOW, Dot, LiveReading, Trend
from detector.messages.format import percent
from detector.schema.analysis import Analysis, Label, Question, ReasonCode, Subject, Thresholds

UNREAD = 2.0
"""s without a scored face after which there is no reading"""
TREND = 0.05
"""of the likelihood, in half a window, from which it rises or falls"""


@dataclass
class LabelTimeline:
    """What the word on one face, or on the session, rests on."""

    hysteresis: LabelHysteresis
    probability: float | None = None
    question: Question | None = None
    scored: float | None = None
    """s of the newest scored frame"""
    means: deque[tuple[float, float]] = field(default_factory=deque)
    """(s, probability) of the last window"""

    def update(
        self, time: float, long: WindowVerdict, short: WindowVerdict | None, question: Question
    ) -> bool:
        """See `LabelHysteresis.update`."""
        self.probability, self.question, self.scored = long.probability, question, time
        self.means.append((time, long.probability))
        while self.means[0][0] < time - WINDOW:
            self.means.popleft()
        return self.hysteresis.update(time, long, short)

    @property
    def trend(self) -> Trend:
        """Of the mean, over half a window."""
        if len(self.means) < 2:
            return "steady"
        now, newest = self.means[-1]
        before = next(p for t, p in self.means if t >= now - WINDOW / 2)
        if abs(newest - before) < TREND:
            return "steady"
        return "rising" if newest > before else "falling"


class LiveReadout:
    """The words of one viewer. Not locked. `thresholds` are shown until there is a score."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._whole: LabelTimeline | None = None
        self.people: dict[str, LabelTimeline] = {}
        """By letter."""
        self.now = self.nothing(0.0, "Starting.")
        self.cautious: float | None = None
        """Likelihood of the session as a whole, which with several people in view is lower than
        the highest of theirs: what an alarm goes by."""
        self.counted: set[str] = set()
        """Ids of the models that take part."""
        self.left_out: dict[str, str] = {}
        """Why the others don't."""
        self._series: deque[Dot] = deque()

    @property
    def series(self) -> tuple[Dot, ...]:
        """The last `HISTORY` s."""
        return tuple(self._series)

    def nothing(self, time: float, text: str) -> LiveReading:
        """No reading, and why."""
        return LiveReading(Label.NOT_APPLICABLE, time, text, self._thresholds)

    def lose(self, time: float, text: str) -> None:
        """There has been nobody to judge for `UNREAD` s: what was said is over."""
        self._whole = None
        self.people.clear()
        since = self.now.since if self.now.label is Label.NOT_APPLICABLE else time
        self.now = self.nothing(since, text)
        self._dot(Dot(time, None, None, Label.NOT_APPLICABLE))

    def abstain(self, time: float, text: str) -> None:
        """There is somebody, but what is seen of them can't be judged."""
        self._whole = None
        self.people.clear()
        since = self.now.since if self.now.text == text else time
        self.now = replace(self.nothing(since, text), label=Label.INCONCLUSIVE)
        self._dot(Dot(time, None, None, Label.INCONCLUSIVE))

    @property
    def scored(self) -> float | None:
        """s of the newest frame that the reading is from."""
        return self._whole.scored if self._whole else None

    def update(self, time: float, long: Analysis, short: Analysis | None) -> list[str]:
        """Take in a scored frame of `time`, s: what was decided of the last `WINDOW` and
        `SHORT_WINDOW` seconds. Return the letters of people whose older evidence is to be forgotten
        (`LabelHysteresis.update`)."""
        self.counted = {model.id for model in long.models if model.counted}
        self.left_out = {
            model.id: model.not_counted_because
            for model in long.models
            if model.not_counted_because is not None
        }
        changed = self._update_people(time, long, short)
        question = long.verdict.question
        verdict = _window_verdict(long, question)
        if verdict is None or question is None:
            return changed
        whole = self._whole = self._whole or LabelTimeline(LabelHysteresis(time))
        lately = _window_verdict(short, short.verdict.question) if short else None
        early = whole.update(time, verdict, lately, question)
        if early and short and whole.hysteresis.label is Label.FAKE:
            # Somebody new has come into the picture: their own word need not wait either.
            for subject in short.judged:
                if subject.label is Label.FAKE and subject.id in self.people:
                    self.people[subject.id].hysteresis.latch_fake(time)
        self.cautious = verdict.probability
        self.now = self._reading(time, long, verdict, whole, question)
        newest = [
            frame.answers[question]
            for subject in long.judged
            for frame in subject.frames[-1:]
            if question in frame.answers and frame.index == len(long.timestamps) - 1
        ]
        shown = self.now.probability
        self._dot(Dot(time, max(newest, default=None), shown, whole.hysteresis.label))
        return changed

    def _update_people(self, time: float, long: Analysis, short: Analysis | None) -> list[str]:
        changed = []
        lately = {subject.id: subject for subject in short.judged} if short else {}
        for subject in long.judged:
            question = _shown_question(subject, long)
            verdict = _window_verdict(long, question, subject)
            if verdict is None or question is None:
                continue
            line = self.people.setdefault(subject.id, LabelTimeline(LabelHysteresis(time)))
            same = lately.get(subject.id)
            now = _window_verdict(short, question, same) if short and same else None
            if line.update(time, verdict, now, question):
                changed.append(subject.id)
        here = {subject.id for subject in long.judged}
        self.people = {id: line for id, line in self.people.items() if id in here}
        return changed

    def _reading(
        self,
        time: float,
        long: Analysis,
        verdict: WindowVerdict,
        whole: LabelTimeline,
        question: Question,
    ) -> LiveReading:
        top = next((s for s in long.judged if s.id == long.verdict.subject), long.judged[0])
        scores = [frame.answers[question] for frame in top.frames if question in frame.answers]
        # What stands on the box of this person: one number for one face.
        line = self.people.get(top.id)
        own = line.probability if line is not None and line.question is question else None
        return LiveReading(
            label=whole.hysteresis.label,
            probability=verdict.probability if own is None else own,
            low=min(scores, default=None),
            high=max(scores, default=None),
            since=whole.hysteresis.since,
            text=_text(time, whole, verdict, top),
            trend=whole.trend,
            question=question,
            thresholds=verdict.thresholds,
            person=top.id if len(long.judged) > 1 else None,
            counted=long.verdict.counted,
        )

    def _dot(self, dot: Dot) -> None:
        self._series.append(dot)
        while self._series[0].time < dot.time - HISTORY:
            self._series.popleft()


def may_be_suspicious(long: Analysis, seconds: float) -> bool:
    """Whether the last seconds alone could be other than "no sign": some frame of them is."""
    if long.verdict.label is Label.NOT_APPLICABLE or not long.timestamps:
        return False
    return any(
        score > long.verdict.answers[question].thresholds.low
        for track in long.judged
        for face in track.frames
        if face.time > long.timestamps[-1] - seconds
        for question, score in face.answers.items()
    )


def _window_verdict(
    analysis: Analysis, question: Question | None, subject: Subject | None = None
) -> WindowVerdict | None:
    """Return the verdict on a person, or on the session, or None where there is none."""
    if question is None:
        return None
    answer = (subject or analysis.verdict).answers.get(question)
    if answer is None or answer.probability is None:
        return None
    label = subject.answers[question].label if subject else analysis.verdict.label
    thresholds = analysis.verdict.answers[question].thresholds
    subjects = [subject] if subject else analysis.judged
    counts = (sum(question in frame.answers for frame in one.frames) for one in subjects)
    return WindowVerdict(label, answer.probability, thresholds, max(counts, default=0))


def _shown_question(track: Subject, analysis: Analysis) -> Question | None:
    """Return the question that a person's box answers: that of the verdict, where they have
    one, so that box and card never speak of two."""
    leading = analysis.verdict.question
    answer = track.answers.get(leading) if leading else None
    return leading if answer is not None and answer.probability is not None else track.question


_ABSTAINED = {
    ReasonCode.LOW_QUALITY: "The face is too small for a verdict. Move the camera closer.",
    ReasonCode.TOO_FEW_FRAMES: "Too few frames were scored for a verdict.",
    ReasonCode.UNCERTAIN: "The picture is too poor to be sure. Ask for more light, or go closer.",
    ReasonCode.SEVERAL_PEOPLE: "One of several faces is over the threshold, as chance also gives.",
}


def _text(time: float, line: LabelTimeline, verdict: WindowVerdict, top: Subject) -> str:
    """One or two sentences under the word."""
    label, limits = line.hysteresis.label, verdict.thresholds
    moves = "" if line.trend == "steady" else f"is {line.trend} and "
    if label is Label.FAKE:
        what = "a machine-made face" if line.question is Question.SYNTHESIS else "manipulation"
        if verdict.probability > limits.high:
            return f"The score is over the upper threshold: consistent with {what}."
        return f"The score has been over the upper threshold. It {moves}is below it now."
    if label is Label.REAL:
        text = "No sign of manipulation in the last 3 s."
        if verdict.label is not Label.REAL:
            text += f" The score {moves}is above the lower threshold now."
        return text
    if time - line.hysteresis.since < HOLD and line.hysteresis.initial:
        return "Looking. A first reading takes about 3 s of a face."
    if verdict.abstained:
        return _ABSTAINED.get(
            top.reason or ReasonCode.UNCERTAIN, "Too few models gave a score for a verdict."
        )
    if verdict.label is Label.INCONCLUSIVE:
        if limits.never_decide:
            return "No score of these models decides."
        if limits.one_sided:
            return f"The score {moves}is not over the threshold of {percent(limits.high)}."
        return f"The score {moves}is between the thresholds."
    side = "over the upper" if verdict.label is Label.FAKE else "below the lower"
    return f"The score has just come {side} threshold. The word waits, so that it doesn't flicker."
