"""What a message is made of: a code, parameters, and a language to say them in."""

import gettext
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Param = str | int | float | bool | list[str] | None
Params = Mapping[str, Any]


class Speech(Protocol):
    """A language: what `gettext.NullTranslations` offers."""

    def gettext(self, message: str, /) -> str: ...

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str: ...

    def info(self) -> Mapping[str, str]: ...


ENGLISH: Speech = gettext.NullTranslations()


class Coded(Protocol):
    """Anything with a code and parameters: a reason, a caveat, an action."""

    @property
    def code(self) -> str: ...

    @property
    def params(self) -> Params: ...


Wording = Callable[[Params, Speech], tuple[str, str]]
"""Gives the sentence of a code and what stands under it in small (or "")."""
