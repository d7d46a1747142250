"""Sentences for people, in the reader's language.

`_` marks a text and gives a `Message`: a string in the reader's language that remembers the text it
was made of and what was filled in. The reader's language is set at an edge (`use`: a request, what
a command prints; `resolve_by`: the run of a page); where no edge set one, as in a worker or while a
file is analyzed, it is English. Errors carry messages and records keep them (`MessageSpec` is
JSON), so that `say` puts into the reader's language what was written in another.

Messages are put together with `format` and `join`, never with f-strings or `+`: these give plain
text.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

NBSP = "\u00a0"
T = TypeVar("T")


class Translations(Protocol):
    """A language: what `gettext.NullTranslations` offers."""

    def gettext(self, message: str, /) -> str: ...

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str: ...

    def info(self) -> Mapping[str, str]: ...


ENGLISH: Translations = gettext.NullTranslations()

_language: ContextVar[Translations | None] = ContextVar("language", default=None)
_resolvers: list[Callable[[], Translations]] = []


def language() -> Translations:
    """Return the reader's language."""
    chosen = _language.get()
    if chosen is not None:
        return chosen
    return _resolvers[-1]() if _resolvers else ENGLISH


@contextmanager
def use(translations: Translations) -> Iterator[None]:
    """Speak a language within a block."""
    before = _language.set(translations)
    try:
        yield
    finally:
        _language.reset(before)


def spoken(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function that speaks the language of now when it is called later, in any thread."""
    now = language()

    def made() -> T:
        with use(now):
            return make()

    return made


def resolve_by(resolver: Callable[[], Translations]) -> None:
    """Ask `resolver` where no block speaks a language: a page runs in parts, and its callbacks
    before it, so that no block is around all of them."""
    _resolvers[:] = [resolver]


@dataclass(frozen=True)
class MessageSpec:
    """What a message is made of."""

    text: str
    """The English text, with named braces."""
    plural: str = ""
    """Its form for several; empty where no number decides."""
    number: int = 0
    """Decides the form."""
    params: Mapping[str, MessageSpec | str | int | float] = field(default_factory=dict)
    """What stands in the braces."""
    literal: bool = False
    """The text is the same in every language: it only puts its parameters together."""

    def render(self, translations: Translations) -> str:
        """Return the sentence in a language."""
        if self.literal or not self.text:  # "" is the head of a catalog
            text = self.text
        elif self.plural:
            text = translations.ngettext(self.text, self.plural, self.number)
        else:
            text = translations.gettext(self.text)
        if not self.params:
            return text
        values = {
            name: value.render(translations) if isinstance(value, MessageSpec) else value
            for name, value in self.params.items()
        }
        return text.format(**values)


class Message(str):
    """A sentence that can be said in other languages."""

    spec: MessageSpec

    def __new__(cls, spec: MessageSpec) -> Message:
        message = super().__new__(cls, spec.render(language()))
        message.spec = spec
        return message

    def __reduce__(self) -> tuple[type[Message], tuple[MessageSpec]]:
        """Return what a copy is made of."""
        return Message, (self.spec,)

    def format(self, *args: object, **params: object) -> Message:
        """Return the message with its braces filled in; an object is taken by what it says."""
        if args:
            raise TypeError("the braces of a message have names")
        return Message(replace(self.spec, params={k: _param(v) for k, v in params.items()}))


def _(text: str) -> str:
    """Return a message of a literal text, which `tools.languages` finds by this name."""
    return Message(MessageSpec(text))


def known(text: str) -> str:
    """Return a message of a text that other code marks, such as the name of a model."""
    return Message(MessageSpec(text))


def ngettext(one: str, many: str, number: int) -> str:
    """Return the form that goes with a number: each language has its own rule for it."""
    return Message(MessageSpec(one, many, number))


def count(number: int, one: str, many: str) -> str:
    """Return count(1, "file", "files") -> "1 file"; both forms as literals."""
    return _literal(f"{{number}}{NBSP}{{noun}}").format(
        number=f"{number:,}", noun=ngettext(one, many, number)
    )


def join(*parts: str, by: str = " ") -> str:
    """Return sentences one after the other, or their parts with `by` between; empty ones are left
    out."""
    named = {f"p{index}": part for index, part in enumerate(part for part in parts if part)}
    return _literal(by.join(f"{{{name}}}" for name in named)).format(**named)


def spec_of(text: str) -> MessageSpec | None:
    """Return what a text is made of; None of one that is no message."""
    return text.spec if isinstance(text, Message) else None


def say(text: str) -> str:
    """Return a text in the reader's language; a plain one that it does not know stays as it is."""
    return Message(text.spec if isinstance(text, Message) else MessageSpec(text))


def english(text: str) -> str:
    """Return a text as data keeps it, which programs compare."""
    return text.spec.render(ENGLISH) if isinstance(text, Message) else text


def in_english(make: Callable[[T], str], of: T) -> str:
    """Return what `make` says of something, in English whatever the reader's language."""
    with use(ENGLISH):
        return str(make(of))


def _literal(text: str) -> Message:
    return Message(MessageSpec(text, literal=True))


def _param(value: Any) -> MessageSpec | str | int | float:
    if isinstance(value, Message):
        return value.spec
    return value if isinstance(value, str | int | float) else str(value)
