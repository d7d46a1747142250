"""Wording of a result: a code and its parameters -> a sentence.

One catalogue for the pages, the command line, the PDF and the API. `decision` returns codes with
parameters and never writes a sentence; here is nothing else than sentences. Each goes through
gettext, so that a translated page translates its reasons too: the caller passes a `Speech`
(`gettext.NullTranslations` or a language's). Likelihood, never fact; US English, short, exact.
"""

from detector.messages import reasons
from detector.messages.template import Coded, Param, Params, Wording
from detector.sentences import ENGLISH, Speech

__all__ = ["ENGLISH", "Coded", "Param", "Params", "Speech", "Wording", "detail", "text", "wording"]


def wording(message: Coded, speech: Speech = ENGLISH) -> tuple[str, str]:
    """Return the sentence of a message and its detail, both without markup; raise KeyError where
    this code has none: a bug, which a test looks for."""
    code = str(message.code)
    for catalogue in (reasons.REASONS, reasons.CAVEATS, reasons.EVIDENCE):
        if code in catalogue:
            return catalogue[code](message.params, speech)
    raise KeyError(f"no sentence for the code {code!r}")


def text(message: Coded, speech: Speech = ENGLISH) -> str:
    """Return the sentence of a message."""
    return wording(message, speech)[0]


def detail(message: Coded, speech: Speech = ENGLISH) -> str:
    """Return what stands under the sentence in small, or an empty string."""
    return wording(message, speech)[1]
