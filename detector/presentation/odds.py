"""Meaning of a likelihood: odds in our tests, adjusted to the reader's share of fakes, and the
verbal scale of forensic institutes."""

from detector import questions
from detector.messages.format import score
from detector.schema.verdict import EmpiricalOdds, Verdict
from detector.sentences import _, numeral, say


def of_tests(odds: EmpiricalOdds, question: str | None = None) -> str:
    """Return the share of manipulated clips among test clips with such a score, with its 95 %
    interval."""
    text = say(questions.of(question).odds)
    return text.format(low=score(odds.low, [odds.high]), high=score(odds.high, [odds.low]))


LEANS = 0.6
"""share of fakes, or of genuine files, from which on an undecided file leans to that side"""


def in_ten(verdict: Verdict, base_rate: float) -> str:
    """Return the odds of a verdict in a few words: "8 of 10 test files with such a score were
    fakes". Empty where they were not measured.

    base_rate : float
        Share of fakes, 0..1, among the files that the reader gets; in our tests half of them.
    """
    side, band = verdict.label.side, verdict.thresholds.rate(verdict.label)
    if side is None:
        return _leaning(verdict, base_rate)
    spec = questions.of(verdict.question)
    if verdict.odds is not None:
        share, text = verdict.odds.share, _("{share} test files with such a score were {word}")
    elif band is not None:
        share = band.right if side == "fake" else 1 - band.right
        text = _("{share} test files with such an answer were {word}")
    else:
        return ""
    if base_rate != EVEN:
        text = _("Where {rate} of 100 files are fakes, {share} with such a score are {word}")
    share = moved(share, base_rate)
    word, share = (
        (say(spec.fake_word), share) if side == "fake" else (say(spec.real_word), 1 - share)
    )
    return text.format(share=_of_ten(share), word=word, rate=round(100 * base_rate))


def _leaning(verdict: Verdict, base_rate: float) -> str:
    """Return the side that an undecided file leans to; empty for one that a veto left open, or
    whose odds were not measured."""
    if verdict.vetoed_by is not None or verdict.odds is None:
        return ""
    spec, share = questions.of(verdict.question), moved(verdict.odds.share, base_rate)
    word, shown = say(spec.fake_word), share
    text = _("leans neither way: {share} test files with such a score were {word}")
    if share >= LEANS:
        text = _("leans {word}: {share} test files with such a score were")
    elif share <= 1 - LEANS:
        text = _("leans {word}: {share} test files with such a score were")
        word, shown = say(spec.real_word), 1 - share
    if base_rate != EVEN:
        text = _("Where {rate} of 100 files are fakes, {share} with such a score are {word}")
    return text.format(share=_of_ten(shown), word=word, rate=round(100 * base_rate))


def moved(share: float, base_rate: float) -> float:
    """Return a share of fakes, measured with equal priors, under another base rate (Bayes'
    rule)."""
    fake, real = share * base_rate, (1 - share) * (1 - base_rate)
    return fake / (fake + real) if fake + real else share


EVEN = 0.5
"""Share of fakes that all figures assume unless the reader says otherwise."""


def _of_ten(share: float) -> str:
    """Return a share as "8 of 10", near the ends as "98 of 100"."""
    all = 10 if 0.05 <= share < 0.95 else 100
    return _("{count} of {all}").format(count=round(all * share), all=all)


def support(verdict: Verdict) -> str:
    """Return the likelihood ratio of a verdict with its verbal scale; empty without one."""
    ratio = verdict.likelihood_ratio
    if ratio is None or verdict.support is None:
        return ""
    spec = questions.of(verdict.question)
    scale = {
        "none": _("no support for either side"),
        "weak": _("weak support for “{word}”"),
        "moderate": _("moderate support for “{word}”"),
        "moderately_strong": _("moderately strong support for “{word}”"),
        "strong": _("strong support for “{word}”"),
        "very_strong": _("very strong support for “{word}”"),
    }[verdict.support]
    one, other = say(spec.fake_word), say(spec.real_word)
    if ratio < 1:
        one, other = other, one
    text = _("Such a score is {ratio} times as likely of a file that is {one} as of one that is "
             "{other}: {scale} (scale of the ENFSI).")  # fmt: skip
    size = max(ratio, 1 / ratio)
    shown = numeral(size, ".1f") if size < 10 else f"{size:.0f}"
    return text.format(ratio=shown, one=one, other=other, scale=scale.format(word=one))
