"""Odds in words: for the share of fakes that a reader gets, and on the scale of forensic
institutes."""

import pytest

from detector.presentation import odds
from detector.schema.analysis import (
    BandRate,
    EmpiricalOdds,
    Label,
    Question,
    ReasonCode,
    Tally,
    Thresholds,
    Verdict,
)
from detector.schema.verdict import support_of

RATES = [
    BandRate(label=label, right=right, low=0.8, share=0.3, wrong=Tally(count=1, files=100))
    for label, right in ((Label.FAKE, 0.96), (Label.PROBABLY_REAL, 0.86))
]
LIMITS = Thresholds(low=0.1, probably_low=0.3, probably_high=0.7, high=0.9, bands=RATES)


def verdict(label, share=None, question=Question.MANIPULATION, **changes):
    known = None if share is None else EmpiricalOdds(share=share, low=0.1, high=0.9, clips=60)
    return Verdict(
        label=label, probability=0.5, thresholds=LIMITS, odds=known, question=question, **changes
    )


@pytest.mark.parametrize(
    ("label", "share", "base_rate", "said"),
    [
        (Label.PROBABLY_FAKE, 0.8, 0.5, "8 of 10 test files with such a score were manipulated"),
        (Label.FAKE, 0.98, 0.5, "98 of 100 test files with such a score were manipulated"),
        (Label.FAKE, None, 0.5, "96 of 100 test files with such an answer were manipulated"),
        (Label.PROBABLY_FAKE, 0.8, 0.01,
         "Where 1 of 100 files are fakes, 4 of 100 with such a score are manipulated"),
        (Label.PROBABLY_REAL, 0.1, 0.5, "9 of 10 test files with such a score were untouched"),
        (Label.PROBABLY_REAL, 0.3, 0.01,
         "Where 1 of 100 files are fakes, 100 of 100 with such a score are untouched"),
        (Label.PROBABLY_FAKE, None, 0.5, ""),
        (Label.INCONCLUSIVE, 0.7, 0.5,
         "leans manipulated: 7 of 10 test files with such a score were"),
        (Label.INCONCLUSIVE, 0.3, 0.5,
         "leans untouched: 7 of 10 test files with such a score were"),
        (Label.INCONCLUSIVE, 0.5, 0.5,
         "leans neither way: 5 of 10 test files with such a score were manipulated"),
        (Label.INCONCLUSIVE, None, 0.5, ""),
    ],
)  # fmt: skip
def test_odds_follow_the_readers_own_share_of_fakes(label, share, base_rate, said):
    assert odds.in_ten(verdict(label, share), base_rate) == said


def test_what_a_veto_left_open_leans_to_no_side():
    vetoed = verdict(Label.INCONCLUSIVE, 0.7, vetoed_by=ReasonCode.FRAGILE)
    assert odds.in_ten(vetoed, 0.5) == ""


def test_a_voice_has_its_own_words():
    said = odds.in_ten(verdict(Label.PROBABLY_REAL, question=Question.VOICE), 0.5)
    assert said.endswith("were real")


@pytest.mark.parametrize(
    ("ratio", "support"),
    [(1.0, "none"), (1.99, "none"), (2.0, "weak"), (0.5, "weak"), (9.9, "weak"),
     (10.0, "moderate"), (0.01, "moderately_strong"), (999.0, "moderately_strong"),
     (5_000.0, "strong"), (1e6, "very_strong")],
)  # fmt: skip
def test_support_is_named_on_the_verbal_scale(ratio, support):
    assert support_of(ratio) == support


def test_the_likelihood_ratio_is_that_of_the_side_it_supports():
    fake, real = verdict(Label.FAKE, 0.95), verdict(Label.REAL, 0.05)
    assert fake.likelihood_ratio == pytest.approx(19) == 1 / real.likelihood_ratio
    assert "19 times as likely of a file that is manipulated" in odds.support(fake)
    assert "19 times as likely of a file that is untouched" in odds.support(real)
    assert "moderate support for “untouched”" in odds.support(real)
    assert odds.support(verdict(Label.FAKE)) == ""


@pytest.mark.parametrize("base_rate", [0.01, 0.2, 0.5, 0.9])
def test_bayes_rule(base_rate):
    """Counted: of so many fakes and genuine files that pass, how many are fakes."""
    found, false = 0.6, 0.15  # shares of fakes and of genuine files with such a score
    even = found / (found + false)
    counted = found * base_rate / (found * base_rate + false * (1 - base_rate))
    assert odds.moved(even, base_rate) == pytest.approx(counted)
