"""The sentence under a headline: when, and what is said of the others."""

import pytest

from cli.analyze import summary
from detector.decision import decide
from detector.messages import lead
from detector.messages.format import percent
from detector.schema.analysis import Label, Lean, Question, Thresholds
from tests.support.result_sample import make_analysis


def scored(*scores):
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
def test_every_stretch_over_the_threshold_is_named(scores, said):
    made = scored(*scores)
    assert lead.strongest(made, made.judged[0]) == said


def cut_short(analysis, id, frames_left):
    """Decide anew with a person who is seen in the first frames alone that have a score."""

    def cut(subject):
        frames = [frame for frame in subject.frames if frame.logits][:frames_left]
        return subject.model_copy(update={"frames": frames, "spans": []})

    subjects = [cut(s) if s.id == id else s for s in analysis.judged]
    return decide(analysis.model_copy(update={"subjects": subjects}))


def test_who_is_left_out_is_named_with_the_reason():
    both = make_analysis()
    for frame in (frame for s in both.judged if s.id == "A" for frame in s.frames):
        frame.logits.update({model: x + 2.0 for model, x in frame.logits.items()})
    made = cut_short(both, "B", 2)
    assert made.verdict.subject == "A"
    left, leads = (next(s for s in made.judged if s.id == id) for id in "BA")
    assert left.probability is not None and leads.probability is not None
    assert left.probability > leads.probability, "or this proves nothing"
    number = percent(left.probability)
    said = f"Left out: Person\u00a0B ({number}, too few frames)."
    assert said in lead.others(made) and said.replace("\u00a0", " ") in summary(made)
    assert "Inconclusive for Person\u00a0B" not in lead.others(made)
    assert lead.left_out(make_analysis()) == []


def test_three_of_32_moments_give_the_file_no_lean():
    whole = make_analysis(people="B")
    few = cut_short(whole, "B", 3)
    between = Thresholds(low=0.01, high=0.99)
    assert decide(whole, thresholds=between).verdict.lean is Lean.MANIPULATED
    answer = decide(few, thresholds=between).verdict
    assert answer.label is Label.INCONCLUSIVE and answer.lean is Lean.NONE
    assert answer.answers[Question.MANIPULATION].odds is None


def test_a_picture_made_by_a_machine_accuses_nobody_in_it():
    made = make_analysis()
    other = next(s for s in made.seen if s.id != made.verdict.subject)
    other.label = Label.FAKE  # by the picture's question, as everybody in it
    assert lead.others(made) == "No sign of manipulation found for Person\u00a0A (left)."
    made.verdict.question = Question.SYNTHESIS
    assert lead.others(made) == ""


FAKE, LEANS, OPEN = (
    (Label.FAKE, None),
    (Label.INCONCLUSIVE, Lean.MANIPULATED),
    (Label.INCONCLUSIVE, None),
)


@pytest.mark.parametrize(
    ("picture", "sound", "said"),
    [
        (OPEN, LEANS, "The voice leans to cloned (84 %), undecided; the picture does not lean"),
        (OPEN, FAKE, "The voice is likely cloned (84 %); the picture does not lean to fake"),
        (FAKE, OPEN, "The voice does not lean to cloned (84 %)."),
        (LEANS, OPEN, "The picture leans to fake (91 %), undecided; the voice does not lean"),
        (OPEN, OPEN, ""),
        (FAKE, LEANS, ""),
    ],
)
def test_sound_and_picture_that_differ_are_said_together(picture, sound, said):
    made = make_analysis(people="B")
    one = made.verdict.answers[Question.MANIPULATION]
    made.verdict.answers = {
        Question.MANIPULATION: _answered(one, picture, 0.91),
        Question.VOICE: _answered(one, sound, 0.84),
    }
    assert lead.others(made).replace("\u00a0", " ").startswith(said)
    assert bool(lead.others(made)) == bool(said)
    assert said in " ".join(summary(made).split()).replace("\u00a0", " ")


def _answered(one, says, probability):
    label, lean = says
    return one.model_copy(update={"label": label, "lean": lean, "probability": probability})
