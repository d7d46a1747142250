"""From the verdict on the last seconds to what is said: the words, the sentence under them, the
series of the chart."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal

from detector.live.hysteresis import HOLD, LabelHysteresis, WindowVerdict
from detector.live.state import HISTORY, WINDOW, Dot, LiveReading
from detector.schema.analysis import (
    Analysis,
    Label,
    Question,
    ReasonCode,
    Subject,
    SubjectAnswer,
    Thresholds,
)

UNREAD = 2.0
"""s without a scored face after which there is no reading"""
TREND = 0.05
"""of the likelihood, in half a window, from which it rises or falls"""
Trend = Literal["rising", "falling", "steady"]


@dataclass
class LabelTimeline:
    """What the word on one face, or on the session, rests on."""

    steady: LabelHysteresis
    probability: float | None = None
    question: Question | None = None
    scored: float | None = None
    """s of the newest scored frame"""
    means: deque[tuple[float, float]] = field(default_factory=deque)
    """(s, probability) of the last window"""

    def update(
        self, time: float, slow: WindowVerdict, fresh: WindowVerdict | None, question: Question
    ) -> bool:
        """See `Steady.update`."""
        self.probability, self.question, self.scored = slow.probability, question, time
        self.means.append((time, slow.probability))
        while self.means[0][0] < time - WINDOW:
            self.means.popleft()
        return self.steady.update(time, slow, fresh)

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
    """The words of one viewer. Not locked.

    Parameters
    ----------
    thresholds : Thresholds
        Shown until there is a score.
    """

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
        return LiveReading(
            label=Label.NOT_APPLICABLE,
            probability=None,
            low=None,
            high=None,
            since=time,
            text=text,
            trend="steady",
            question=None,
            thresholds=self._thresholds,
        )

    def lose(self, time: float, text: str) -> None:
        """There has been nobody to judge for `UNREAD` s: what was said is over."""
        self._whole = None
        self.people.clear()
        since = time
        if self.now.label is Label.NOT_APPLICABLE:
            since = self.now.since
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

    def update(self, time: float, slow: Analysis, fresh: Analysis | None) -> list[str]:
        """Take notice of a scored frame.

        Parameters
        ----------
        time : float
            s, of the frame.
        slow, fresh : Analysis
            Decided, of the last `WINDOW` and `FRESH` seconds.

        Returns
        -------
        list of str
            Letters of people whose older evidence is to be forgotten (`LabelHysteresis.update`).
        """
        self.counted = {model.id for model in slow.models if model.counted}
        self.left_out = {
            model.id: model.not_counted_because
            for model in slow.models
            if model.not_counted_because is not None
        }
        changed = self._update_people(time, slow, fresh)
        verdict, question = _window_verdict(slow), slow.verdict.question
        if verdict is None or question is None:
            return changed
        if self._whole is None:
            self._whole = LabelTimeline(LabelHysteresis(time))
        whole = self._whole
        early = whole.update(time, verdict, _window_verdict(fresh) if fresh else None, question)
        if early and fresh and whole.steady.label is Label.FAKE:
            # Somebody new has come into the picture: their own word need not wait either.
            for subject in fresh.judged:
                if subject.label is Label.FAKE and subject.id in self.people:
                    self.people[subject.id].steady.warn(time)
        self.cautious = verdict.probability
        self.now = self._reading(time, slow, verdict, whole, question)
        newest = [
            frame.answers[question]
            for subject in slow.judged
            for frame in subject.frames[-1:]
            if question in frame.answers and frame.index == len(slow.moments) - 1
        ]
        shown = self.now.probability
        self._dot(Dot(time, max(newest, default=None), shown, whole.steady.label))
        return changed

    def _update_people(self, time: float, slow: Analysis, fresh: Analysis | None) -> list[str]:
        """Take in the verdict on each person; gives those whose older evidence is to be
        forgotten."""
        changed = []
        lately = {subject.id: subject for subject in fresh.judged} if fresh else {}
        for subject in slow.judged:
            question = _shown_question(subject, slow)
            verdict = _subject_verdict(subject, slow, question)
            if verdict is None or question is None:
                continue
            line = self.people.setdefault(subject.id, LabelTimeline(LabelHysteresis(time)))
            now = None
            if fresh and subject.id in lately:
                now = _subject_verdict(lately[subject.id], fresh, question)
            if line.update(time, verdict, now, question):
                changed.append(subject.id)
        here = {subject.id for subject in slow.judged}
        self.people = {id: line for id, line in self.people.items() if id in here}
        return changed

    def _reading(
        self,
        time: float,
        slow: Analysis,
        verdict: WindowVerdict,
        whole: LabelTimeline,
        question: Question,
    ) -> LiveReading:
        top = next((s for s in slow.judged if s.id == slow.verdict.subject), slow.judged[0])
        scores = [frame.answers[question] for frame in top.frames if question in frame.answers]
        # What stands on the box of this person: one number for one face.
        theirs = self.people.get(top.id)
        shown = verdict.probability
        if theirs is not None and theirs.question is question and theirs.probability is not None:
            shown = theirs.probability
        return LiveReading(
            label=whole.steady.label,
            probability=shown,
            low=min(scores, default=None),
            high=max(scores, default=None),
            since=whole.steady.since,
            text=_text(time, whole, verdict, top),
            trend=whole.trend,
            question=question,
            thresholds=verdict.thresholds,
            person=top.id if len(slow.judged) > 1 else None,
            counted=slow.verdict.counted,
        )

    def _dot(self, dot: Dot) -> None:
        self._series.append(dot)
        while self._series[0].time < dot.time - HISTORY:
            self._series.popleft()


def stirred(slow: Analysis, seconds: float) -> bool:
    """Whether the last seconds alone could be other than "no sign": some frame of them is."""
    if slow.verdict.label is Label.NOT_APPLICABLE or not slow.moments:
        return False
    return any(
        score > slow.verdict.answers[question].thresholds.low
        for track in slow.judged
        for face in track.frames
        if face.time > slow.moments[-1] - seconds
        for question, score in face.answers.items()
    )


def _window_verdict(analysis: Analysis) -> WindowVerdict | None:
    """The verdict on the session, or None where there is none."""
    question = analysis.verdict.question
    if question is None:
        return None
    answer = analysis.verdict.answers[question]
    if answer.probability is None:
        return None
    return WindowVerdict(
        analysis.verdict.label,
        answer.probability,
        answer.thresholds,
        max((_frames(track, question) for track in analysis.judged), default=0),
    )


def _shown_question(track: Subject, analysis: Analysis) -> Question | None:
    """The question of which a person's box says the answer: that of the verdict, where they have
    one, so that box and card never speak of two."""
    leading = analysis.verdict.question
    answer = track.answers.get(leading) if leading else None
    return leading if answer is not None and answer.probability is not None else track.question


def _subject_verdict(
    track: Subject, analysis: Analysis, question: Question | None
) -> WindowVerdict | None:
    """The verdict on one person, or None where there is none."""
    answer: SubjectAnswer | None = track.answers.get(question) if question else None
    if question is None or answer is None or answer.probability is None:
        return None
    thresholds = analysis.verdict.answers[question].thresholds
    return WindowVerdict(answer.label, answer.probability, thresholds, _frames(track, question))


def _frames(track: Subject, question: Question) -> int:
    return sum(question in face.answers for face in track.frames)


_ABSTAINED = {
    ReasonCode.LOW_QUALITY: "The face is too small for a verdict. Move the camera closer.",
    ReasonCode.TOO_FEW_FRAMES: "Too few frames were scored for a verdict.",
    ReasonCode.UNCERTAIN: "The picture is too poor to be sure. Ask for more light, or go closer.",
    ReasonCode.SEVERAL_PEOPLE: "One of several faces is over the threshold, as chance also gives.",
}


def _text(time: float, line: LabelTimeline, said: WindowVerdict, top: Subject) -> str:
    """One or two sentences under the word."""
    label, limits = line.steady.label, said.thresholds
    moves = "" if line.trend == "steady" else f"is {line.trend} and "
    if label is Label.FAKE:
        what = "a machine-made face" if line.question is Question.SYNTHESIS else "manipulation"
        if said.probability > limits.high:
            return f"The score is over the upper threshold: consistent with {what}."
        return f"The score has been over the upper threshold. It {moves}is below it now."
    if label is Label.REAL:
        text = "No sign of manipulation in the last 3 s."
        if said.label is not Label.REAL:
            text += f" The score {moves}is above the lower threshold now."
        return text
    if time - line.steady.since < HOLD and line.steady.new:
        return "Looking. A first reading takes about 3 s of a face."
    if said.abstained:
        return _ABSTAINED.get(
            top.reason or ReasonCode.UNCERTAIN, "Too few models gave a score for a verdict."
        )
    if said.label is Label.INCONCLUSIVE:
        return f"The score {moves}is between the thresholds. Ask for a still face in good light."
    side = "over the upper" if said.label is Label.FAKE else "below the lower"
    return f"The score has just come {side} threshold. The word waits, so that it doesn't flicker."
