"""What a message is made of: a code, parameters, and a language to say them in."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from detector.sentences import Speech

Param = str | int | float | bool | list[str] | None
Params = Mapping[str, Any]


class Coded(Protocol):
    """Anything with a code and parameters: a reason, a caveat, an action."""

    @property
    def code(self) -> str: ...

    @property
    def params(self) -> Params: ...


Wording = Callable[[Params, Speech], tuple[str, str]]
"""Gives the sentence of a code and what stands under it in small (or "")."""
