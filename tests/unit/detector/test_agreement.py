"""How far models agree: pairs of them, where they part, and one model on two files."""

from dataclasses import replace

import pytest

from detector.presentation import agreement
from detector.presentation.agreement import ModelLine
from detector.presentation.series import Lane
from detector.schema.analysis import Label, Question, Thresholds
from tests.support.result_sample import make_analysis

LIMITS = Thresholds(low=0.3, high=0.7)


def line(name, scores, question=Question.MANIPULATION):
    named = {"id": name.lower(), "title": name, "plain": "", "task": question.spec.task}
    model = make_analysis().models[0].model_copy(update=named)
    return ModelLine(model, lane(scores), LIMITS)


def lane(scores):
    times = tuple(map(float, range(len(scores))))
    return Lane(make_analysis().judged[0], times, tuple(scores), {}, ())


def test_pairs_count_only_moments_that_both_scored():
    first, second = line("A", [0.9, 0.8, 0.1, None]), line("B", [0.8, 0.1, 0.2, 0.9])
    (found,) = agreement.pairs([first, second])
    assert (found.both, found.sure, found.same, found.opposite) == (3, 3, 2, 1)
    assert found.apart == pytest.approx(0.3)
    assert found.correlation == pytest.approx(0.48, abs=0.01)
    assert agreement.pairs([line("A", [0.5] * 4), second])[0].correlation is None
    ((*cells,),) = agreement.table([found]).printed
    assert cells == ["A and B", "67 %", "30", "3", "1", "0.48"]


def test_two_models_that_are_sure_of_nothing_do_not_agree():
    """69 against 31, each inconclusive."""
    lines = line("A", [0.69, 0.69, 0.4]), line("B", [0.31, 0.31, 0.35])
    (found,) = agreement.pairs(lines)
    assert (found.both, found.sure, found.same) == (3, 0, 0)
    (stretch,) = agreement.differences(lines)
    assert stretch.text == "A scores 69 where B scores 31; neither is sure"
    assert (stretch.start, stretch.end) == (0.0, 1.0)
    assert found.said.endswith("neither is sure of any moment")
    assert agreement.nowhere([found]).startswith("No model is sure")


def test_differences_name_stretches_longest_first():
    lines = line("A", [0.9] * 3 + [0.1] + [0.9] * 2), line("B", [0.1, 0.1, 0.9, 0.1, 0.5, 0.5])
    found = agreement.differences(lines)
    assert [(d.start, d.end) for d in found] == [(0.0, 1.0), (4.0, 5.0)]
    assert found[0].text == "B finds no sign where A says likely manipulated"
    assert found[1].text == "B can’t tell where A says likely manipulated"
    limits = Thresholds(low=0.1, probably_low=0.3, probably_high=0.7, high=0.9)
    weak = line("A", [0.75] * 2), line("B", [0.5] * 2)
    (found,) = agreement.differences([replace(one, limits=limits) for one in weak])
    assert found.text.endswith("says probably manipulated"), "as the model’s chip beside it"


def test_a_model_that_clears_where_another_is_unsure_differs():
    lines = line("A", [0.1] * 3), line("B", [0.6] * 3)
    (found,) = agreement.differences(lines)
    assert found.text == "B can’t tell where A says no sign"
    analysis = make_analysis()
    given = analysis.judged[0].models["sbi"]
    subject = analysis.judged[0].model_copy(update={"models": {"a": given, "b": given}})
    said = agreement.sentence(analysis, subject, lines)
    assert "They differ most from" in said and "Where one model is sure" not in said


def test_moments_are_shown_that_the_most_models_scored():
    few, many = line("A", [None, 0.2, None, 0.4]), line("B", [0.9, 0.5, 0.9, 0.3])
    assert agreement.highest([few, many]) == [None, 0.5, None, 0.4]
    assert agreement.highest([many]) == list(many.lane.score)
    assert agreement.highest([]) == []


def test_models_of_different_questions_neither_agree_nor_differ():
    whole = Question.SYNTHESIS
    lines = line("A", [0.9] * 2), line("B", [0.1, 0.9], whole), line("C", [0.9, 0.1], whole)
    assert [(p.first.name, p.second.name) for p in agreement.pairs(lines)] == [("B", "C")]
    assert {d.text for d in agreement.differences(lines)} == {
        "B finds no sign where C says likely AI-generated",
        "C finds no sign where B says likely AI-generated",
    }


def test_each_model_has_its_own_lane_and_gaps():
    analysis = make_analysis()
    lines = agreement.lines(analysis, analysis.judged[0], analysis.models)
    assert len(lines) > 1
    for one in lines:
        scored = [time for time, _score in one.lane.scored]
        assert scored
        assert not any(gap.start < t < gap.end for t in scored for gap in one.lane.gaps)
        assert one.limits == analysis.verdict.thresholds
    said = agreement.sentence(analysis, analysis.judged[0], lines)
    assert f"of {len(lines)} models say fake; scores from" in said


def test_two_clips_meet_at_the_times_they_share():
    times, first, second = agreement.shared(lane([0.0, 0.5, 1.0, 0.0, 0.0]), lane([1.0, 0.0, 1.0]))
    assert times == [0.0, 1.0, 2.0]
    assert first == [0.0, 0.5, 1.0] and second == [1.0, 0.0, 1.0]
    assert agreement.shared(lane([None]), lane([0.5])) == ([], [], [])


def test_a_model_on_two_files_is_said_and_drawn():
    one, other = make_analysis(), make_analysis(fake=False)
    (model,) = [m for m in one.models if m.id == "sbi"]
    section, time = agreement.of_two(one, other, model)
    assert "against" in section.title and time is not None
    assert "furthest apart at" in section.blocks[-1].said
    still = {"media": one.media.model_copy(update={"kind": "image"})}
    pictures = [
        each.model_copy(
            update={**still, "subjects": [
                subject.model_copy(update={"frames": subject.frames[:1]})
                for subject in each.subjects
            ]}
        )
        for each in (one, other)
    ]  # fmt: skip
    section, time = agreement.of_two(*pictures, model)
    assert "against" in section.title and (section.blocks, time) == ((), None), "no curves to name"
    none = other.model_copy(update={"subjects": []})
    section, time = agreement.of_two(one, none, model)
    assert (section.title, time) == ("", None)


def test_a_single_moment_over_the_threshold_is_counted():
    assert agreement.reach(line("A", [0.9, 0.2, None])) == "1 of 2\u00a0frames over 70"
    assert line("A", [0.9, None]).readings == [Label.FAKE, Label.NOT_APPLICABLE]
