"""Whose score could still become a verdict, or stop being one, if more moments were looked at."""

from detector.decision.numbers import logit
from detector.schema.analysis import Analysis, Question, Subject, Thresholds

MARGIN = 0.3
"""of log odds: twice by how much scores on 4 moments differ from those on 12 (deviation 0.13 on 88
people of the development clips, 0.41 at most)"""


def near_threshold(analysis: Analysis) -> set[tuple[str, Question]]:
    """Return ids of subjects with the question whose score is within `MARGIN` of a threshold, or
    stays below it although a single moment is above."""
    return {
        (subject.id, question)
        for subject in analysis.judged
        for question in subject.answers
        if _near(subject, question, analysis.verdict.answers[question].thresholds)
    }


def _near(subject: Subject, question: Question, limits: Thresholds) -> bool:
    score = subject.answers[question].probability
    if score is None:
        return False
    if any(abs(logit(score) - logit(limit)) < MARGIN for limit in (limits.low, limits.high)):
        return True
    above = any(frame.answers.get(question, 0.0) > limits.high for frame in subject.frames)
    return above and score < limits.high
