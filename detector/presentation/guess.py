"""A person's guess about a sample, and the models' answer beside it."""

from collections.abc import Sequence

from detector.schema.analysis import Analysis
from detector.schema.codes import Side
from detector.sentences import _, say

NAMES = {Side.REAL: _("real"), Side.FAKE: _("fake")}
"""Of what a sample is."""
THEIRS = _("The models say:")
"""Before their answer."""


def truth(side: Side, guess: Side) -> str:
    """Return what a sample is, and whether the guess was right."""
    text = _("Right: it is {what}.") if guess is side else _("No: it is {what}.")
    return text.format(what=say(NAMES[side]))


def pending(*, running: bool) -> str:
    """Return why there is no answer of the models: they are `running`, or gave none."""
    return _("The models are still looking …") if running else _("The models gave no answer.")


def points(truths: Sequence[Side], answers: Sequence[Side | None]) -> tuple[int, int]:
    """Return the numbers of right and wrong answers; None counts as neither."""
    pairs = list(zip(truths, answers, strict=True))
    return sum(a is t for t, a in pairs), sum(a is not None and a is not t for t, a in pairs)


def both_scores(
    truths: Sequence[Side], guesses: Sequence[Side | None], results: Sequence[Analysis | None]
) -> str:
    """Return the points of the person's guesses and of the models' results (None: no result)."""
    yours, _wrong = points(truths, guesses)
    labels = [None if result is None else result.verdict.label.side for result in results]
    theirs, wrong = points(truths, labels)
    text = _("You: {yours} of {all} right. The models: {theirs} right, {wrong} wrong, {open} open.")
    return text.format(
        yours=yours, all=len(truths), theirs=theirs, wrong=wrong, open=len(truths) - theirs - wrong
    )
