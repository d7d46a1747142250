"""The policy: whose thresholds, which question is in front, what adds up."""

import math

import pytest

from detector import messages
from detector.decision import decide, label_of, logit, sigmoid
from detector.decision.conformal import ThresholdStore
from detector.messages import reasons
from detector.models import registry
from detector.pipeline import initial_results
from detector.presentation import lead
from detector.presentation.verdict import headline as headline_of
from detector.presentation.verdict import limits
from detector.schema.analysis import (
    Alone,
    Analysis,
    Audio,
    Basis,
    Calibration,
    Caveat,
    CaveatCode,
    ConfidenceInterval,
    Contribution,
    CustomEnsemble,
    Ensemble,
    FileKind,
    Label,
    Modality,
    OddsPoint,
    Question,
    Reason,
    ReasonCode,
    SpanSegment,
    Subject,
    Thresholds,
)
from detector.schema.ensemble import SkillCheck
from detector.sentences import _, use
from tests.support.likelihoods import fitted, refit
from tests.unit.detector.test_verdict import (
    analysis,
    both,
    face,
    model,
    own_threshold,
    track,
    whole,
    with_scores,
)

FACE, WHOLE = Question.MANIPULATION, Question.SYNTHESIS


def published(id="gend", point=0.5, **changes):
    """A published model that nobody calibrated here."""
    return model(id, calibration=None, operating_point=point, label_order="documented", **changes)


def beside(strong, one=0.1, two=-0.1):
    """A published model's constant logit beside bundled scores near zero, five frames."""
    faces = [face(i, gend=strong, one=one, two=two, synth=0.2) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), model("two"), whole(), published()])
    made.ensembles[FACE].models = ["one", "two"]
    refit(made, Thresholds(low=0.33, high=0.89))
    return made


GRID = (-40.0, -8.0, -2.2, -0.4, 0.0, 0.4, 1.3, 1.5, 2.2, 8.0, 40.0)


def same_numbers(answer, alone):
    """Nothing that measured models say is moved by one that was not measured."""
    kept = {"probability", "thresholds", "odds", "basis", "contributions", "counted", "kind"}
    kept.add("agreeing_models")
    assert answer.model_dump(include=kept) == alone.model_dump(include=kept)


def measured(ours, strong, **limits):
    """A measured set that may say "no sign", with this score, and a published model's."""
    made = beside(strong, one=ours, two=ours)
    made.models.pop(2)  # the question of the whole picture is not asked
    values: dict[str, object] = {"low": 0.3, "high": 0.7}
    refit(made, Thresholds.model_validate(values | limits))
    return made


@pytest.mark.parametrize("strong", GRID)
@pytest.mark.parametrize("ours", GRID)
def test_beside_measured_models_an_unmeasured_one_moves_no_number_and_clears_nothing(ours, strong):
    made = measured(ours, strong)
    alone, both = decide(made, models=["one", "two"]), decide(made)
    assert both.verdict.basis is Basis.MEASURED
    same_numbers(both.verdict, alone.verdict)
    accused = strong > logit(0.8)
    cleared = alone.verdict.label is Label.REAL
    assert both.verdict.label is (
        Label.INCONCLUSIVE if cleared and accused else alone.verdict.label
    )
    named = decide(made, models=["one", "two", "gend"]).verdict
    assert named == both.verdict  # and naming it changes nothing
    # It is scored and shown all the same, by its authors' point and the margin.
    gend = both.models[-1]
    assert (gend.counted, gend.not_counted_because) == (False, "not measured here")
    assert gend.probability == pytest.approx(sigmoid(strong))
    assert gend.label is (Label.PROBABLY_FAKE if accused else Label.INCONCLUSIVE)
    assert all("gend" in frame.scores for frame in both.judged[0].frames)


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_still_has_limits_of_its_own(kind):
    made = measured(1.2, 0.0)  # 0.92 of two
    made.media.kind = kind
    fit = made.likelihoods[FileKind.STILL]
    made.likelihoods[FileKind.STILL] = fit.model_copy(
        update={"thresholds": Thresholds(low=0.0, high=0.97)}
    )
    answer = decide(made).verdict
    expected = {"video": (Label.FAKE, 0.7), "image": (Label.INCONCLUSIVE, 0.97)}[kind]
    assert (answer.label, answer.thresholds.high) == expected


def test_what_it_calls_manipulated_is_cleared_by_nobody():
    made = measured(-4.0, 3.0)
    refit(made, odds=TABLE)
    made.subjects[0].frames[3].logits |= {"one": -3.0, "gend": 3.5}
    out = decide(made)
    answer = out.verdict
    assert out.verdict.label is Label.INCONCLUSIVE
    assert answer.vetoed_by is ReasonCode.UNMEASURED_ABOVE
    first, second = out.verdict.reasons
    assert (first.code, first.model, first.subject) == (ReasonCode.UNMEASURED_ABOVE, "gend", "A")
    assert messages.text(first) == "Gend, which was not measured here, calls it manipulated"
    assert first.time == made.subjects[0].frames[3].time
    assert second.code is ReasonCode.BELOW_THRESHOLD
    assert lead.sentence(out) == f"{messages.text(first)}."


def test_of_an_inconclusive_file_it_is_named_where_it_calls_it_fake():
    for ours, strong, reason in ((0.0, 3.0, True), (0.0, 1.3, False), (0.3, -9.0, False)):
        out = decide(measured(ours, strong))
        codes = [r.code for r in out.verdict.reasons]
        assert out.verdict.label is Label.INCONCLUSIVE
        assert (ReasonCode.UNMEASURED_ABOVE in codes) is reason
        assert codes[0] is ReasonCode.BETWEEN_THRESHOLDS


def test_a_measured_finding_is_never_lowered_by_it_nor_named_after_it():
    for strong in (-40.0, 40.0):
        out = decide(measured(4.0, strong))
        assert out.verdict.label is Label.FAKE
        assert ReasonCode.UNMEASURED_ABOVE not in [r.code for r in out.verdict.reasons]


def test_it_is_heard_of_anybody_who_is_seen_well_and_switched_off_of_nobody():
    made = measured(-4.0, -4.0)
    made.subjects.append(track("B", [face(i, one=-5.0, two=-5.0, gend=3.0) for i in range(5)]))
    out = decide(made)
    assert out.verdict.label is Label.INCONCLUSIVE and out.verdict.subject == "A"
    assert out.verdict.reasons[0].subject == "B"
    without = CustomEnsemble(models=["one", "two", "gend"], weights={"gend": 0.0})
    assert decide(made, ensemble=without).verdict.label is Label.REAL
    assert decide(made, models=["one", "two"]).verdict.label is Label.REAL
    made.models[-1].label_order = "unverified"
    assert decide(made).verdict.label is Label.REAL
    made.models[-1].label_order = "documented"
    small = [face(i, width=50.0, one=-5.0, two=-5.0, gend=3.0) for i in range(5)]
    made.subjects[1] = track("B", small)
    assert decide(made).verdict.label is Label.REAL


@pytest.mark.parametrize("no_sign", [True, False])
def test_a_model_that_was_calibrated_on_ones_own_files_votes_and_clears_where_ours_may(no_sign):
    fitted = Calibration(scale=1.0, offset=0.0, data="60 clips of mine", clips=60)
    for strong, label in ((-9.0, Label.REAL if no_sign else Label.INCONCLUSIVE), (9.0, Label.FAKE)):
        made = measured(0.0, strong, low=0.3 if no_sign else 0.0)
        made.models[-1].calibration = fitted
        out = decide(made)
        answer = out.verdict
        assert out.verdict.label is label and answer.basis is Basis.SUBSET
        assert {c.id for c in answer.contributions if c.kind == "model"} == {"one", "two", "gend"}
        assert answer.thresholds.low <= limits_of(made).low
        assert answer.thresholds.high >= limits_of(made).high


def test_own_thresholds_of_the_measured_set_hold_beside_it():
    for strong in GRID:
        made = measured(4.0, strong, low=0.4)
        made.own = own_of(made, "one", "two")
        out = decide(made).verdict
        assert out.label is Label.FAKE and out.basis is Basis.OWN
        same_numbers(out, decide(made, models=["one", "two"]).verdict)
        made.subjects = measured(-4.0, strong).subjects
        accused = strong > logit(0.8)
        assert decide(made).verdict.label is (Label.INCONCLUSIVE if accused else Label.REAL)


@pytest.mark.parametrize("ids", [("gend",), ("one", "two", "gend")])
def test_own_thresholds_of_a_set_with_unmeasured_models_find_and_never_clear(ids):
    for score, label in ((4.0, Label.FAKE), (-40.0, Label.INCONCLUSIVE)):
        made = measured(score, score)
        made.own = own_of(made, *ids)
        out = decide(made, models=ids)
        answer = out.verdict
        assert out.verdict.label is label and answer.basis is Basis.OWN
        assert {m.id for m in out.models if m.counted} == set(ids)
        assert (answer.thresholds.low, answer.thresholds.can_clear) == (0.0, False)
        assert answer.odds is None


def test_setting_an_own_threshold_counts_the_whole_set():
    made = measured(0.0, 4.0)
    ids = ["one", "two", "gend"]
    out = decide(made, models=ids, unmeasured=True)
    assert [m.id for m in out.models if m.counted] == ids
    assert out.verdict.label is not Label.REAL and out.verdict.thresholds.low == 0.0
    made.models[-1].operating_point = None
    raw = decide(made, models=ids, unmeasured=True)
    assert raw.verdict.basis is Basis.SUBSET
    assert not raw.verdict.thresholds.can_clear


def test_an_own_threshold_of_a_smaller_set_is_no_more_permissive_below():
    made = measured(-1.0, 0.0)  # 0.27: under the measured low, over that of any other set
    made.own = own_of(made, "one")
    out = decide(made, models=["one"]).verdict
    assert out.basis is Basis.OWN
    assert out.thresholds.low == pytest.approx(0.2)
    assert out.label is Label.INCONCLUSIVE


def limits_of(made):
    return made.likelihoods[FileKind.CLIP].thresholds


def own_of(made, *ids):
    return own_threshold(*(m for m in made.models if m.id in ids))


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (0.999, Label.PROBABLY_FAKE),
        (0.81, Label.PROBABLY_FAKE),
        (0.79, Label.INCONCLUSIVE),
        (0.21, Label.INCONCLUSIVE),
        (1e-9, Label.INCONCLUSIVE),
    ],
)
def test_alone_it_finds_over_its_point_and_the_margin_and_never_clears(score, label):
    made = analysis([track("A", [face(i, gend=logit(score)) for i in range(5)])], [published()])
    for out in (decide(made), decide(measured(0.0, logit(score)), models=["gend"])):
        answer = out.verdict
        assert out.verdict.label is label and answer.basis is Basis.PUBLISHED
        assert (answer.thresholds.probably_high, answer.thresholds.high) == (0.8, 1.0)
        assert not answer.thresholds.can_clear and "not measured" in answer.thresholds.data
        assert answer.odds is None  # nobody measured what such a score means
        codes = [c.code for c in out.verdict.caveats]
        assert CaveatCode.PUBLISHED_POINT in codes
        assert CaveatCode.NO_SIGN_WITHHELD not in codes  # that was measured of other models
        assert "so it can't clear a file" in limits(out)


def test_thresholds_that_a_person_moves_do_not_make_it_clear():
    made = measured(-4.0, -4.0)
    moved = Thresholds(low=0.6, high=0.7, custom=True)
    alone = decide(made, models=["gend"], thresholds=moved).verdict
    assert alone.label is Label.INCONCLUSIVE and not alone.thresholds.can_clear
    assert alone.thresholds.high == 0.7 and alone.thresholds.custom
    assert decide(made, thresholds=moved).verdict.label is Label.REAL


def test_where_measured_models_fail_an_unmeasured_one_does_not_take_their_place():
    made = measured(0.0, 9.0)
    made.ensembles[FACE].min_models = 2
    for failed in made.models[:2]:
        failed.error = "it stopped while scoring"
    for asked in (None, ["one", "two", "gend"]):
        made.settings.models = asked
        out = decide(made)
        assert out.verdict.label is Label.INCONCLUSIVE
        assert out.verdict.reasons[0].code is ReasonCode.TOO_FEW_MODELS
    assert decide(made, models=["gend"]).verdict.label is Label.PROBABLY_FAKE


WEAK = ("meso4-df", "meso4-f2f", "mesoinception4-df", "mesoinception4-f2f", "classnseg:full")


def weak(id):
    """A published model as the catalog has it."""
    spec = initial_results.result(registry.get_spec(id))
    changes: dict[str, object] = {"scored": 10}
    if spec.label_order == "unverified":
        changes |= {"label_order": "documented", "operating_point": 0.5}
    return spec.model_copy(update=changes)


@pytest.mark.parametrize("no_sign", [None, True])
@pytest.mark.parametrize("id", WEAK)
def test_a_weak_published_model_clears_nothing_that_ships_and_takes_no_finding(id, no_sign):
    """Meso4 (AUC 0.50 here), added by one click, once cleared 24 of 51 fakes."""
    ensemble = registry.manifest().ensembles[FACE]
    limits = Thresholds(low=0.3 if no_sign else 0.0, high=0.85)
    ours = [weak(name) for name in ensemble.models]
    ids = [m.id for m in ours]
    said = set()
    for raw in (-60.0, -6.0, -2.0, -0.5, 0.0, 0.5, 2.0, 6.0, 60.0):
        for theirs in GRID:
            faces = [face(i, **dict.fromkeys(ids, raw), **{id: theirs}) for i in range(5)]
            made = analysis([track("A", faces)], [*ours, weak(id)])
            made.ensembles = {FACE: ensemble}
            made.likelihoods = fitted(ours, limits)
            alone, both = decide(made, models=ids).verdict, decide(made).verdict
            same_numbers(both, alone)
            said.add(alone.label)
            if alone.label is Label.FAKE or both.label is Label.REAL:
                assert both.label is alone.label, (raw, theirs)
            # Without ours it may find, and clears nothing.
            assert decide(made, models=[id]).verdict.label is not Label.REAL
    assert Label.FAKE in said
    assert no_sign is None or Label.REAL in said


def test_a_published_model_that_fails_leaves_the_bundled_ones_their_thresholds():
    made = beside(3.0)
    made.models[-1].error = "it stopped while scoring"
    answer = decide(made).verdict
    assert answer.basis is Basis.MEASURED and answer.thresholds.high == 0.89


def test_a_model_without_a_point_says_so():
    raw = model("raw", calibration=None, label_order="documented")
    out = decide(analysis([track("A", [face(i, raw=5.0) for i in range(5)])], [raw]))
    assert out.verdict.label is Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code is ReasonCode.NO_OPERATING_POINT
    assert "Raw gave scores" in messages.text(out.verdict.reasons[0])


def test_one_whose_fitted_weight_is_nothing_votes_only_alone():
    """As VideoMAE: naming the whole default set is no other set than the default one."""
    faces = [face(i, one=1.0, two=5.0) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), model("two", weight=0)])
    made.ensembles[FACE].models = ["one"]
    plain = decide(made)
    assert plain.verdict.probability == pytest.approx(sigmoid(1.0))
    assert plain.verdict.basis is Basis.MEASURED
    assert plain.models[1].not_counted_because == "it adds nothing beside the other models"
    assert decide(made, models=["one", "two"]) == plain
    alone = decide(made, models=["two"])
    assert alone.models[1].counted and alone.verdict.probability == pytest.approx(sigmoid(5.0))
    assert alone.verdict.basis is Basis.SUBSET


def test_two_published_models_that_agree_are_surer_than_each():
    def of(*ids):
        faces = [face(i, **dict.fromkeys(ids, 1.5)) for i in range(5)]
        found = decide(analysis([track("A", faces)], [published(id) for id in ids]))
        assert found.verdict.probability is not None
        return logit(found.verdict.probability)

    assert of("a") == pytest.approx(1.5)  # alone it stands at its point
    assert of("a") < of("a", "b") < of("a", "b", "c") < 3 * 1.5


def test_other_sets_of_calibrated_models_never_have_narrower_thresholds():
    made = beside(0.0)
    answer = decide(made, models=["one"]).verdict
    assert answer.basis is Basis.SUBSET
    assert (answer.thresholds.low, answer.thresholds.high) == (0.2, 0.89)
    assert answer.thresholds.false_positives is None
    moved = decide(made, thresholds=Thresholds(low=0.4, high=0.6, custom=True))
    assert moved.verdict.basis is Basis.CUSTOM


def test_a_set_that_may_not_say_no_sign_never_does():
    made = analysis([track("A", with_scores(*[0.001] * 5))])
    refit(made, Thresholds(low=0.0, high=0.9))
    out = decide(made)
    assert out.verdict.label is Label.INCONCLUSIVE
    assert CaveatCode.NO_SIGN_WITHHELD in [c.code for c in out.verdict.caveats]
    assert "aren't reliable enough to call" in limits(out)
    assert "not over the threshold of 90" in messages.text(out.verdict.reasons[0])


@pytest.mark.parametrize("whole_score", [-9.0, 1.0, 3.0])
def test_a_question_that_only_unmeasured_models_answer_is_no_part_beside_a_measured_one(
    whole_score,
):
    """It is a witness: it accuses nobody, and keeps from being cleared what it calls fake."""
    faces = [face(i, one=-4.0, synth=whole_score) for i in range(5)]
    theirs = whole(calibration=None, operating_point=0.5, label_order="documented")
    made = analysis([track("A", faces)], [model("one"), theirs])
    refit(made).likelihoods = fitted(made.models[:1])
    out = decide(made).verdict
    assert set(out.parts) == {FACE} and out.probability == pytest.approx(sigmoid(-4.0))
    accused = whole_score > logit(0.8)
    assert out.label is (Label.INCONCLUSIVE if accused else Label.REAL)
    assert (out.vetoed_by is ReasonCode.UNMEASURED_ABOVE) is accused


@pytest.mark.parametrize(
    ("heard", "label", "headline"),
    [
        (-2.0, Label.REAL, "No sign of manipulation found"),
        (1.0, Label.INCONCLUSIVE, "Can’t tell"),
        (6.0, Label.FAKE, "Likely cloned"),
    ],
)
def test_the_voice_of_a_video_is_one_more_part_of_its_likelihood(heard, label, headline):
    made = analysis([track("A", with_scores(*[0.01] * 5))])
    made.media.audio = Audio(codec="aac", channels=1, sample_rate=16_000)
    said = SpanSegment(start=0, end=4, logits={"voice": heard})
    made.subjects.append(
        Subject(id="voice", modality=Modality.VOICE, start=0, end=4, thumbnail_time=0, spans=[said])
    )
    made.models.append(model("voice", kind="audio", task="voice", modality=Modality.VOICE))
    made.ensembles[Question.VOICE] = Ensemble(models=["voice"])
    refit(made, people=0.5)
    out = decide(made)
    assert out.verdict.label is label and headline_of(out) == headline
    odds = (math.exp(heard) + 0.01 / 0.99) / math.sqrt(2)
    assert out.verdict.probability == pytest.approx(odds / (1 + odds))
    assert set(out.verdict.parts) == {FACE, Question.VOICE}


def test_contributions_add_up_to_the_combined_score():
    made = beside(1.7)
    made.ensembles[FACE].calibration = Calibration(scale=1.0, offset=-0.3, data="made", clips=9)
    refit(made, people=0.2)
    small = [face(i, width=80.0, gend=0.4, one=0.2, two=0.1) for i in range(5)]
    made.subjects = [*made.subjects, track("B", small)]
    for out in (decide(made), decide(made, models=["one", "two"]), decide(made, models=["two"])):
        total = sum(part.logit for part in out.verdict.contributions)
        assert total == pytest.approx(logit(out.verdict.probability), abs=1e-9)
    kinds = {c.kind for c in decide(made).verdict.contributions}
    assert kinds == {"model", "others", "start"}


def test_no_model_decides_alone_and_none_is_said_to_disagree():
    faces = [face(i, one=0.7, two=0.7) for i in range(5)]
    out = decide(analysis([track("A", faces)], [model("one"), model("two")]))
    assert out.verdict.label is Label.FAKE and out.verdict.agreeing_models == 2
    assert all(m.label is Label.INCONCLUSIVE for m in out.models)
    reason = out.verdict.reasons[0]
    assert reason.code is ReasonCode.TOGETHER_ABOVE
    assert "One and Two agree" in messages.text(reason) and "0 of" not in messages.text(reason)


def test_an_untouched_mix_is_the_verdict():
    made = beside(1.7)
    plain = decide(made)
    heard = [m.id for m in plain.models if m.heard]
    assert heard == ["one", "two", "synth", "gend"]
    same = decide(made, ensemble=CustomEnsemble(models=heard, weights=dict.fromkeys(heard, 1.0)))
    assert same.verdict.label is plain.verdict.label
    assert same.verdict.probability == plain.verdict.probability
    assert same.verdict.answers == plain.verdict.answers


TABLE = [
    OddsPoint(logit=-2.0, share=0.1, low=0.03, high=0.2, clips=40),
    OddsPoint(logit=0.0, share=0.5, low=0.4, high=0.6, clips=60),
    OddsPoint(logit=2.0, share=0.7, low=0.6, high=0.8, clips=40),
]


@pytest.mark.parametrize(("score", "share"), [(0.5, 0.5), (sigmoid(0.8), 0.58), (0.38, 0.4)])
def test_odds_say_what_such_scores_meant(score, share):
    made = analysis([track("A", with_scores(*[score] * 5))])
    refit(made, odds=TABLE)
    answer = decide(made).verdict
    assert answer.odds.share == pytest.approx(share, abs=0.005)
    assert answer.odds.low <= answer.odds.share <= answer.odds.high
    assert answer.likelihood_ratio == pytest.approx(share / (1 - share), rel=0.03)
    assert answer.support == "none"


def test_odds_are_level_beyond_what_was_measured_and_missing_where_few_clips_are():
    made = analysis([track("A", with_scores(*[sigmoid(6.0)] * 5))])
    refit(made, odds=TABLE)
    assert decide(made).verdict.odds.share == 0.7
    refit(made, odds=[p.model_copy(update={"clips": 12}) for p in TABLE])
    assert decide(made).verdict.odds is None
    other = analysis([track("A", with_scores(*[0.5] * 5))])
    refit(other, odds=TABLE)
    other.ensembles[FACE].models = ["one", "gone"]
    assert decide(other).verdict.odds is None  # of another set


def test_every_code_has_a_sentence():
    assert {code.value for code in ReasonCode} <= set(reasons.REASONS)
    assert {code.value for code in CaveatCode} <= set(reasons.CAVEATS)
    of_pictures = {"face_size", "sharpness", "compression", "frames", "surroundings"}
    assert set(reasons.EVIDENCE) == of_pictures | {"speech", "band", "noise", "clipping"}


@pytest.mark.parametrize(
    ("kind", "how", "expected"),
    [
        ("video", {}, "The score lies between the thresholds; its highest moment is 95 %"),
        ("video", {"one_threshold": True},
         "The score is not over the threshold of 91.2 %; its highest moment is 95 %"),
        ("image", {"one_threshold": True}, "The score is not over the threshold of 91.2 %"),
        ("video", {"one_threshold": True, "highest": 0.9121},
         "The score is not over the threshold of 91.2 %; its highest moment is 91.21 %"),
        ("image", {"never": True, "one_threshold": True}, "No score of these models decides"),
    ],
)  # fmt: skip
def test_a_threshold_that_does_not_exist_is_not_named(kind, how, expected):
    params = {"kind": kind, "highest": 0.951, "high": 0.912, **how}
    said = reasons.REASONS["between_thresholds"](params)[0]
    assert said.replace("\u00a0", " ") == expected


def test_a_reason_is_said_in_the_language_of_whoever_looks():
    class Brackets:
        def gettext(self, message, /):
            return f"⟦{message}⟧"

        def ngettext(self, msgid1, msgid2, n, /):
            return f"⟦{msgid2}⟧"

        def info(self):
            return {}

    out = decide(beside(3.0))
    for message in (*out.verdict.reasons, *out.verdict.caveats):
        with use(Brackets()):
            assert messages.text(message).startswith("⟦")
        assert not messages.text(message).startswith("⟦")


def test_the_json_says_codes_and_no_sentence_and_reads_back():
    out = decide(beside(3.0), models=["gend"])
    data = out.model_dump(mode="json")
    reason = data["verdict"]["reasons"][0]
    assert reason["code"] == "above_threshold" and "text" not in reason
    assert Analysis.model_validate(data).verdict == out.verdict
    assert Contribution.model_validate({"kind": "start", "logit": -0.4}).id == ""


def test_face_is_said_of_faces_only():
    out = decide(analysis([track("A", both(0.5, 0.95))], [model("one"), whole()]))
    assert out.verdict.question is WHOLE
    assert not any(
        "face" in messages.text(r).lower() for r in out.verdict.reasons if r.model == "synth"
    )
    assert messages.text(
        Reason(code=ReasonCode.TOO_FEW_FRAMES, params={"scored": 1, "whole": True})
    ) == ("The whole picture is seen well in only 1 frame")
    assert messages.text(
        Caveat(code=CaveatCode.NOT_ASKED, params={"question": "synthesis"})
    ).startswith("Whether a head was generated")


def test_limits_of_a_clear_file_do_not_ask_who_changed_it():
    clear = decide(analysis([track("A", with_scores(*[0.05] * 5))]))
    assert clear.verdict.label is Label.REAL
    assert CaveatCode.WHO_AND_WHY not in [c.code for c in clear.verdict.caveats]
    assert [messages.text(c) for c in decide(analysis([])).verdict.caveats] == [
        "Anything about this file. It was not judged."
    ]


def test_a_part_that_stands_out_is_not_averaged_away():
    scores = [0.05] * 20
    made = analysis([track("A", with_scores(*scores)), track("B", with_scores(*scores))])
    assert decide(made).verdict.label is Label.REAL
    scores[8:11] = [0.97, 0.99, 0.98]
    made.subjects[1] = track("B", with_scores(*scores))
    out = decide(made)
    answer = out.verdict
    assert out.verdict.label is Label.INCONCLUSIVE
    assert answer.odds is None  # such clips were not among those that odds were counted on
    first = out.verdict.reasons[0]
    assert first.code is ReasonCode.PART_ABOVE and first.subject == "B"
    times = [face.time for face in made.subjects[1].frames]
    assert (first.params["start"], first.time) == (times[8], times[9])
    assert messages.text(first).startswith("From 00:") and "in the rest it is not" in messages.text(
        first
    )
    assert "averaged away" in messages.detail(first)
    scores[9] = 0.05  # two single moments are what untouched clips have, too
    made.subjects[1] = track("B", with_scores(*scores))
    assert ReasonCode.PART_ABOVE not in [r.code for r in decide(made).verdict.reasons]


BANDS = Thresholds(low=0.05, probably_low=0.2, probably_high=0.75, high=0.9)


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (0.91, Label.FAKE), (0.9, Label.PROBABLY_FAKE), (0.76, Label.PROBABLY_FAKE),
        (0.75, Label.INCONCLUSIVE), (0.2, Label.INCONCLUSIVE), (0.19, Label.PROBABLY_REAL),
        (0.05, Label.PROBABLY_REAL), (0.04, Label.REAL),
    ],
)  # fmt: skip
def test_five_answers_by_four_limits(score, label):
    assert label_of(score, BANDS) is label
    (zone,) = [name for name, start, end in BANDS.zones if start < score < end] or [label]
    assert zone is label


def test_a_band_that_is_left_out_has_no_zone_and_no_answer():
    sure = BANDS.model_copy(update={"high": 1.0, "low": 0.0})
    assert [label for label, _, _ in sure.zones] == [
        Label.PROBABLY_REAL, Label.INCONCLUSIVE, Label.PROBABLY_FAKE,
    ]  # fmt: skip
    assert {label_of(x / 1000, sure) for x in range(1001)} == {label for label, _, _ in sure.zones}
    nothing = Thresholds(low=0.0, high=1.0)
    assert nothing.never_decide and nothing.zones == [(Label.INCONCLUSIVE, 0.0, 1.0)]


def banded(*scores, people=0.0):
    made = analysis([track("ABCDEF"[i], with_scores(*[s] * 5)) for i, s in enumerate(scores)])
    return decide(refit(made, BANDS, people=people))


def test_the_odds_of_several_people_are_summed_and_their_number_takes_some_off():
    alone, out = banded(0.93), banded(0.93, 0.3, people=0.4)
    odds = (0.93 / 0.07 + 0.3 / 0.7) / 2**0.4
    assert out.verdict.probability == pytest.approx(odds / (1 + odds))
    assert alone.verdict.label is Label.FAKE and out.verdict.label is Label.FAKE
    assert [s.label for s in out.judged] == [Label.FAKE, Label.INCONCLUSIVE]
    assert banded(0.91, 0.3, people=0.9).verdict.label is Label.PROBABLY_FAKE
    said = limits(out)
    assert "Which of 2 people is fake, for sure." in said
    (several,) = (c for c in out.verdict.caveats if c.code == "which_person")
    several.params["voices"] = True
    assert messages.text(several) == "Which of 2 voices is cloned, for sure."
    assert "Which of 2" not in limits(banded(0.5, 0.3, people=0.4)), "nobody is accused"


def test_a_file_is_cleared_only_with_everybody_in_it():
    assert banded(0.02, 0.02, people=1.0).verdict.label is Label.REAL
    out = banded(0.02, 0.3, 0.02, 0.02, people=1.0).verdict
    assert out.probability < BANDS.probably_low and out.label is Label.INCONCLUSIVE
    assert (out.vetoed_by, out.subject) == (ReasonCode.PERSON_OPEN, "B")
    assert messages.text(out.reasons[0]) == "Person B is not cleared"


def test_an_answer_towards_real_takes_every_question_and_good_material():
    def of(one, synth, **media):
        made = analysis([track("A", both(one, synth))], [model("one"), whole()])
        made.media = made.media.model_copy(update=media)
        return decide(refit(made, BANDS)).verdict

    assert of(0.04, 0.03).label is Label.REAL
    assert of(0.04, 0.15).label is of(0.15, 0.04).label is Label.PROBABLY_REAL
    assert of(0.04, 0.4).label is Label.INCONCLUSIVE
    assert of(0.04, 0.9).label is Label.PROBABLY_FAKE
    heavy = of(0.04, 0.03, size=40_000)
    assert heavy.label is Label.INCONCLUSIVE
    assert heavy.vetoed_by is heavy.reasons[0].code is ReasonCode.TOO_POOR_TO_CLEAR


@pytest.mark.parametrize("kind", ["image", "frozen"])
def test_a_still_is_judged_by_one_rule_in_whatever_file(kind):
    faces = [face(i, one=logit(0.93)) for i in range(1 if kind == "image" else 4)]
    made = analysis([track("A", faces)])
    update = {"kind": "image", "duration": None} if kind == "image" else {"frozen": True}
    made.media = made.media.model_copy(update=update)
    fit = made.likelihoods[FileKind.STILL]
    limits = Thresholds(low=0.0, high=0.97, probably_high=0.9)
    made.likelihoods[FileKind.STILL] = fit.model_copy(update={"thresholds": limits})
    out = decide(made)
    assert out.verdict.label is Label.PROBABLY_FAKE and out.verdict.thresholds.high == 0.97
    assert out.verdict.kind is FileKind.STILL


ALONE = Alone(
    models=["lstm"],
    calibration=Calibration(scale=0.5, offset=0.1, data="made", clips=10),
    thresholds=Thresholds(low=0.2, high=0.9, probably_low=0.35, probably_high=0.7),
    auc=ConfidenceInterval(value=0.77, low=0.73, high=0.8),
)


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        (5.0, Label.FAKE), (2.0, Label.PROBABLY_FAKE), (0.0, Label.INCONCLUSIVE),
        (-2.0, Label.PROBABLY_REAL), (-4.0, Label.REAL),
    ],
)  # fmt: skip
def test_a_model_alone_answers_in_bands_of_its_own_with_its_auc(raw, label):
    lstm = model("lstm", weight=0, alone=ALONE)
    faces = [face(i, one=0.0, lstm=raw) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), lstm])
    made.ensembles[FACE].models = ["one"]
    answer = decide(made, models=["lstm"]).verdict
    assert (answer.label, answer.basis) == (label, Basis.MEASURED)
    assert answer.thresholds == ALONE.thresholds and answer.answers[FACE].auc == ALONE.auc
    assert answer.probability == pytest.approx(sigmoid(0.5 * raw + 0.1))
    both = decide(made).verdict
    assert [part.id for part in both.contributions if part.kind == "model"] == ["one"]


def test_models_without_a_weight_answer_where_no_other_measured_one_is_chosen():
    """Together, and beside one that nobody measured."""

    def answers(*chosen):
        made = analysis([track("A", [face(i, lstm=4.0, gru=4.0, gend=9.0) for i in range(5)])],
                        list(chosen))  # fmt: skip
        made.ensembles[FACE].models = ["one"]
        return decide(made)

    lstm, gru = (model(id, weight=0, alone=ALONE) for id in ("lstm", "gru"))
    both = answers(lstm, gru).verdict
    assert (both.basis, both.counted, both.label) == (Basis.SUBSET, 2, Label.FAKE)
    out = answers(lstm, published())
    assert [m.counted for m in out.models] == [True, False]
    assert out.verdict.basis is Basis.MEASURED


@pytest.mark.parametrize("score", [0.999, 1e-6])
def test_an_unmeasured_model_without_skill_on_bundled_faces_gives_no_answer(score):
    blind = published(skill=SkillCheck(untouched=1, altered=2, pictures=18))
    made = analysis([track("A", [face(i, gend=logit(score)) for i in range(5)])], [blind])
    out = decide(made)
    assert out.verdict.label is Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code is ReasonCode.NO_SKILL
    assert out.models[0].label is Label.INCONCLUSIVE and not out.models[0].counted
    assert decide(measured(-4.0, 3.0)).verdict.label is Label.INCONCLUSIVE
    assert SkillCheck(untouched=0, altered=5, pictures=18).passed
    assert not SkillCheck(untouched=5, altered=9, pictures=18).passed


def test_why_a_model_gave_no_score_stays_a_sentence():
    made = beside(4.0)
    why = _("it needs {step} s of video").format(step="0.6")
    made.models[1] = made.models[1].model_copy(update={"scored": 0, "not_counted_because": why})
    assert decide(made).models[1].not_counted_because == "it needs 0.6 s of video"


def test_only_bands_that_were_measured_call_a_file_fake():
    """Each entry alone, as sure as can be; the others stay below, whatever they score."""
    able = set()
    for spec in registry.list_models():
        if spec.modality is not Modality.FACE:
            continue
        result = initial_results.result(spec).model_copy(update={"scored": 10, "skill": None})
        made = analysis([track("A", [face(i, **{spec.id: 60.0}) for i in range(10)])], [result])
        rules = initial_results.rules([result], ThresholdStore(), list(Question))
        made.ensembles, made.likelihoods = rules.ensembles, rules.likelihoods
        verdict = decide(made, models=[spec.id]).verdict
        labels = {Label.PROBABLY_FAKE, Label.INCONCLUSIVE, Label.NOT_APPLICABLE}
        if verdict.label is Label.FAKE:
            able.add(spec.id)
        else:
            assert verdict.label in labels, spec.id
    assert able == {"clip", "clip-generated"}
