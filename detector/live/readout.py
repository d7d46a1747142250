"""From the verdict on the last seconds to what is shown: label, number, sentence, series."""

from collections import deque

from detector import questions
from detector.decision.session import WINDOW
from detector.live.state import HISTORY, Dot, LiveReading
from detector.messages.format import percent
from detector.schema.analysis import (
    Analysis,
    Answer,
    Label,
    ModelResult,
    ReasonCode,
    Subject,
    Thresholds,
)

UNREAD = 2.0
"""s without a scored face after which there is no reading"""


class Series(deque[Dot]):
    """The last `HISTORY` s, ascending."""

    def add(self, dot: Dot) -> None:
        """Append a dot, and drop those that are too old."""
        self.append(dot)
        while self[0].time < dot.time - HISTORY:
            self.popleft()


class LiveReadout:
    """The reading of one viewer. Not locked. `thresholds` are shown until there is a score."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self.people: dict[str, Subject] = {}
        """By letter; the one in front with the label of the verdict."""
        self.now = self.nothing(0.0, "Starting.")
        self.scored: float | None = None
        """s of the newest frame that the reading is from"""
        self.models: dict[str, ModelResult] = {}
        """By id, as decided last."""
        self.series = Series()

    def nothing(self, time: float, text: str) -> LiveReading:
        """Return that there is no reading, and why."""
        return LiveReading(Label.NOT_APPLICABLE, time, text, self._thresholds)

    def lose(self, time: float, text: str) -> None:
        """End the reading: there is nobody to judge."""
        self.scored = None
        self.people.clear()
        since = self.now.since if self.now.label is Label.NOT_APPLICABLE else time
        self.now = self.nothing(since, text)
        self.series.add(Dot(time, None, None, Label.NOT_APPLICABLE))

    def update(self, time: float, decided: Analysis) -> None:
        """Show the verdict on the last `WINDOW` s, of a frame scored at `time`, s."""
        self.scored = time
        self.models = {model.id: model for model in decided.models}
        self.people = {subject.id: subject for subject in decided.judged}
        verdict, question = decided.verdict, decided.verdict.question
        if question is None or verdict.subject is None:
            return
        top, several = self.people[verdict.subject], len(self.people) > 1
        self.people[top.id] = top.model_copy(update={"label": verdict.label})
        self.now = LiveReading(
            label=verdict.label,
            probability=verdict.probability,
            interval=verdict.interval,
            alone=top.probability if several else None,
            since=self.now.since if self.now.label is verdict.label else time,
            text=_text(decided, verdict.answers[question], top.reason),
            question=question,
            thresholds=verdict.thresholds,
            person=top.id if several else None,
        )
        newest = [
            frame.answers[question]
            for subject in decided.judged
            for frame in subject.frames[-1:]
            if question in frame.answers and frame.index == len(decided.timestamps) - 1
        ]
        self.series.add(Dot(time, max(newest, default=None), verdict.probability, verdict.label))


_ABSTAINED = {
    ReasonCode.TOO_FEW_FRAMES: "Looking. A first reading takes a few seconds of a face.",
    ReasonCode.LOW_QUALITY: "The face is too small for a verdict. Show it larger.",
    ReasonCode.TOO_FEW_MODELS: "Too few models gave a score for a verdict.",
    ReasonCode.UNCERTAIN: "The picture is too poor to be sure. Ask for more light, or go closer.",
    ReasonCode.SEVERAL_PEOPLE: "One of several faces is over the threshold, as chance also gives.",
}


def _text(decided: Analysis, answer: Answer, reason: ReasonCode | None) -> str:
    """Return one or two sentences under the label."""
    label, limits = decided.verdict.label, answer.thresholds
    if label is Label.FAKE:
        what = questions.of(decided.verdict.question).consistent_with
        return f"The score is over the upper threshold: consistent with {what}."
    if label is Label.REAL:
        return f"No sign of manipulation in the last {WINDOW:.0f} s."
    if (why := answer.vetoed_by or reason) in _ABSTAINED:
        return _ABSTAINED[why]
    if limits.never_decide:
        return "No score of these models decides."
    if answer.label is Label.INCONCLUSIVE and limits.one_sided:
        return f"The score is not over the threshold of {percent(limits.high)}."
    if answer.label is Label.INCONCLUSIVE and not answer.vetoed_by:
        return "The score is between the thresholds."
    return decided.verdict.reasons[0].text
