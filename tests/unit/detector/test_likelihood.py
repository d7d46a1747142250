"""The formula of the one likelihood of a file."""

import math

import pytest

from detector.decision import likelihood, sigmoid
from detector.decision.likelihood import Part
from detector.schema.analysis import FileKind, Likelihood, Question

FACE, HEAD = Question.MANIPULATION, Question.SYNTHESIS
PICTURE, VOICE = Question.PICTURE, Question.VOICE


def test_odds_of_the_parts_are_summed_mapped_and_lowered_by_the_number_of_subjects():
    parts = [Part(FACE, "A", 1.0), Part(HEAD, "A", -2.0), Part(FACE, "B", 0.5)]
    fit = Likelihood(scale=1.2, offset=-0.7, people=0.6)
    odds = math.exp(1.0) + math.exp(-2.0) + math.exp(0.5)
    expected = 1.2 * math.log(odds) - 0.7 - 0.6 * math.log(2)
    assert likelihood.log_odds(parts, fit) == pytest.approx(expected)
    assert sum(likelihood.shares(parts)) == pytest.approx(1.0)
    assert likelihood.shares(parts)[0] == pytest.approx(math.exp(1.0) / odds)


def test_head_and_picture_are_added_to_one_part_and_divided_by_their_odds():
    evidence = {FACE: -1.0, HEAD: 2.0, PICTURE: 1.0}
    parts = likelihood.parts(evidence, {FACE: 1.0, HEAD: 0.5, PICTURE: 0.8}, "A")
    assert [part.question for part in parts] == [FACE, HEAD, PICTURE]
    generated = [part.logit for part in parts[1:]]
    assert likelihood.total(generated) == pytest.approx(0.5 * 2.0 + 0.8 * 1.0)
    assert generated[0] - generated[1] == pytest.approx(0.5 * 2.0 - 0.8 * 1.0)


def test_a_question_of_weight_0_is_no_part():
    parts = likelihood.parts({FACE: 1.0, HEAD: 1.0, PICTURE: 9.0}, {PICTURE: 0.0}, "A")
    assert {part.question for part in parts} == {FACE, HEAD}
    assert likelihood.parts({PICTURE: 9.0}, {PICTURE: 0.0}, "A") == []


def test_parts_that_were_not_measured_together_count_by_their_mean_odds():
    parts = [Part(FACE, "A", 1.0), Part(VOICE, "voice", 1.0)]
    fit = likelihood.unfitted(parts, 0.0)
    assert likelihood.log_odds(parts, fit) == pytest.approx(1.0)
    assert likelihood.unfitted(parts[:1], 0.5).people == 0.5


@pytest.mark.parametrize("logits", [(800.0, -800.0), (-800.0, -900.0)])
def test_odds_beyond_what_a_float_holds_are_summed(logits):
    assert likelihood.total(logits) == pytest.approx(max(logits))
    assert 0.0 <= sigmoid(likelihood.total(logits)) <= 1.0


@pytest.mark.parametrize(
    ("still", "faces", "pictures", "kind"),
    [
        (False, True, True, FileKind.CLIP), (True, True, True, FileKind.STILL),
        (True, False, True, FileKind.PICTURE), (False, False, True, FileKind.PICTURE),
        (False, False, False, FileKind.SOUND),
    ],
)  # fmt: skip
def test_the_kind_of_a_file_follows_from_what_could_be_judged(still, faces, pictures, kind):
    assert likelihood.kind_of(still=still, faces=faces, pictures=pictures) is kind
