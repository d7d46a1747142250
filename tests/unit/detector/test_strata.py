"""Material unlike the calibration's: what may not be said of it, and what is said instead."""

import pytest

from detector import messages
from detector.decision import decide
from detector.presentation import verdict as presented
from detector.schema.analysis import BandRate, CaveatCode, Label, OddsPoint, Side, Tally
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


def made(kind, score):
    """A clip of one kind of material, five moments of which have a score."""
    clip = analysis([track("A", with_scores(*[score] * 5))])
    clip.media = clip.media.model_copy(update=MEDIA.get(kind, {}))
    return refit(clip, odds=ODDS)


def test_usual_material_keeps_its_odds_and_verdicts():
    for score, label in ((0.95, Label.FAKE), (0.02, Label.REAL)):
        out = decide(made("usual", score))
        assert out.verdict.label is label
        assert out.verdict.odds is not None
        assert CaveatCode.UNMEASURED_MATERIAL not in [c.code for c in out.verdict.caveats]


@pytest.mark.parametrize("kind", sorted(MEDIA))
@pytest.mark.parametrize("score", [0.02, 0.35, 0.5, 0.65, 0.95])
def test_unlike_material_has_a_caveat_and_no_odds(kind, score):
    out = decide(made(kind, score)).verdict
    assert out.odds is None
    named = [c.params["kind"] for c in out.caveats if c.code is CaveatCode.UNMEASURED_MATERIAL]
    assert named == [kind] and any(
        "How often it errs" in text for text in map(messages.text, out.caveats)
    )
    assert out.label.side is not Side.REAL


@pytest.mark.parametrize("kind", sorted(MEDIA))
def test_what_hides_traces_takes_no_fake_back(kind):
    out = decide(made(kind, 0.95))
    assert out.verdict.label is Label.FAKE
    wrong = Tally(count=1, files=100)
    rate = BandRate(label=Label.FAKE, right=0.96, low=0.9, share=0.3, wrong=wrong)
    out.verdict.thresholds.bands = [rate]
    assert presented.in_ten(out) == "", "that is of files like those of our tests"
    out.verdict.caveats = []
    assert presented.in_ten(out).startswith("96 of 100 test files")
