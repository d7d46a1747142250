"""Sentence templates: a text with named braces, and the formatters of its parameters.

`_` only marks a text for `tools.languages`; it is translated when it is rendered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from detector.messages.format import limit_percent, listed, percent
from detector.messages.states import says
from detector.questions import QuestionSpec, of
from detector.sentences import say

Params = Mapping[str, Any]


class Coded(Protocol):
    """Anything with a code and parameters: a reason, a caveat, an action."""

    @property
    def code(self) -> str: ...

    @property
    def params(self) -> Params: ...


Wording = Callable[[Params], tuple[str, str]]
"""Gives the sentence of a code and what stands under it in small (or "")."""


def _names(names: list[str]) -> str:
    return listed([say(str(name)) for name in names])


AS_WORDS: dict[str, Callable[[Any], str]] = {
    "high": limit_percent,
    "right": percent,
    "models": _names,
    "most": say,
    "least": say,
    "title": say,
    "alone": limit_percent,
    "titles": _names,
    "trials": lambda titles: listed([say(t) for t in titles]),
    "confused_by": lambda cause: say(cause) if cause else "",
    "question": says,
}
"""Parameter -> its formatter, where it is not inserted as it is."""
_SCORES = ("highest", "most_score", "least_score")
"""Parameters that are scores, which are printed on their side of the limits beside them"""
_LIMITS = ("high", "low")


@dataclass(frozen=True)
class Template:
    """A sentence and its detail (or ""), with braces for parameters."""

    text: str
    detail: str = ""

    def __call__(self, p: Params) -> tuple[str, str]:
        values = {name: AS_WORDS[name](x) if name in AS_WORDS else x
                  for name, x in p.items()}  # fmt: skip
        limits = [float(p[name]) for name in _LIMITS if name in p]
        values |= {name: percent(float(p[name]), limits) for name in _SCORES if name in p}
        detail = self.detail and say(self.detail).format(**values)
        return say(self.text).format(**values), detail


def by(param: str, **choices: Wording) -> Wording:
    """Return the wording that a parameter's value selects."""
    return lambda p: choices[str(p[param])](p)


def of_question(choose: Callable[[QuestionSpec], str], param: str = "question") -> Wording:
    """Return the wording that a question defines (`detector.questions`); a face's by default."""
    return lambda p: Template(choose(of(p.get(param))))(p)
