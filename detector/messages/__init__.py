"""What is said of a result: a code and its parameters -> a sentence.

One catalogue for the pages, the command line, the PDF and the API. `decision` returns codes with
parameters and never writes a sentence; here is nothing else than sentences. Each goes through
gettext, so that a translated page translates its reasons too: whoever asks brings a `Speech`
(`gettext.NullTranslations` or a language's). Likelihood, never fact; US English, short, exact.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Param = str | int | float | bool | list[str] | None
Params = Mapping[str, Any]


class Speech(Protocol):
    """A language: what `gettext.NullTranslations` offers."""

    def gettext(self, message: str, /) -> str:
        """Return a text in this language."""
        ...

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str:
        """Return the form that goes with a number."""
        ...


ENGLISH: Speech = gettext.NullTranslations()


class Coded(Protocol):
    """Anything with a code and parameters: a reason, a caveat, an action."""

    @property
    def code(self) -> str: ...

    @property
    def params(self) -> Params: ...


Wording = Callable[[Params, Speech], tuple[str, str]]
"""Gives the sentence of a code and what stands under it in small (or "")."""


def wording(message: Coded, speech: Speech = ENGLISH) -> tuple[str, str]:
    """Return the sentence of a message and its detail, both without markup.

    A message of an older result, which was written as a sentence, is said as it was written.

    Raises
    ------
    KeyError
        Nobody wrote a sentence for this code: a fault of ours, which a test looks for.
    """
    from detector.messages import caveats, evidence, reasons

    if "written" in message.params:
        return str(message.params["written"]), str(message.params.get("written_detail", ""))
    code = str(message.code)
    for catalogue in (reasons.WORDINGS, caveats.WORDINGS, evidence.WORDINGS):
        if code in catalogue:
            return catalogue[code](message.params, speech)
    raise KeyError(f"no sentence for the code {code!r}")


def text(message: Coded, speech: Speech = ENGLISH) -> str:
    """Return the sentence of a message."""
    return wording(message, speech)[0]


def detail(message: Coded, speech: Speech = ENGLISH) -> str:
    """Return what stands under the sentence in small, or an empty string."""
    return wording(message, speech)[1]
