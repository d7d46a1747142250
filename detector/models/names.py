"""From the names of a published file to those of the network that takes its tensors, and back."""

import re
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

Rule = tuple[str, str | Callable[[re.Match[str]], str] | None]
"""A pattern at the start of a name, and what takes its place; None: these take no part."""


class RenamedState(dict[str, Tensor]):
    """Tensors under the network's names, which can say how the file calls each.

    So a person who is told what is missing finds it in the file, not in our code.
    """

    def __init__(self, rules: Sequence[Rule], before: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._rules = rules
        self._before = before
        self._origins: dict[str, str] = {}
        for name, tensor in before.items():
            if (new := _apply(name, rules)) is not None:
                self[new] = tensor
                self._origins[new] = name

    def original(self, name: str) -> str:
        """Return what the file calls this tensor, or would call it if it had it."""
        older = self._origins.get(name) or self._inverse(name)
        return self._before.original(older) if isinstance(self._before, RenamedState) else older

    def _inverse(self, name: str) -> str:
        for pattern, replacement in self._rules:
            literal = re.sub(r"\\(\W)", r"\1", pattern)
            if not isinstance(replacement, str) or re.escape(literal) != pattern:
                continue
            if name.startswith(replacement):
                older = literal + name[len(replacement) :]
                if _apply(older, self._rules) == name:
                    return older
        return name


def rename(state: Mapping[str, Tensor], rules: Sequence[Rule]) -> RenamedState:
    """Return the tensors under their new names; the first rule that fits counts.

    A name that no rule knows stays as it is, so that the strict load names it.
    """
    return RenamedState(rules, state)


def _apply(name: str, rules: Sequence[Rule]) -> str | None:
    for pattern, replacement in rules:
        if match := re.match(pattern, name):
            if replacement is None:
                return None
            start = replacement if isinstance(replacement, str) else replacement(match)
            return start + name[match.end() :]
    return name
