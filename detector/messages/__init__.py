"""Wording of a result: a code and its parameters -> a sentence.

One catalogue for the pages, the command line, the PDF and the API. `decision` returns codes with
parameters and never writes a sentence; here is nothing else than sentences, in the reader's
language (`detector.sentences`). Likelihood, never fact; US English, short, exact.
"""

from detector.messages import reasons
from detector.messages.template import Coded, Params, Wording

__all__ = ["Coded", "Params", "Wording", "detail", "text", "wording"]


def wording(message: Coded) -> tuple[str, str]:
    """Return the sentence of a message and its detail, both without markup; raise KeyError where
    this code has none: a bug, which a test looks for."""
    code = str(message.code)
    for catalogue in (reasons.REASONS, reasons.CAVEATS, reasons.EVIDENCE):
        if code in catalogue:
            return catalogue[code](message.params)
    raise KeyError(f"no sentence for the code {code!r}")


def text(message: Coded) -> str:
    """Return the sentence of a message."""
    return wording(message)[0]


def detail(message: Coded) -> str:
    """Return what stands under the sentence in small, or an empty string."""
    return wording(message)[1]
