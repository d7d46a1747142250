"""Sentences of codes: reasons, caveats and evidence with their parameters.

`decision` returns codes with parameters and never a sentence. Likelihood, never fact; US English,
short, exact.
"""

from detector.messages import reasons
from detector.messages.template import Coded, Params, Wording

__all__ = ["Coded", "Params", "Wording", "detail", "text", "wording"]


def wording(message: Coded) -> tuple[str, str]:
    """Return the sentence and the detail of a message, without markup. Raise KeyError for a code
    without a sentence, which is a bug."""
    code = str(message.code)
    for catalogue in (reasons.REASONS, reasons.CAVEATS, reasons.EVIDENCE):
        if code in catalogue:
            return catalogue[code](message.params)
    raise KeyError(f"no sentence for the code {code!r}")


def text(message: Coded) -> str:
    """Return the sentence of a message."""
    return wording(message)[0]


def detail(message: Coded) -> str:
    """Return the detail of a message, or an empty string."""
    return wording(message)[1]
