"""The sentence under a headline: when, and what is said of the others."""

from __future__ import annotations

import pytest

from detector.messages import lead
from detector.schema.analysis import Analysis, Label, Question
from tests.support.result_sample import make_analysis


def scored(*scores: float) -> Analysis:
    """One person's scores, a second apart; the threshold is 0.7."""
    made = make_analysis(people="B")
    (subject,) = made.judged
    frames = [
        face.model_copy(update={"time": float(n), "score": score})
        for n, (face, score) in enumerate(zip(subject.frames, scores, strict=False))
    ]
    made.subjects = [subject.model_copy(update={"frames": frames})]
    return made


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.1, 0.8, 0.9, 0.1, 0.1, 0.8, 0.8, 0.1], "00:01 to 00:02 and 00:05 to 00:06"),
        ([0.1, 0.8, 0.9, 0.6, 0.8, 0.8, 0.1, 0.1], "00:01 to 00:05"),  # one dip ends nothing
        ([0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1], "00:02"),
        ([0.8, 0.9, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1], "00:00 to 00:01"),  # one moment is no stretch
        ([0.8, 0.8, 0.1, 0.1] * 4, "4 stretches within 00:00 to 00:13"),
        ([0.1, 0.2, 0.6, 0.1, 0.6, 0.1, 0.1, 0.1], "00:02"),  # under the threshold: the highest
    ],
)
def test_every_stretch_over_the_threshold_is_named(scores: list[float], said: str) -> None:
    made = scored(*scores)
    assert lead.strongest(made, made.judged[0]) == said


def test_a_picture_made_by_a_machine_accuses_nobody_in_it() -> None:
    made = make_analysis()
    other = next(s for s in made.seen if s.id != made.verdict.subject)
    other.label = Label.FAKE  # by the picture's question, as everybody in it
    assert lead.others(made) == "No sign of manipulation found for Person\u00a0A (left)."
    made.verdict.question = Question.SYNTHESIS
    assert lead.others(made) == ""
