"""The verdict is made from numbers alone: these tests need no media and run no network."""

import math
from datetime import UTC, datetime
from functools import partial

import pytest

from detector import messages
from detector.decision import decide, label_of, people, sigmoid
from detector.evaluation.scores import Scored
from detector.models import registry
from detector.pipeline import initial_results
from detector.presentation import summary
from detector.presentation.verdict import headline as headline_of
from detector.presentation.verdict import limits
from detector.schema.analysis import (
    Analysis,
    Basis,
    Calibration,
    CaveatCode,
    CustomEnsemble,
    Ensemble,
    FileKind,
    FrameSegment,
    Label,
    Media,
    Modality,
    ModelResult,
    OwnThreshold,
    Quality,
    Question,
    ReasonCode,
    Settings,
    Software,
    SpanSegment,
    Subject,
    Thresholds,
    Verdict,
)
from detector.schema.ensemble import NotCounted
from detector.schema.summary import ResultSummary
from lab.evaluation.ensemble_fit import people_of
from tests.support.likelihoods import LIMITS, fitted, refit
from tests.support.result_sample import make_analysis

GOOD = Quality(width=200, sharpness=200, brightness=120, yaw=0.0, confidence=0.99)


def logit(p):
    return math.log(p / (1 - p))


def face(index, problem=None, width=200.0, **logits):
    quality = GOOD.model_copy(update={"problem": problem, "width": width})
    box = (100.0, 100.0, 100.0 + width, 100.0 + width)
    return FrameSegment(index=index, time=index * 0.5, box=box, quality=quality, logits=logits)


def track(id, faces, windows=[]):  # noqa: B006
    first, last = faces[0].time, faces[-1].time
    return Subject(id=id, start=first, end=last, thumbnail_time=first, frames=faces, spans=windows)


def model(id, kind="frame", **changes):
    values: dict[str, object] = {
        "id": id,
        "title": id.title(),
        "kind": kind,
        "task": "face manipulation",
        "calibration": Calibration(scale=1.0, offset=0.0, data="made", clips=10),
        "scored": 10,
        "finding": f"Traces that {id} knows",
        "confused_by": "heavy compression",
    }
    return ModelResult.model_validate(values | changes)


def analysis(tracks, models=None, *, kind="video", duration=10.0, calibration=None, min_models=1):
    models = models if models is not None else [model("one")]
    return Analysis(
        id="0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        media=Media(
            name="clip.mp4", sha256="0" * 64, kind=kind, size=2_000_000, width=1280, height=720,
            duration=duration, fps=25.0, container="mp4", codec="h264",
        ),
        settings=Settings(),
        verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=LIMITS),
        ensembles={
            question: Ensemble(
                models=[m.id for m in models if m.question is question],
                calibration=calibration,
                min_models=min_models,
            )
            for question in Question
        },
        likelihoods=fitted(models),
        models=models,
        subjects=tracks,
        timestamps=[i * 0.5 for i in range(10)],
        software=Software(version="0", python="3", torch="2", device="cpu", backend="torch"),
    )  # fmt: skip


def own_threshold(*models):
    """A threshold by own untouched clips, for these models as they are."""
    return OwnThreshold(
        high=2.0, rate=0.05, clips=40, sources=30, created=datetime(2026, 11, 20, tzinfo=UTC),
        models={m.id: m.identity for m in models},
    )  # fmt: skip


def with_scores(*values, id="one"):
    return [face(i, **{id: logit(v)}) for i, v in enumerate(values)]


def test_the_score_of_a_person_is_the_mean_of_logits():
    out = decide(analysis([track("A", with_scores(0.9, 0.9, 0.6, 0.99))]))
    expected = sigmoid(sum(logit(v) for v in (0.9, 0.9, 0.6, 0.99)) / 4)
    assert out.verdict.probability == pytest.approx(expected)
    assert out.verdict.label == Label.FAKE
    assert out.judged[0].frames[2].score == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (0.95, Label.FAKE),
        (0.71, Label.FAKE),
        (0.69, Label.INCONCLUSIVE),
        (0.31, Label.INCONCLUSIVE),
        (0.29, Label.REAL),
        (0.02, Label.REAL),
    ],
)
def test_labels_follow_the_thresholds(score, label):
    assert label_of(score, LIMITS) == label
    out = decide(analysis([track("A", with_scores(*[score] * 5))]))
    assert out.verdict.label == label and out.verdict.thresholds == LIMITS
    assert out.verdict.vetoed_by is None


def test_calibration_is_applied_per_model_and_then_the_starting_point():
    one = model("one", calibration=Calibration(scale=2.0, offset=-1.0, data="made", clips=1))
    final = Calibration(scale=1.5, offset=0.25, data="made", clips=1)
    faces = [face(i, one=1.0) for i in range(5)]
    out = decide(analysis([track("A", faces)], [one], calibration=final))
    assert out.models[0].probability == pytest.approx(sigmoid(2.0 * 1.0 - 1.0))
    assert out.verdict.probability == pytest.approx(sigmoid(1.5 * 1.0 + 0.25))


def test_the_ensembles_calibration_holds_only_for_its_own_models():
    final = Calibration(scale=3.0, offset=1.0, data="made", clips=1)
    faces = [face(i, one=1.0, two=-1.0) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), model("two")], calibration=final)
    assert decide(made).verdict.probability == pytest.approx(sigmoid(3.0 * 0.0 + 1.0))
    assert decide(made, models=["one"]).verdict.probability == pytest.approx(sigmoid(1.0))


def test_the_most_suspicious_person_decides_and_comes_first():
    a, b = track("A", with_scores(*[0.1] * 5)), track("B", with_scores(*[0.9] * 5))
    out = decide(analysis([a, b]))
    assert [t.id for t in out.judged] == ["B", "A"]
    assert out.verdict.subject == "B"
    assert out.judged[1].label == Label.REAL
    assert "2 people" in limits(out)


def test_switching_a_model_off_changes_the_verdict_without_touching_the_original():
    faces = [face(i, one=logit(0.95), two=logit(0.05)) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), model("two")])
    before = made.model_dump_json()
    both = decide(made)
    assert both.verdict.label == Label.INCONCLUSIVE
    assert both.verdict.reasons[0].code == ReasonCode.MODELS_DISAGREE
    only = decide(made, models=["one"])
    assert only.verdict.label == Label.FAKE
    assert only.models[1].not_counted_because == "switched off"
    assert decide(made, models=["two"]).verdict.label == Label.REAL
    assert made.model_dump_json() == before
    assert decide(decide(made), models=["one"]) == only  # may be decided again and again


def test_evidence_is_added_and_a_factor_counts_a_model_more_often():
    faces = [face(i, one=2.0, two=0.5) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), model("two", weight=0.5)])
    assert decide(made).verdict.probability == pytest.approx(sigmoid(2.25))
    both = partial(CustomEnsemble, models=["one", "two"])
    out = decide(made, ensemble=both(weights={"one": 0.5, "two": 4.0}))
    assert out.verdict.probability == pytest.approx(sigmoid(1.0 + 1.0))
    assert out.verdict.basis is Basis.SUBSET
    same = decide(made, ensemble=both(weights={"one": 1.0, "two": 1.0}))
    assert same.verdict == decide(made).verdict


def test_an_uncalibrated_model_is_shown_but_not_counted():
    faces = [face(i, one=logit(0.1), raw=5.0) for i in range(5)]
    out = decide(analysis([track("A", faces)], [model("one"), model("raw", calibration=None)]))
    raw = next(m for m in out.models if m.id == "raw")
    assert (raw.counted, raw.not_counted_because) == (False, "uncalibrated")
    assert raw.probability == pytest.approx(sigmoid(5.0))
    assert out.verdict.label == Label.REAL
    assert out.verdict.counted == 1


def test_a_failed_model_contributes_nothing_and_says_so():
    broken = model("broken", error="it stopped while scoring", scored=0)
    out = decide(analysis([track("A", with_scores(*[0.9] * 5))], [model("one"), broken]))
    assert out.verdict.probability == pytest.approx(0.9)
    assert out.models[1].probability is None
    assert out.models[1].not_counted_because == "it stopped while scoring"
    assert not decide(out, models=["one", "broken"]).models[1].counted


def test_no_model_at_all_gives_no_score():
    broken = model("one", error="weights are missing", scored=0)
    out = decide(analysis([track("A", [face(i) for i in range(5)])], [broken]))
    assert out.verdict.label == Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code == ReasonCode.NO_MODEL
    assert out.verdict.probability is None


def test_no_face():
    out = decide(analysis([]))
    assert out.verdict.label == Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code == ReasonCode.NO_FACE
    assert "10 frames" in messages.text(out.verdict.reasons[0])


@pytest.mark.parametrize(
    "problem", [ReasonCode.FACE_TOO_SMALL, ReasonCode.TOO_BLURRED, ReasonCode.TOO_DARK]
)
def test_unusable_faces_are_named_not_scored(problem):
    faces = [face(i, problem, width=31.0, one=3.0) for i in range(6)]
    for f in faces:
        f.logits.clear()  # the pipeline never scores them
    out = decide(analysis([track("A", faces)]))
    assert out.verdict.label == Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code == problem
    assert all(f.score is None for f in out.judged[0].frames)


def test_few_good_frames_and_small_faces_are_inconclusive():
    few = decide(analysis([track("A", with_scores(0.99, 0.99))]))
    assert few.verdict.label == Label.INCONCLUSIVE
    assert few.verdict.reasons[0].code == ReasonCode.TOO_FEW_FRAMES
    assert few.verdict.vetoed_by is ReasonCode.TOO_FEW_FRAMES
    small = decide(analysis([track("A", [face(i, width=50.0, one=5.0) for i in range(8)])]))
    assert small.verdict.label == Label.INCONCLUSIVE
    assert small.verdict.reasons[0].code == ReasonCode.LOW_QUALITY


def test_a_picture_needs_one_frame_and_a_glimpse_of_video_is_too_short():
    picture = analysis([track("A", with_scores(0.95))], kind="image", duration=None)
    assert decide(picture).verdict.label == Label.FAKE
    verdict = decide(analysis([track("A", with_scores(*[0.95] * 5))], duration=0.2)).verdict
    assert verdict.label == Label.NOT_APPLICABLE
    assert verdict.reasons[0].code == ReasonCode.CLIP_TOO_SHORT
    assert "0.20 s" in messages.text(verdict.reasons[0])


def test_a_clip_model_votes_by_its_windows_and_has_a_line_over_time():
    windows = [
        SpanSegment(start=0.0, end=1.0, logits={"clip": 0.0}),
        SpanSegment(start=3.0, end=4.0, logits={"clip": 3.0}),
    ]
    faces = [face(i, one=1.0) for i in range(9)]
    made = analysis([track("A", faces, windows)], [model("one"), model("clip", kind="video")])
    out = decide(made)
    assert out.judged[0].models["clip"].logit == pytest.approx(1.5)
    assert out.verdict.probability == pytest.approx(sigmoid(1.0 + 1.5))
    line = [f.scores["clip"] for f in out.judged[0].frames]
    assert line[0] == line[1] == pytest.approx(0.5)  # level up to the first window's center, 0.5 s
    assert line[4] == pytest.approx(sigmoid(1.5))  # half-way between the centers
    assert line[8] == pytest.approx(sigmoid(3.0))


def test_of_a_file_the_first_person_has_the_logits_of_the_whole_picture():
    people = [track(id, [face(i, clip=1.0) for i in range(9)]) for id in "AB"]
    frames = [face(i, picture=2.0) for i in range(9)]
    whole = track("picture", frames).model_copy(update={"modality": Modality.PICTURE})
    made = analysis([whole, *people], [model("clip"), model("picture")])

    def scored(analysis):
        return Scored(
            name="a.mp4", label=0, kind="video", method="none", group="a", source="s", person="a",
            analysis=analysis,
        )  # fmt: skip

    first, second = people_of(scored(made))
    assert first == {"clip": 1.0, "picture": 2.0} and second == {"clip": 1.0}
    alone = analysis([whole], [model("picture")])
    assert people_of(scored(alone)) == [{"picture": 2.0}]


def test_reasons_name_the_models_finding_moment_and_what_else_could_cause_it():
    faces = with_scores(0.6, 0.8, 0.97, 0.9, 0.5, 0.8)
    reason = decide(analysis([track("A", faces)])).verdict.reasons[0]
    assert messages.text(reason) == "Traces that one knows"
    assert reason.time == 1.0
    assert "00:00 to 00:01" in messages.detail(reason)
    assert "heavy compression can look alike" in messages.detail(reason)


def test_custom_thresholds_and_too_few_models():
    made = analysis([track("A", with_scores(*[0.6] * 5))])
    out = decide(made, thresholds=Thresholds(low=0.2, high=0.5, custom=True))
    assert out.verdict.label == Label.FAKE
    assert out.verdict.thresholds.custom
    lonely = analysis([track("A", with_scores(*[0.99] * 5))], min_models=2)
    assert decide(lonely).verdict.label == Label.INCONCLUSIVE
    assert decide(lonely).verdict.reasons[0].code == ReasonCode.TOO_FEW_MODELS
    assert decide(lonely).verdict.vetoed_by is ReasonCode.TOO_FEW_MODELS


def test_a_partial_run_gets_no_verdict():
    made = analysis([track("A", with_scores(*[0.99] * 5))])
    made.partial = True
    out = decide(made)
    assert out.verdict.label == Label.NOT_APPLICABLE
    assert out.judged[0].frames[0].score is not None


def test_the_poorest_evidence_stands_among_the_limits():
    made = analysis([track("A", with_scores(*[0.1] * 5))])
    made.media.size = 50_000
    out = decide(made)
    assert next(e for e in out.evidence if e.code == "compression").rating == "poor"
    assert "very heavy" in limits(out)
    assert out.verdict.label is Label.INCONCLUSIVE  # too poor to be cleared


@pytest.mark.parametrize(
    ("moments", "scored", "rating", "value"),
    [(0, 5, "fair", "5 of 24 scored"), (5, 5, "good", "5 of 5 scored"),
     (5, 15, "good", "15 of 15 scored"), (20, 5, "fair", "5 of 20 scored")],
)  # fmt: skip
def test_frames_are_rated_by_how_many_were_meant_to_be_scored(moments, scored, rating, value):
    made = analysis([track("A", with_scores(*[0.1] * scored))])
    made.timestamps = [n / 4 for n in range(24)]
    for model in made.models:
        model.kind, model.scored, model.moments = "frame", scored, moments
    out = decide(made)
    (frames,) = [e for e in out.evidence if e.code == "frames"]
    assert (frames.rating, messages.detail(frames)) == (rating, value)
    said = any(text.startswith("Frames:") for text in map(messages.text, out.verdict.caveats))
    assert said is (rating != "good")


@pytest.mark.parametrize(
    ("left", "rating", "seen"), [(50, None, 100), (38, "fair", 96), (0, "poor", 83)]
)
def test_a_face_at_the_edge_has_less_to_be_compared_with(left, rating, seen):
    made = analysis([track("A", with_scores(*[0.1] * 5))])
    for frame in made.subjects[0].frames:
        frame.box = (left, 300, left + 200, 500)
    made.media.width, made.media.height = 1000, 900
    out = decide(made)
    found = [(e.rating, messages.detail(e)) for e in out.evidence if e.code == "surroundings"]
    assert found == ([(rating, f"{seen} % in the picture")] if rating else [])
    assert ("picture ends close to the face" in limits(out)) is bool(rating)


def test_odds_beyond_what_a_float_holds_are_certain():
    assert sigmoid(-800) == 0.0
    assert sigmoid(800) == 1.0


def whole(id="synth", **changes):
    return model(id, task="whole-image synthesis", **changes)


def both(face_score, whole_score):
    return [face(i, one=logit(face_score), synth=logit(whole_score)) for i in range(5)]


@pytest.mark.parametrize(
    ("face_score", "whole_score", "label", "question"),
    [
        (0.9, 0.1, Label.FAKE, Question.MANIPULATION),
        (0.1, 0.9, Label.FAKE, Question.SYNTHESIS),
        (0.8, 0.9, Label.FAKE, Question.SYNTHESIS),
        (0.1, 0.5, Label.INCONCLUSIVE, Question.SYNTHESIS),
        (0.5, 0.1, Label.INCONCLUSIVE, Question.MANIPULATION),
        (0.1, 0.2, Label.REAL, Question.SYNTHESIS),
        (0.2, 0.1, Label.REAL, Question.MANIPULATION),
    ],
)
def test_one_likelihood_of_all_questions_whose_largest_part_leads(
    face_score, whole_score, label, question
):
    out = decide(analysis([track("A", both(face_score, whole_score))], [model("one"), whole()]))
    verdict, answers = out.verdict, out.verdict.answers
    assert (verdict.label, verdict.question, verdict.kind) == (label, question, FileKind.CLIP)
    odds = [score / (1 - score) for score in (face_score, whole_score)]
    assert verdict.probability == pytest.approx(sum(odds) / (2 + sum(odds)))
    assert answers[Question.MANIPULATION].probability == pytest.approx(face_score)
    assert answers[Question.SYNTHESIS].probability == pytest.approx(whole_score)
    assert answers[Question.MANIPULATION].share == pytest.approx(odds[0] / sum(odds))
    assert sum(answer.share for answer in verdict.parts.values()) == pytest.approx(1.0)
    assert next(iter(verdict.parts)) is question and answers[question].label is label
    sides = {answer.label.side for answer in verdict.parts.values()}
    assert sides <= {label.side, None}  # no part contradicts the file
    assert out.judged[0].question is question
    assert out.judged[0].probability == pytest.approx(verdict.probability)
    assert out.judged[0].frames[0].answers == pytest.approx(
        {Question.MANIPULATION: face_score, Question.SYNTHESIS: whole_score}
    )
    assert out.judged[0].frames[0].score == pytest.approx(verdict.probability)


def of_picture(score):
    """The whole picture as a subject, and its model."""
    frames = [face(i, pic=logit(score)) for i in range(5)]
    picture = track("picture", frames)
    picture.modality = Modality.PICTURE
    return picture, model("pic", task="picture synthesis")


FACE, PICTURE = Question.MANIPULATION, Question.PICTURE


@pytest.mark.parametrize(
    ("score", "label"),
    [(0.9, Label.FAKE), (0.65, Label.PROBABLY_FAKE), (0.5, Label.INCONCLUSIVE), (0.1, Label.REAL)],
)
def test_the_whole_picture_judges_a_file_without_a_face(score, label):
    picture, pic = of_picture(score)
    made = analysis([picture], [model("one", scored=0), pic])
    refit(made, LIMITS.model_copy(update={"probably_high": 0.6}))
    out = decide(made)
    assert (out.verdict.label, out.verdict.question) == (label, PICTURE)
    assert (out.verdict.kind, out.verdict.subject) == (FileKind.PICTURE, "picture")
    assert out.verdict.probability == pytest.approx(score)
    codes = [caveat.code for caveat in out.verdict.caveats]
    assert CaveatCode.FACES_UNJUDGED in codes and CaveatCode.OUT_OF_SCOPE in codes


def test_a_picture_whose_face_could_not_be_judged_is_not_cleared_without_saying_so():
    picture, pic = of_picture(0.05)
    small = track("A", [face(i, ReasonCode.FACE_TOO_SMALL, width=20.0) for i in range(5)])
    out = decide(analysis([small, picture], [model("one", scored=0), pic]))
    assert out.verdict.label is Label.REAL and out.unjudged_faces
    said = "No sign of AI generation found; the face was not judged"
    assert headline_of(out) == summary.headline(ResultSummary.of(out)) == said
    alone = decide(analysis([picture], [model("one", scored=0), pic]))
    assert headline_of(alone) == "No sign of AI generation found"


@pytest.mark.parametrize("picture_score", [0.01, 0.5, 0.999])
def test_the_whole_picture_adds_nothing_to_a_clip_with_a_face(picture_score):
    picture, pic = of_picture(picture_score)
    face_only = track("A", with_scores(*[0.9] * 5))
    out = decide(analysis([face_only, picture], [model("one"), pic]))
    assert out.verdict.probability == pytest.approx(0.9) and out.verdict.label is Label.FAKE
    assert out.verdict.answers[PICTURE].share is None and not out.verdict.answers[PICTURE].counts
    shown = next(m for m in out.models if m.id == "pic")
    assert (shown.counted, shown.not_counted_because) == (False, NotCounted.ADDS_NOTHING)
    assert all(set(s.models) == {"one"} for s in out.people)
    assert [s.id for s in out.judged] == ["A"]


@pytest.mark.parametrize(
    ("face_score", "head_score", "picture_score", "label", "question", "subject"),
    [
        (0.2, 0.3, 0.97, Label.FAKE, PICTURE, "picture"),
        (0.2, 0.99, 0.3, Label.FAKE, Question.SYNTHESIS, "A"),
        (0.97, 0.1, 0.1, Label.FAKE, FACE, "A"),
        (0.1, 0.1, 0.1, Label.REAL, FACE, "A"),
        (0.5, 0.1, 0.02, Label.INCONCLUSIVE, FACE, "A"),
    ],
)
def test_in_a_still_picture_and_head_answer_together_and_the_face_alone(
    face_score, head_score, picture_score, label, question, subject
):
    picture, pic = of_picture(picture_score)
    picture.frames = picture.frames[:1]
    logits = {"one": logit(face_score), "synth": logit(head_score)}
    faces = track("A", [face(0, **logits)])
    made = analysis([faces, picture], [model("one"), whole(), pic], kind="image", duration=None)
    made.timestamps = [0.0]
    weights = {FACE: 1.0, Question.SYNTHESIS: 0.5, PICTURE: 0.8}
    refit(made, weights=weights, offset=-math.log(2))
    verdict = decide(made).verdict
    generated = math.exp(0.5 * logit(head_score) + 0.8 * logit(picture_score))
    odds = (face_score / (1 - face_score) + generated) / 2
    assert verdict.probability == pytest.approx(odds / (1 + odds))
    assert (verdict.kind, verdict.label) == (FileKind.STILL, label)
    assert (verdict.question, verdict.subject) == (question, subject)
    total = sum(part.logit for part in verdict.contributions)
    assert total == pytest.approx(logit(verdict.probability))
    codes = [caveat.code for caveat in verdict.caveats]
    assert (CaveatCode.SWAP_NOT_EXCLUDED in codes) is (label is Label.REAL)


def test_a_question_without_a_model_is_said_not_to_be_asked():
    out = decide(analysis([track("A", with_scores(*[0.1] * 5))]))
    answer = out.verdict.answers[Question.SYNTHESIS]
    assert not answer.evaluated and answer.label is Label.NOT_APPLICABLE and answer.share is None
    assert out.verdict.label is Label.REAL  # of what was asked
    assert "Whether a head was generated: no model here was asked that." in map(
        messages.text, out.verdict.caveats
    )
    made = analysis([track("A", both(0.1, 0.1))], [model("one"), whole()])
    assert not any(
        "a head was generated" in limit
        for limit in map(messages.text, decide(made).verdict.caveats)
    )
    alone = decide(made, models=["synth"])
    assert not alone.verdict.answers[Question.MANIPULATION].evaluated
    assert "Whether a face is fake" in limits(alone)


def test_moved_thresholds_judge_the_whole_file():
    made = analysis([track("A", both(0.65, 0.65))], [model("one"), whole()])
    assert decide(made).verdict.label is Label.INCONCLUSIVE
    moved = decide(made, thresholds=Thresholds(low=0.1, high=0.6, custom=True)).verdict
    assert moved.label is Label.FAKE and moved.basis is Basis.CUSTOM
    assert {r.model for r in moved.reasons} == {"one", "synth"}
    assert [answer.label for answer in moved.parts.values()] == [Label.FAKE] * 2


def test_a_question_that_asks_but_cannot_judge_keeps_the_file_from_no_sign():
    faces = [face(i, one=logit(0.1)) for i in range(5)]
    made = analysis([track("A", faces)], [model("one"), whole()])
    out = decide(made).verdict
    assert out.label is Label.INCONCLUSIVE and out.vetoed_by is ReasonCode.TOO_FEW_MODELS
    assert messages.text(out.reasons[0]).startswith("1 of the 2 models")


def test_who_is_too_poorly_seen_is_not_pooled_but_can_keep_from_no_sign():
    good = track("A", with_scores(*[0.1] * 5))
    small = [face(i, width=50.0, one=logit(0.1)) for i in range(5)]
    clear = decide(analysis([good, track("B", small)]))
    assert clear.verdict.label is Label.REAL
    assert clear.verdict.answers[Question.MANIPULATION].subject_count == 1
    suspicious = [face(i, width=50.0, one=logit(0.9)) for i in range(5)]
    out = decide(analysis([good, track("B", suspicious)]))
    assert out.verdict.label is Label.INCONCLUSIVE and out.verdict.subject == "B"
    assert out.verdict.reasons[0].code is ReasonCode.LOW_QUALITY


SHIPPED = registry.manifest().ensembles[Question.MANIPULATION]


def shipped(raw, *results, asked=None, own=None):
    """Of a face to which every model that works gives the same raw logit."""
    working = {m.id: raw for m in results if m.scored}
    made = analysis([track("A", [face(i, **working) for i in range(5)])], list(results))
    made.settings = Settings(models=asked)
    made.ensembles, made.own = {Question.MANIPULATION: SHIPPED}, own
    return refit(made, Thresholds(low=0.3, high=0.85))  # whatever ships today


def of_ours(id, *, works=True):
    found = initial_results.result(registry.get_spec(id))
    changes = {"scored": 10} if works else {"error": "it stopped while scoring"}
    return found.model_copy(update=changes)


def missing(made):
    return any(r.code is ReasonCode.TOO_FEW_MODELS for r in decide(made).verdict.reasons)


@pytest.mark.parametrize("raw", [20, -20])
def test_a_calibrated_model_that_somebody_chose_alone_decides_by_bands_of_its_own(raw):
    for id in SHIPPED.models:
        alone = decide(shipped(raw, of_ours(id), asked=[id])).verdict
        bands = registry.get_spec(id).alone.thresholds
        assert alone.thresholds == bands and alone.counted == 1
        assert alone.label is label_of(float(raw > 0), bands)
    together = decide(shipped(raw, *map(of_ours, SHIPPED.models)), models=SHIPPED.models[:1])
    assert together.verdict.thresholds == registry.get_spec(SHIPPED.models[0]).alone.thresholds


@pytest.mark.parametrize(("raw", "label"), [(2.5, Label.FAKE), (1.5, Label.INCONCLUSIVE)])
@pytest.mark.parametrize("asked", [None, ["mine"]])
def test_an_uncalibrated_model_decides_alone_by_its_own_threshold(raw, label, asked):
    mine = model("mine", calibration=None)
    made = shipped(raw, mine, asked=asked, own=own_threshold(mine))
    assert decide(made).verdict.label is label and decide(made).verdict.thresholds.own
    assert not missing(made)


def test_a_model_that_fails_does_not_lower_the_bar():
    need = SHIPPED.min_models
    assert need > 1
    names = SHIPPED.models
    for works in range(1, len(names) + 1):
        results = [of_ours(id, works=i < works) for i, id in enumerate(names)]
        for asked in (None, names):
            made = shipped(20, *results, asked=asked)
            assert missing(made) == (works < need)
            assert (decide(made).verdict.label is Label.FAKE) == (works >= need)
        assert decide(shipped(20, *results), models=names).verdict.label is (
            Label.FAKE if works >= need else Label.INCONCLUSIVE
        )
    # A default set of which a part is not even there was not chosen by anybody.
    assert missing(shipped(20, of_ours(names[0])))


def test_who_has_no_vote_is_not_waited_for():
    first = SHIPPED.models[0]
    raw, unproven = model("raw", calibration=None), model("odd", label_order="unverified")
    assert not missing(shipped(20, of_ours(first), raw, unproven, asked=[first, "raw", "odd"]))
    failed = raw.model_copy(update={"scored": 0, "error": "it stopped while scoring"})
    assert not missing(shipped(20, of_ours(first), failed, asked=[first, "raw"]))
    # With a threshold of their own both would have had one.
    own = own_threshold(of_ours(first), raw)
    assert not missing(shipped(20, of_ours(first), raw, asked=[first, "raw"], own=own))
    assert missing(shipped(20, of_ours(first), failed, asked=[first, "raw"], own=own))


def test_logits_over_time_become_one():
    logits, still = [0.0, 0.0, 0.0, 4.0], [0.0] * 4
    assert people.over_time(logits, still, "mean") == 1.0
    assert people.over_time(logits, still, "top") == 4.0
    assert people.over_time(logits, still, "motion") == 1.0  # nothing moves: the plain mean
    moving = people.over_time(logits, [0.0, 0.0, 0.0, 1.0], "motion")
    assert moving == pytest.approx(4 / (1 + 3 * 0.2))


def test_a_mix_counts_its_models_with_its_weights():
    plain = make_analysis()
    scored = [m.id for m in plain.models if m.counted]
    alone = decide(plain, ensemble=CustomEnsemble(models=scored[:1]))
    assert [m.id for m in alone.models if m.counted] == scored[:1]
    assert alone.judged[0].answers[alone.verdict.question].probability is not None
    both = decide(plain, ensemble=CustomEnsemble(models=scored[:2], weights={scored[0]: 3.0}))
    assert {m.id for m in both.models if m.counted} == set(scored[:2])
    once = decide(plain, ensemble=CustomEnsemble(models=scored[:2]))
    parts, before = ({c.id: c.logit for c in one.verdict.contributions} for one in (both, once))
    assert parts[scored[0]] == pytest.approx(3 * before[scored[0]])
    few = decide(plain, ensemble=CustomEnsemble(models=scored[:1], min_models=2))
    assert few.verdict.label is Label.INCONCLUSIVE
    assert few.verdict.reasons[0].code is ReasonCode.TOO_FEW_MODELS
    # The rates that the manifest states are those of its own ensemble.
    assert both.verdict.thresholds.false_positive_rate is None


def test_a_mix_that_was_asked_for_stays_with_the_analysis():
    plain = make_analysis()
    first = next(m.id for m in plain.models if m.counted)
    settings = Settings(ensemble=CustomEnsemble(models=[first], aggregation="top"))
    kept = decide(plain.model_copy(update={"settings": settings}))
    assert [m.id for m in kept.models if m.counted] == [first]
    assert decide(type(kept).model_validate_json(kept.model_dump_json())).verdict == kept.verdict
