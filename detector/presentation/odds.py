"""Meaning of a likelihood: odds in our tests, adjusted to the reader's share of fakes, and the
verbal scale of forensic institutes."""

from detector import questions
from detector.messages.format import score
from detector.schema.verdict import Answer, EmpiricalOdds
from detector.sentences import _, numeral, say


def of_tests(odds: EmpiricalOdds, question: str | None = None) -> str:
    """Return the share of manipulated clips among test clips with such a score, with its 95 %
    interval."""
    text = say(questions.of(question).odds)
    return text.format(low=score(odds.low, [odds.high]), high=score(odds.high, [odds.low]))


def in_ten(answer: Answer, question: str | None, base_rate: float) -> str:
    """Return the odds of an answer towards one side in a few words: "8 of 10 test files with such a
    score were fakes". Empty for another answer, or one whose odds were not measured.

    base_rate : float
        Share of fakes, 0..1, among the files that the reader gets; in our tests half of them.
    """
    side, band = answer.label.side, answer.thresholds.rate(answer.label)
    if side is None:
        return ""
    spec = questions.of(question)
    # An answer towards real takes every question: how often it is right was counted of the answer.
    if answer.odds is not None and side == "fake":
        share, text = answer.odds.share, _("{share} test files with such a score were {word}")
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


def support(answer: Answer, question: str | None) -> str:
    """Return the likelihood ratio of an answer with its verbal scale; empty without one."""
    ratio = answer.likelihood_ratio
    if ratio is None or answer.support is None:
        return ""
    spec = questions.of(question)
    scale = {
        "none": _("no support for either side"),
        "weak": _("weak support for “{word}”"),
        "moderate": _("moderate support for “{word}”"),
        "moderately_strong": _("moderately strong support for “{word}”"),
        "strong": _("strong support for “{word}”"),
        "very_strong": _("very strong support for “{word}”"),
    }[answer.support]
    one, other = say(spec.fake_word), say(spec.real_word)
    if ratio < 1:
        one, other = other, one
    text = _("Such a score is {ratio} times as likely of a file that is {one} as of one that is "
             "{other}: {scale} (scale of the ENFSI).")  # fmt: skip
    size = max(ratio, 1 / ratio)
    shown = numeral(size, ".1f") if size < 10 else f"{size:.0f}"
    return text.format(ratio=shown, one=one, other=other, scale=scale.format(word=one))
