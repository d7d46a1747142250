"""The rules of the style sheet, as tests read them."""

import re
from typing import Literal, NamedTuple, get_args

from dashboard.theme import SHEETS, STATIC

Where = Literal[
    "everywhere",
    "empty",
    "state",
    "running",
    "result",
    "models",
    "compare",
    "comparison",
    "account",
    "live",
    "history",
    "batch",
]
"""The states of pages in which the browser tests look for hooks."""

_RULE = re.compile(r"^([^\s{}][^{}]*?)\s*\{( [^\n]* |\n.*?\n)\}$", re.MULTILINE | re.DOTALL)
_SEEN = re.compile(r"/\* @seen (\w+) \*/")


class Rule(NamedTuple):
    """A rule at the top of a file: its hook, the state of a page that must hold it, and its CSS."""

    where: Where
    hook: str
    css: str


def rules():
    """Return every rule of every file, in the order of the cascade."""
    return [rule for name in SHEETS for rule in _of((STATIC / f"{name}.css").read_text("utf-8"))]


def _of(text):
    places = get_args(Where)
    first, *parts = _SEEN.split(text)
    assert "{" not in first, "a rule stands before its @seen"
    for where, part in zip(parts[::2], parts[1::2], strict=True):
        assert where in places, where
        # Rules are nested: one on a line of its own, or down to a brace at the start of a line.
        for hook, css in _RULE.findall(re.sub(r"/\*.*?\*/", "", part, flags=re.DOTALL)):
            if not hook.startswith("@"):
                yield Rule(where, re.sub(r"\s+", " ", hook), css)
