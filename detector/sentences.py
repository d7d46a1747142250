"""Translatable sentences in the reader's language.

`_` marks a text and returns a `Message`: a string in the reader's language that keeps its source
text and parameters. The reader's language is set at an edge (`use`: a request, the output of a
command; `resolve_by`: the run of a page); without one, as in a worker, it is English. Errors and
records store messages (`MessageSpec` is JSON), so that `say` can translate them for another reader.

Messages are combined with `format` and `join`, never with f-strings or `+`, which give plain text.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from string import Formatter
from typing import Any, Protocol, TypeVar

NBSP = "\u00a0"
MINUS = "−"  # of numbers; the hyphen of a keyboard is shorter than their plus
T = TypeVar("T")


class Translations(Protocol):
    """Protocol of a language, as `gettext.NullTranslations`."""

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
    """Set the reader's language within a block."""
    before = _language.set(translations)
    try:
        yield
    finally:
        _language.reset(before)


def spoken(make: Callable[[], T]) -> Callable[[], T]:
    """Bind a function to the current language, for later calls in any thread."""
    now = language()

    def made() -> T:
        with use(now):
            return make()

    return made


def resolve_by(resolver: Callable[[], Translations]) -> None:
    """Set the resolver of the language outside `use` blocks: a page runs in parts, its callbacks
    before it, so that no block encloses all of them."""
    _resolvers[:] = [resolver]


class _Numerals(Formatter):
    """Formatter that writes numbers with a minus sign and the separators of a language."""

    def __init__(self, separators: Mapping[str, str]) -> None:
        self._signs = str.maketrans({"-": MINUS, **separators})

    def format_field(self, value: Any, format_spec: str) -> str:
        text = str(super().format_field(value, format_spec))
        return text.translate(self._signs) if isinstance(value, int | float) else text


@lru_cache(maxsize=32)
def _numerals(code: str) -> _Numerals:
    if code == "en":
        return _Numerals({})
    from babel.numbers import get_decimal_symbol, get_group_symbol  # with every other language

    latin = partial(get_decimal_symbol, numbering_system="latn")
    group = partial(get_group_symbol, numbering_system="latn")
    return _Numerals({".": latin(code), ",": group(code)})


@dataclass(frozen=True)
class MessageSpec:
    """Source and parameters of a message."""

    text: str  # English, with named braces
    plural: str = ""  # the plural form; empty if no number decides
    number: int = 0  # decides the form
    params: Mapping[str, MessageSpec | str | int | float] = field(default_factory=dict)
    literal: bool = False  # not translated: it only combines its parameters

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
        code = translations.info().get("language", "en")
        if code == "en" and not any(map(_negative, values.values())):
            return text.format(**values)  # the same, five times as fast
        return _numerals(code).vformat(text, (), values)


class Message(str):
    """A sentence that can be translated later."""

    spec: MessageSpec

    def __new__(cls, spec: MessageSpec) -> Message:
        message = super().__new__(cls, spec.render(language()))
        message.spec = spec
        return message

    def __reduce__(self) -> tuple[type[Message], tuple[MessageSpec]]:
        return Message, (self.spec,)

    def format(self, *args: object, **params: object) -> Message:
        """Return the message with its parameters filled in; objects are converted by `str`."""
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
    """Return the form for a number, by the plural rule of the language."""
    return Message(MessageSpec(one, many, number))


def count(number: int, one: str, many: str) -> str:
    """Return count(1, "file", "files") -> "1 file"; both forms as literals."""
    return _literal(f"{{number:,}}{NBSP}{{noun}}").format(
        number=number, noun=ngettext(one, many, number)
    )


def numeral(value: float, spec: str = ",") -> str:
    """Return a number as the reader's language writes it: 1348 -> "1,348", in German "1.348";
    `spec` is Python's format."""
    exact = value if isinstance(value, int) else float(value)
    return _literal(f"{{value:{spec}}}").format(value=exact)


def separators() -> str:
    """Return the decimal and the grouping separator of the reader's language."""
    return numeral(0.5, ".1f")[1] + numeral(1000)[1]


def join(*parts: str, by: str = " ") -> str:
    """Join non-empty sentences, or parts of one, with `by` between."""
    named = {f"p{index}": part for index, part in enumerate(part for part in parts if part)}
    return _literal(by.join(f"{{{name}}}" for name in named)).format(**named)


def spec_of(text: str) -> MessageSpec | None:
    """Return the spec of a message; None for a plain text."""
    return text.spec if isinstance(text, Message) else None


def say(text: str) -> str:
    """Return a text in the reader's language; a plain text without a translation is unchanged."""
    return Message(text.spec if isinstance(text, Message) else MessageSpec(text))


def english(text: str) -> str:
    """Return a text in English, as data stores it."""
    return text.spec.render(ENGLISH) if isinstance(text, Message) else text


def in_english(make: Callable[[T], str], of: T) -> str:
    """Return `make(of)` in English, whatever the reader's language."""
    with use(ENGLISH):
        return str(make(of))


def _negative(value: str | int | float) -> bool:
    return isinstance(value, int | float) and value < 0


def _literal(text: str) -> Message:
    return Message(MessageSpec(text, literal=True))


def _param(value: Any) -> MessageSpec | str | int | float:
    if isinstance(value, Message):
        return value.spec
    return value if isinstance(value, str | int | float) else str(value)
