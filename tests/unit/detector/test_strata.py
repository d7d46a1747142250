"""Material unlike the calibration's: what may not be said of it, and what is said instead."""

import numpy as np
import pytest

from detector import messages, vision
from detector.decision import decide
from detector.presentation import verdict as presented
from detector.schema.analysis import (
    BandRate,
    CaveatCode,
    Label,
    OddsPoint,
    ReasonCode,
    Side,
    Tally,
    Thresholds,
)
from detector.vision.detection import Detection
from tests.support.likelihoods import refit
from tests.unit.detector.test_verdict import analysis, track, with_scores

ODDS = [
    OddsPoint(logit=x, clips=200, share=share, low=0.0, high=1.0)
    for x, share in ((-4.0, 0.1), (4.0, 0.9))
]
MEDIA: dict[str, dict[str, object]] = {
    "few_colors": {"colors": 256},
    "heavy_compression": {"bit_rate": 200_000.0},
    "interlaced": {"interlaced": True},
}
MISLEADING: dict[str, dict[str, object]] = {"false_colors": {"false_colors": True}}
FACES = {"smooth": {"sharpness": 15.0}, "grainy": {"grain": 4.0}}
LOSES, MISLEADS = sorted(MEDIA), sorted([*FACES, *MISLEADING])
MEDIA |= MISLEADING


def made(kind, score):
    """A clip of one kind of material, five moments of which have a score."""
    faces = [
        frame.model_copy(update={"quality": frame.quality.model_copy(update=FACES.get(kind, {}))})
        for frame in with_scores(*[score] * 5)
    ]
    clip = analysis([track("A", faces)])
    clip.media = clip.media.model_copy(update=MEDIA.get(kind, {}))
    return refit(clip, odds=ODDS)


def test_usual_material_keeps_its_odds_and_verdicts():
    for score, label in ((0.95, Label.FAKE), (0.02, Label.REAL)):
        out = decide(made("usual", score))
        assert out.verdict.label is label
        assert out.verdict.odds is not None
        assert CaveatCode.UNMEASURED_MATERIAL not in [c.code for c in out.verdict.caveats]


@pytest.mark.parametrize("kind", [*LOSES, *MISLEADS])
@pytest.mark.parametrize("score", [0.02, 0.35, 0.5, 0.65, 0.95])
def test_unlike_material_has_a_caveat_and_no_odds(kind, score):
    out = decide(made(kind, score)).verdict
    assert out.odds is None
    named = [c.params["kind"] for c in out.caveats if c.code is CaveatCode.UNMEASURED_MATERIAL]
    assert named == [kind] and any(
        "How often it errs" in text for text in map(messages.text, out.caveats)
    )
    assert out.label.side is not Side.REAL


@pytest.mark.parametrize("kind", MISLEADS)
def test_no_face_is_called_fake_whose_texture_nobody_measured(kind):
    out = decide(made(kind, 0.95))
    assert out.verdict.label is Label.INCONCLUSIVE
    reason = out.verdict.reasons[0]
    assert (reason.code, reason.params["kind"]) == (ReasonCode.UNLIKE_MEASURED, kind)
    assert "measured on" in messages.text(reason)


@pytest.mark.parametrize(
    ("kind", "label"), [("grainy", Label.REAL), ("smooth", Label.INCONCLUSIVE)]
)
def test_a_grainy_picture_is_usual_and_a_smooth_one_is_not(kind, label):
    picture = made(kind, 0.02)
    picture.media = picture.media.model_copy(update={"kind": "image", "duration": None})
    found = decide(picture).verdict
    assert found.label is label
    named = [c.params["kind"] for c in found.caveats if c.code is CaveatCode.UNMEASURED_MATERIAL]
    assert named == ([kind] if label is Label.INCONCLUSIVE else [])


@pytest.mark.parametrize("kind", LOSES)
def test_what_hides_traces_takes_no_fake_back(kind):
    out = decide(made(kind, 0.95))
    assert out.verdict.label is Label.FAKE
    wrong = Tally(count=1, files=100)
    rate = BandRate(label=Label.FAKE, right=0.96, low=0.9, share=0.3, wrong=wrong)
    out.verdict.thresholds.bands = [rate]
    assert presented.in_ten(out) == "", "that is of files like those of our tests"
    out.verdict.caveats = []
    assert presented.in_ten(out).startswith("96 of 100 test files")


def test_a_person_s_own_threshold_holds_on_their_own_material():
    out = decide(made("grainy", 0.95), thresholds=Thresholds(low=0.2, high=0.6))
    assert out.verdict.label is Label.FAKE


def test_grain_is_measured_at_the_face_s_own_size():
    random = np.random.default_rng(0)
    flat = np.full((300, 300, 3), 120, np.uint8)
    points = ((110, 120), (190, 120), (150, 160), (120, 200), (180, 200))
    face = Detection((50, 50, 250, 250), points, 1.0)
    noisy = np.clip(flat + random.normal(0, 8, (300, 300, 1)), 0, 255).astype(np.uint8)
    plain, grainy = (vision.assess(rgb, face, 40).grain for rgb in (flat, noisy))
    assert plain == 0.0 and grainy == pytest.approx(5.0, abs=0.6)
