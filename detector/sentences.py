"""Sentences for people: English until an edge renders them in a reader's language.

`_` marks a text, as everywhere, and gives a `Message`: an English string that remembers the text it
was made of and what was filled in. Errors carry it, records keep it (`MessageSpec` is JSON), and
the edge that answers a person renders it in that person's language: `dashboard.i18n.say`. So a
refusal that a worker wrote is read in the reader's language.

Messages are put together with `format` and `join`, never with f-strings or `+`: these give plain
English text.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

NBSP = "\u00a0"


class Speech(Protocol):
    """A language: what `gettext.NullTranslations` offers."""

    def gettext(self, message: str, /) -> str: ...

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str: ...

    def info(self) -> Mapping[str, str]: ...


ENGLISH: Speech = gettext.NullTranslations()


class MessageSpec(BaseModel):
    """What a message is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    """The English text, with named braces."""
    plural: str = ""
    """Its form for several; empty where no number decides."""
    number: int = 0
    """Decides the form."""
    params: Mapping[str, MessageSpec | str | int | float] = Field(default_factory=dict)
    """What stands in the braces."""
    literal: bool = False
    """The text is the same in every language: it only puts its parameters together."""

    def render(self, speech: Speech) -> str:
        """Return the sentence in a language."""
        if self.literal:
            text = self.text
        elif self.plural:
            text = speech.ngettext(self.text, self.plural, self.number)
        else:
            text = speech.gettext(self.text)
        if not self.params:
            return text
        values = {
            name: value.render(speech) if isinstance(value, MessageSpec) else value
            for name, value in self.params.items()
        }
        return text.format(**values)


class Message(str):
    """A sentence in English that can be said in other languages."""

    spec: MessageSpec

    def __new__(cls, spec: MessageSpec) -> Message:
        message = super().__new__(cls, spec.render(ENGLISH))
        message.spec = spec
        return message

    def __reduce__(self) -> tuple[type[Message], tuple[MessageSpec]]:
        """Return what a copy is made of."""
        return Message, (self.spec,)

    def format(self, *args: object, **params: object) -> Message:
        """Return the message with its braces filled in; an object is taken by what it says."""
        if args:
            raise TypeError("the braces of a message have names")
        filled = {name: _param(value) for name, value in params.items()}
        return Message(self.spec.model_copy(update={"params": filled}))


def _(text: str) -> Message:
    """Return a message of a literal text, which `dashboard.languages.update` finds by this name. A
    part of an f-string is one itself: like it, it is translated by its template."""
    return Message(MessageSpec(text=text))


def known(text: str) -> Message:
    """Return a message of a text that other code marks, such as the name of a model."""
    return Message(MessageSpec(text=text))


def ngettext(one: str, many: str, number: int) -> Message:
    """Return the form that goes with a number: each language has its own rule for it."""
    return Message(MessageSpec(text=one, plural=many, number=number))


def count(number: int, one: str, many: str) -> Message:
    """Return count(1, "file", "files") -> "1 file"; both forms as literals."""
    return _literal(f"{{number}}{NBSP}{{noun}}").format(
        number=f"{number:,}", noun=ngettext(one, many, number)
    )


def join(*parts: str) -> Message:
    """Return sentences one after the other; empty ones are left out."""
    named = {f"p{index}": part for index, part in enumerate(part for part in parts if part)}
    return _literal(" ".join(f"{{{name}}}" for name in named)).format(**named)


def spec_of(text: str) -> MessageSpec | None:
    """Return what a text is made of; None of one that is no message."""
    return text.spec if isinstance(text, Message) else None


def say(text: str, speech: Speech) -> str:
    """Return a text in a language; a plain one that the language does not know stays as it is."""
    if isinstance(text, Message):
        return text.spec.render(speech)
    return speech.gettext(text) if text else ""


def _literal(text: str) -> Message:
    return Message(MessageSpec(text=text, literal=True))


def _param(value: Any) -> MessageSpec | str | int | float:
    if isinstance(value, Message):
        return value.spec
    return value if isinstance(value, str | int | float) else str(value)
