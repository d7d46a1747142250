"""Subjects unlike all that was tested: they are not judged, neither cleared nor accused."""

import pytest

from detector import messages
from detector.decision import decide
from detector.presentation import lead
from detector.presentation import verdict as presented
from detector.schema.analysis import (
    Label,
    Modality,
    Question,
    ReasonCode,
    Segment,
    Side,
    Subject,
    Thresholds,
)
from tests.unit.detector.test_verdict import analysis, model, track, with_scores

SCORES = [0.02, 0.5, 0.99]
ODD: dict[str, tuple[ReasonCode, dict[str, object], dict[str, object]]] = {
    "pixelated": (ReasonCode.PIXELATED, {}, {"lattice": 3.0}),
    "far away": (ReasonCode.UNLIKE_TESTED, {"unlike": 0.4}, {}),
    "false colors": (ReasonCode.FALSE_COLORS, {}, {}),
}


def person(id, score, kind=None, moments=5):
    """A person with a score at some moments, odd at most of them if so."""
    _, of_frame, of_quality = ODD.get(kind, (None, {}, {}))
    frames = [
        frame.model_copy(
            update=(of_frame | {"quality": frame.quality.model_copy(update=of_quality)})
            if number
            else {}
        )
        for number, frame in enumerate(with_scores(*[score] * moments))
    ]
    return track(id, frames)


def clip(*people, kind=None):
    found = analysis([*people])
    found.media = found.media.model_copy(update={"false_colors": kind == "false colors"})
    return found


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("score", SCORES)
def test_a_face_unlike_all_that_was_tested_is_not_judged(kind, score):
    out = decide(clip(person("A", score, kind), kind=kind))
    code = ODD[kind][0]
    assert out.verdict.label is Label.NOT_APPLICABLE and out.verdict.probability is None
    assert [reason.code for reason in out.verdict.reasons] == [code]
    assert messages.text(out.verdict.reasons[0]).startswith("Not judged: ")
    assert (out.judged[0].label, out.judged[0].reason) == (Label.NOT_APPLICABLE, code)
    assert lead.why_not(code) and presented.unjudged(out.verdict).startswith("Not judged: ")


@pytest.mark.parametrize("update", [{"lattice": 0.9}, {"lattice": None}])
def test_a_usual_face_keeps_its_answer(update):
    frames = [
        frame.model_copy(
            update={"unlike": -2.0, "quality": frame.quality.model_copy(update=update)}
        )
        for frame in with_scores(*[0.02] * 5)
    ]
    out = decide(clip(track("A", frames)))
    assert (out.verdict.label, out.judged[0].unlike) == (Label.REAL, -2.0)


def test_one_pixelated_person_keeps_a_file_from_being_cleared_and_takes_no_fake_back():
    cleared = decide(clip(person("A", 0.02), person("B", 0.02, "pixelated"))).verdict
    assert (cleared.label, cleared.reasons[0].code) == (Label.INCONCLUSIVE, ReasonCode.PIXELATED)
    assert cleared.reasons[0].subject == "B"
    accused = decide(clip(person("A", 0.97), person("B", 0.02, "pixelated"))).verdict
    assert accused.label is Label.FAKE and accused.subject == "A"
    alone = decide(clip(person("A", 0.5), person("B", 0.99, "pixelated"))).verdict
    assert alone.label.side is None, "what is unlike the tests accuses nobody"


def test_limits_of_the_person_s_own_know_their_material():
    odd = clip(person("A", 0.95, "far away"))
    assert decide(odd, thresholds=Thresholds(low=0.2, high=0.6)).verdict.label is Label.FAKE


def still(graphic, *people, score=0.99, far=-2.0):
    """A picture with a score of its own, and people in it."""
    frames = [
        frame.model_copy(update={"graphic": graphic, "unlike": far})
        for frame in with_scores(score, id="drawn")
    ]
    whole = Subject(
        id="picture", modality=Modality.PICTURE, start=0, end=0, thumbnail_time=0, frames=frames
    )
    models = [model("drawn", kind="image", task="picture synthesis")]
    models += [model("one")] if people else []
    return analysis([whole, *people], models, kind="image", duration=None)


@pytest.mark.parametrize("score", SCORES)
def test_a_drawing_or_graphic_is_not_judged(score):
    out = decide(still(2.5, score=score))
    assert out.verdict.label is Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code is ReasonCode.GRAPHIC
    assert messages.text(out.verdict.reasons[0]) == "Not judged: this is a drawing or graphic."
    judged = decide(still(-2.5, score=score)).verdict
    assert judged.label is not Label.NOT_APPLICABLE
    assert decide(still(-2.5, score=score, far=0.1)).verdict.label is Label.NOT_APPLICABLE


def test_a_face_in_a_screenshot_is_judged_without_the_picture():
    out = decide(still(2.5, person("A", 0.97, moments=1)))
    picture = next(s for s in out.subjects if s.modality is Modality.PICTURE)
    assert out.verdict.label.side is Side.FAKE and out.verdict.subject == "A"
    assert (picture.label, picture.reason) == (Label.NOT_APPLICABLE, ReasonCode.GRAPHIC)
    assert Question.MANIPULATION in out.judged[0].answers
    unclear = decide(still(2.5, person("A", 0.5, moments=1))).verdict
    assert unclear.label is Label.INCONCLUSIVE, "the picture's 0.99 is not counted"


def test_segments_hold_measures_of_their_own():
    assert (Segment().unlike, Segment().graphic) == (None, None)
