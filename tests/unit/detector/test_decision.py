"""The policy: whose thresholds, which question is in front, what adds up, where a file leans."""

from __future__ import annotations

import pytest

from detector import messages
from detector.decision import decide, logit, sigmoid
from detector.decision.context import PUBLISHED_START
from detector.messages import ENGLISH
from detector.messages import caveats as said_caveats
from detector.messages import reasons as said_reasons
from detector.schema.analysis import (
    Analysis,
    Basis,
    Calibration,
    Caveat,
    CaveatCode,
    ConfidenceInterval,
    Contribution,
    CustomEnsemble,
    Label,
    Lean,
    ModelResult,
    OddsPoint,
    PerturbationResult,
    Question,
    Reason,
    ReasonCode,
    Robustness,
    Thresholds,
)
from tests.unit.detector.test_verdict import (
    LIMITS,
    analysis,
    both,
    face,
    model,
    track,
    whole,
    with_scores,
)

FACE, WHOLE = Question.MANIPULATION, Question.SYNTHESIS


def published(id: str = "gend", point: float = 0.5, **changes: object) -> ModelResult:
    """A published model that nobody calibrated here."""
    return model(id, calibration=None, operating_point=point, label_order="documented", **changes)


def beside(strong: float, ours: float = 0.1, **logits: float) -> Analysis:
    """A published model's constant logit beside bundled scores near zero, five frames."""
    faces = [face(i, gend=strong, one=ours, two=-ours, synth=0.2, **logits) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), model("two"), whole(), published()])
    made.ensembles[FACE].models = ["one", "two"]
    made.ensembles[FACE].thresholds = Thresholds(low=0.33, high=0.89)
    return made


# --- thresholds belong to the set they were made for ----------------------------------------------


@pytest.mark.parametrize(
    ("strong", "label"),
    [(3.0, Label.FAKE), (2.2, Label.FAKE), (-2.2, Label.REAL), (-3.0, Label.REAL)],
)
def test_a_published_model_beside_bundled_scores_near_zero_decides(
    strong: float, label: Label
) -> None:
    out = decide(beside(strong))
    answer = out.verdict.answers[FACE]
    assert out.verdict.label is label and out.verdict.question is FACE
    assert answer.basis is Basis.PUBLISHED
    assert (answer.thresholds.low, answer.thresholds.high) == (0.2, 0.8)
    # It is judged by its authors' point, and both the page and the JSON say so.
    assert CaveatCode.PUBLISHED_POINT in [c.code for c in out.verdict.caveats]
    assert "authors" in answer.thresholds.data
    # The bundled models are one voter beside it.
    assert {c.id for c in answer.contributions if c.kind == "model"} == {"one", "two", "gend"}
    assert answer.odds is None  # nobody measured what such a score means


def test_its_answer_stands_and_the_other_question_stays_open() -> None:
    out = decide(beside(-3.0))
    assert out.verdict.answers[WHOLE].label is Label.INCONCLUSIVE
    assert out.verdict.answers[WHOLE].stays_open
    assert out.verdict.label is Label.REAL
    assert CaveatCode.STAYS_OPEN in [c.code for c in out.verdict.caveats]
    alone = decide(beside(-3.0), models=["one", "two", "synth"])
    assert alone.verdict.label is not Label.REAL


def test_beside_others_it_starts_a_little_lower_so_that_two_voters_raise_no_more_alarms() -> None:
    parts = decide(beside(2.2)).verdict.answers[FACE].contributions
    assert [c.logit for c in parts if c.kind == "start"] == [PUBLISHED_START]


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (0.81, Label.FAKE),
        (0.79, Label.INCONCLUSIVE),
        (0.21, Label.INCONCLUSIVE),
        (0.19, Label.REAL),
    ],
)
def test_alone_it_is_judged_by_its_point_and_the_margin_alone(score: float, label: Label) -> None:
    faces = [face(i, gend=logit(score)) for i in range(5)]
    assert decide(analysis([track("A", faces)], [published()])).verdict.label is label


def test_an_uncertain_published_score_decides_nothing() -> None:
    for strong in (-0.8, 0.0, 1.0):
        assert decide(beside(strong)).verdict.label is Label.INCONCLUSIVE


def test_a_published_model_that_fails_leaves_the_bundled_ones_their_thresholds() -> None:
    made = beside(3.0)
    made.models[-1].error = "it stopped while scoring"
    answer = decide(made).verdict.answers[FACE]
    assert answer.basis is Basis.MEASURED and answer.thresholds.high == 0.89


def test_a_map_of_no_clips_is_no_calibration() -> None:
    """Results before schema 1.2 kept an operating point as a calibration of 0 clips."""
    old = Calibration(scale=1.0, offset=-logit(0.8), data="published operating point", clips=0)
    made = analysis(
        [track("A", [face(i, gend=logit(0.8) + 3.0) for i in range(5)])],
        [model("gend", calibration=old)],
    )
    answer = decide(made).verdict.answers[FACE]
    assert answer.basis is Basis.PUBLISHED
    assert answer.contributions[0].logit == pytest.approx(3.0)


@pytest.mark.parametrize(("score", "label"), [(0.95, Label.FAKE), (0.05, Label.REAL)])
def test_a_brought_model_alone_gives_a_verdict_with_its_label(score: float, label: Label) -> None:
    faces = [face(i, meso=logit(score)) for i in range(5)]
    made = analysis([track("A", faces)], [published("meso")], min_models=2)
    made.ensembles[FACE].models = ["one", "two"]
    made.settings.models = ["meso"]
    out = decide(made)
    assert out.verdict.label is label and out.verdict.counted == 1
    assert out.models[0].counted and out.models[0].probability == pytest.approx(score)


def test_a_model_without_a_point_says_so() -> None:
    raw = model("raw", calibration=None, label_order="documented")
    out = decide(analysis([track("A", [face(i, raw=5.0) for i in range(5)])], [raw]))
    assert out.verdict.label is Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code is ReasonCode.NO_OPERATING_POINT
    assert "Raw gave scores" in out.verdict.reasons[0].text


def test_one_whose_fitted_weight_is_nothing_votes_only_alone() -> None:
    """As Motion: naming the whole default set is no other set than the default one."""
    faces = [face(i, one=1.0, two=5.0) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), model("two", weight=0)])
    made.ensembles[FACE].models = ["one"]
    plain = decide(made)
    assert plain.verdict.probability == pytest.approx(sigmoid(1.0))
    assert plain.verdict.answers[FACE].basis is Basis.MEASURED
    assert plain.models[1].not_counted_because == "it tells nothing on new sources"
    assert decide(made, models=["one", "two"]) == plain
    alone = decide(made, models=["two"])
    assert alone.models[1].counted and alone.verdict.probability == pytest.approx(sigmoid(5.0))
    assert alone.verdict.answers[FACE].basis is Basis.SUBSET


def test_two_published_models_that_agree_are_surer_than_each() -> None:
    def of(*ids: str) -> float:
        faces = [face(i, **dict.fromkeys(ids, 1.5)) for i in range(5)]
        found = decide(analysis([track("A", faces)], [published(id) for id in ids]))
        assert found.verdict.probability is not None
        return logit(found.verdict.probability)

    assert of("a") == pytest.approx(1.5)  # alone it stands at its point
    assert of("a") < of("a", "b") < of("a", "b", "c") < 3 * 1.5


def test_other_sets_of_calibrated_models_never_have_narrower_thresholds() -> None:
    made = beside(0.0)
    answer = decide(made, models=["one"]).verdict.answers[FACE]
    assert answer.basis is Basis.SUBSET
    assert (answer.thresholds.low, answer.thresholds.high) == (0.2, 0.89)
    assert answer.thresholds.false_positives is None
    moved = decide(made, thresholds=Thresholds(low=0.4, high=0.6, custom=True))
    assert moved.verdict.answers[FACE].basis is Basis.CUSTOM


def test_a_set_that_may_not_say_no_sign_never_does() -> None:
    made = analysis([track("A", with_scores(*[0.001] * 5))])
    made.ensembles[FACE].thresholds = Thresholds(low=0.0, high=0.9, no_sign=False)
    out = decide(made)
    assert out.verdict.label is Label.INCONCLUSIVE and out.verdict.lean is Lean.UNTOUCHED
    assert CaveatCode.NO_SIGN_WITHHELD in [c.code for c in out.verdict.caveats]
    assert any("never say" in text for text in out.verdict.limits)
    assert "not over the threshold of 90" in out.verdict.reasons[0].text


# --- the questions beside each other --------------------------------------------------------------


def strong_question(made: Analysis, question: Question) -> Analysis:
    made.ensembles[question].auc = ConfidenceInterval(value=0.9, low=0.85, high=0.95)
    return made


@pytest.mark.parametrize("strongest", [FACE, WHOLE])
def test_the_strongest_question_is_in_front_and_an_undecided_weaker_one_is_open(
    strongest: Question,
) -> None:
    made = analysis([track("A", both(0.5, 0.5))], [model("one"), whole()])
    out = decide(strong_question(made, strongest))
    weaker = WHOLE if strongest is FACE else FACE
    assert out.verdict.question is strongest
    assert out.verdict.answers[weaker].stays_open
    assert not out.verdict.answers[strongest].stays_open
    assert out.judged[0].question is strongest
    assert {r.subject for r in out.verdict.reasons} == {"A"}


def test_fake_by_the_weaker_question_stands_in_front() -> None:
    made = strong_question(analysis([track("A", both(0.1, 0.95))], [model("one"), whole()]), FACE)
    out = decide(made)
    assert (out.verdict.label, out.verdict.question) == (Label.FAKE, WHOLE)
    assert out.verdict.probability == pytest.approx(0.95)


def test_bundled_models_alone_need_every_question_for_no_sign_and_say_which_is_open() -> None:
    made = strong_question(analysis([track("A", both(0.1, 0.5))], [model("one"), whole()]), FACE)
    out = decide(made)
    assert out.verdict.label is Label.INCONCLUSIVE and out.verdict.question is FACE
    assert out.verdict.answers[FACE].label is Label.REAL
    assert out.verdict.reasons[0].code is ReasonCode.OTHER_QUESTION_OPEN
    assert "whole picture" in out.verdict.reasons[0].text


# --- evidence adds up -----------------------------------------------------------------------------


def test_contributions_add_up_to_the_combined_score() -> None:
    made = beside(1.7)
    made.ensembles[FACE].calibration = Calibration(scale=1.0, offset=-0.3, data="made", clips=9)
    made.ensembles[FACE].multiple_testing_penalty = 0.2
    made.ensembles[FACE].uncertainty.size = 0.7
    small = [face(i, width=80.0, gend=0.4, one=0.2, two=0.1) for i in range(5)]
    made.subjects = [*made.subjects, track("B", small)]
    for out in (decide(made), decide(made, models=["one", "two"]), decide(made, models=["two"])):
        for answer in out.verdict.answers.values():
            if answer.probability is not None:
                total = sum(part.logit for part in answer.contributions)
                assert total == pytest.approx(logit(answer.probability), abs=1e-9)
    kinds = {c.kind for c in decide(made).verdict.answers[FACE].contributions}
    assert kinds >= {"model", "start", "people"}


def test_no_model_decides_alone_and_none_is_said_to_disagree() -> None:
    """Two models below the threshold that agree pass it together: evidence is added."""
    faces = [face(i, one=0.7, two=0.7) for i in range(5)]
    out = decide(analysis([track("A", faces)], [model("one"), model("two")]))
    assert out.verdict.label is Label.FAKE and out.verdict.agree == 2
    assert all(m.label is Label.INCONCLUSIVE for m in out.models)
    reason = out.verdict.reasons[0]
    assert reason.code is ReasonCode.TOGETHER_ABOVE
    assert "One and Two lean the same way" in reason.text
    assert "agree" not in reason.text and "0 of" not in reason.text


def test_a_positive_verdict_always_has_a_model_on_its_side() -> None:
    made = beside(2.0)
    for scores in ((2.0, -0.9), (0.9, 0.9), (3.0, 0.1)):
        made.subjects = [
            track("A", [face(i, one=scores[0], two=scores[1], gend=0.6) for i in range(5)])
        ]
        out = decide(made)
        if out.verdict.label is Label.FAKE:
            assert out.verdict.agree >= 1


def test_an_untouched_mix_is_the_verdict() -> None:
    made = beside(1.7)
    plain = decide(made)
    counted = [m.id for m in plain.models if m.counted]
    same = decide(made, mix=CustomEnsemble(models=counted, weights=dict.fromkeys(counted, 1.0)))
    assert same.verdict.label is plain.verdict.label
    assert same.verdict.probability == plain.verdict.probability
    assert same.verdict.answers == plain.verdict.answers


# --- lean and odds --------------------------------------------------------------------------------

TABLE = [
    OddsPoint(logit=-2.0, share=0.1, low=0.03, high=0.2, clips=40),
    OddsPoint(logit=0.0, share=0.5, low=0.4, high=0.6, clips=60),
    OddsPoint(logit=2.0, share=0.7, low=0.6, high=0.8, clips=40),
]


@pytest.mark.parametrize(
    ("score", "share", "lean"),
    [
        (0.5, 0.5, Lean.NONE),
        (sigmoid(0.8), 0.58, Lean.NONE),
        (sigmoid(-0.5), 0.4, Lean.UNTOUCHED),
    ],
)
def test_an_inconclusive_file_leans_by_what_such_scores_meant(
    score: float, share: float, lean: Lean
) -> None:
    made = analysis([track("A", with_scores(*[score] * 5))])
    made.ensembles[FACE].odds = TABLE
    out = decide(made)
    answer = out.verdict.answers[FACE]
    assert answer.odds is not None and answer.odds.share == pytest.approx(share, abs=0.005)
    assert answer.odds.low <= answer.odds.share <= answer.odds.high
    assert out.verdict.lean is lean if out.verdict.label is Label.INCONCLUSIVE else True


def test_odds_are_level_beyond_what_was_measured_and_missing_where_few_clips_are() -> None:
    made = analysis([track("A", with_scores(*[sigmoid(6.0)] * 5))])
    made.ensembles[FACE].odds = TABLE
    answer = decide(made).verdict.answers[FACE]
    assert answer.odds is not None and answer.odds.share == 0.7
    made.ensembles[FACE].odds = [p.model_copy(update={"clips": 12}) for p in TABLE]
    assert decide(made).verdict.answers[FACE].odds is None
    picture = analysis([track("A", with_scores(0.5))], kind="image", duration=None)
    picture.ensembles[FACE].odds = TABLE
    assert decide(picture).verdict.answers[FACE].odds is None  # measured on clips
    other = analysis([track("A", with_scores(*[0.5] * 5))])
    other.ensembles[FACE].odds = TABLE
    other.ensembles[FACE].models = ["one", "gone"]
    assert decide(other).verdict.answers[FACE].odds is None  # of another set


def test_without_odds_the_score_itself_leans() -> None:
    for strong, lean in ((1.0, Lean.MANIPULATED), (0.3, Lean.NONE), (-0.7, Lean.UNTOUCHED)):
        assert decide(beside(strong, ours=0.0)).verdict.lean is lean


# --- where a label is lowered ---------------------------------------------------------------------


def test_what_lowered_a_label_is_kept_with_it() -> None:
    few = decide(analysis([track("A", with_scores(0.99, 0.99))]))
    assert few.verdict.answers[FACE].lowered_by is ReasonCode.TOO_FEW_FRAMES
    lonely = decide(analysis([track("A", with_scores(*[0.99] * 5))], min_models=2))
    assert lonely.verdict.answers[FACE].lowered_by is ReasonCode.TOO_FEW_MODELS
    plain = decide(analysis([track("A", with_scores(*[0.99] * 5))]))
    assert plain.verdict.answers[FACE].lowered_by is None


def test_a_verdict_that_turns_around_under_small_changes_is_none() -> None:
    def trial(label: Label, p: float) -> PerturbationResult:
        return PerturbationResult(
            condition="crf-32", title="h264 CRF 32", probability=p, label=label
        )

    made = analysis([track("A", with_scores(*[0.95] * 5))])
    made.robustness = Robustness(
        question=FACE, sampled=5, unchanged=trial(Label.FAKE, 0.95),
        trials=[trial(Label.REAL, 0.1)], seconds=1.0,
    )  # fmt: skip
    out = decide(made)
    assert out.verdict.label is Label.INCONCLUSIVE
    assert out.verdict.answers[FACE].lowered_by is ReasonCode.FRAGILE
    assert out.verdict.reasons[0].code is ReasonCode.FRAGILE
    made.robustness.trials = [trial(Label.INCONCLUSIVE, 0.5)]
    weak = decide(made)
    assert weak.verdict.label is Label.FAKE
    assert CaveatCode.COPIES in [c.code for c in weak.verdict.caveats]
    moved = decide(made, thresholds=Thresholds(low=0.6, high=0.7, custom=True))
    assert moved.verdict.label is Label.INCONCLUSIVE  # by these it turns around
    assert made.robustness.trials[0].label is Label.INCONCLUSIVE  # and nothing was changed in place


def test_who_is_not_below_keeps_the_file_from_no_sign_and_is_named() -> None:
    made = analysis([track("A", with_scores(*[0.1] * 5)), track("B", with_scores(*[0.35] * 5))])
    made.subjects += [track(c, with_scores(*[0.05] * 5)) for c in "CDEF"]
    out = decide(made)
    assert out.verdict.label is Label.INCONCLUSIVE and out.verdict.subject == "B"
    assert out.verdict.reasons[0].code is ReasonCode.SOMEBODY_ABOVE
    assert "Person B" in out.verdict.reasons[0].text


def test_deciding_changes_nothing_in_place() -> None:
    made = beside(2.5)
    before = made.model_dump_json()
    first = decide(made)
    after_first = first.model_dump_json()
    decide(first, models=["one"])
    decide(first, thresholds=Thresholds(low=0.1, high=0.2, custom=True))
    assert made.model_dump_json() == before and first.model_dump_json() == after_first
    assert decide(first) == first


# --- words ----------------------------------------------------------------------------------------


def test_every_code_has_a_sentence() -> None:
    codes = {code.value for code in ReasonCode}
    assert codes <= set(said_reasons.WORDINGS)
    written = {CaveatCode.WRITTEN.value}
    assert {code.value for code in CaveatCode} - written <= set(said_caveats.WORDINGS)
    of_pictures = {"face_size", "sharpness", "compression", "frames", "surroundings"}
    assert set(said_caveats.EVIDENCE) == of_pictures | {"speech", "band", "noise"}


@pytest.mark.parametrize(
    ("kind", "how", "expected"),
    [
        ("video", {}, "The score lies between the thresholds; its highest moment is 95 %"),
        ("video", {"one_threshold": True},
         "The score is not over the threshold of 91 %; its highest moment is 95 %"),
        ("image", {"one_threshold": True}, "The score is not over the threshold of 91 %"),
        ("image", {"never": True, "one_threshold": True}, "No score of these models decides"),
    ],
)  # fmt: skip
def test_a_threshold_that_does_not_exist_is_not_named(
    kind: str, how: dict[str, bool], expected: str
) -> None:
    params = {"kind": kind, "highest": 0.951, "high": 0.912, **how}
    said = said_reasons.WORDINGS["between_thresholds"](params, ENGLISH)[0]
    assert said.replace("\u00a0", " ") == expected


def test_a_reason_is_said_in_the_language_of_whoever_looks() -> None:
    class Brackets:
        def gettext(self, message: str, /) -> str:
            return f"⟦{message}⟧"

        def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str:
            return f"⟦{msgid2}⟧"

    out = decide(beside(3.0))
    for message in (*out.verdict.reasons, *out.verdict.caveats, *out.evidence):
        text = messages.text(message, Brackets())
        assert text.startswith("⟦") and text != messages.text(message)


def test_the_json_says_codes_and_reads_back_without_the_words() -> None:
    out = decide(beside(3.0))
    data = out.model_dump(mode="json")
    reason = data["verdict"]["reasons"][0]
    assert reason["code"] == "above_threshold" and reason["text"] == "Traces that gend knows"
    reason["text"] = "changed by hand"
    assert Analysis.model_validate(data).verdict == out.verdict
    assert Contribution.model_validate({"kind": "start", "logit": -0.4}).id == ""


def test_face_is_said_of_faces_only() -> None:
    made = analysis([track("A", both(0.5, 0.95))], [model("one"), whole()])
    out = decide(made)
    assert out.verdict.question is WHOLE
    answer = out.verdict.answers[WHOLE]
    assert not any("face" in reason.text.lower() for reason in answer.reasons)
    assert Reason(code=ReasonCode.TOO_FEW_FRAMES, params={"scored": 1, "whole": True}).text == (
        "The whole picture is seen well in only 1 frame"
    )
    assert Caveat(code=CaveatCode.STAYS_OPEN, params={"question": "synthesis"}).text.startswith(
        "Whether the whole picture"
    )


def test_limits_of_a_clear_file_do_not_ask_who_changed_it() -> None:
    clear = decide(analysis([track("A", with_scores(*[0.05] * 5))]))
    assert clear.verdict.label is Label.REAL
    assert CaveatCode.WHO_AND_WHY not in [c.code for c in clear.verdict.caveats]
    assert decide(analysis([])).verdict.limits == ["Anything about this file. It was not judged."]


def test_thresholds_are_shown_as_they_decide() -> None:
    assert decide(analysis([track("A", with_scores(*[0.5] * 5))])).verdict.thresholds == LIMITS


def test_a_part_that_stands_out_is_not_averaged_away() -> None:
    """A short change in a long clip: the mean of all says "untouched", and must not."""
    scores = [0.05] * 20
    made = analysis([track("A", with_scores(*scores)), track("B", with_scores(*scores))])
    assert decide(made).verdict.label is Label.REAL
    scores[8:11] = [0.97, 0.99, 0.98]
    made.subjects[1] = track("B", with_scores(*scores))
    out = decide(made)
    answer = out.verdict.answers[FACE]
    assert out.verdict.label is Label.INCONCLUSIVE and out.verdict.lean is Lean.NONE
    assert answer.odds is None  # such clips were not among those that odds were counted on
    first = out.verdict.reasons[0]
    assert first.code is ReasonCode.PART_ABOVE and first.subject == "B"
    times = [face.time for face in made.subjects[1].frames]
    assert (first.params["start"], first.time) == (times[8], times[9])
    assert first.text.startswith("From 00:") and "in the rest it is not" in first.text
    assert "averaged away" in first.detail
    scores[9] = 0.05  # two single moments are what untouched clips have, too
    made.subjects[1] = track("B", with_scores(*scores))
    assert ReasonCode.PART_ABOVE not in [r.code for r in decide(made).verdict.reasons]
