"""The language of the pages.

The texts in the code are English. Each goes through `_` (or `labels.count`, where a number decides
its form), and a language is one file, `languages/<code>.po` in gettext's format, made and brought
up to date by `python tools/language.py <code>`. A text that a file lacks stays English.

Whose language: that of the person's browser, where there is a file for it; UNMASK_LANGUAGE sets one
for everybody. What the detector says of a file is kept as codes, and `detector.messages` puts it
into words in this language (`speech`). A report is English.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import streamlit as st

from dashboard import _compat
from detector.errors import UnmaskError
from service import messages
from service.config import get_config

SOURCE = "en"
FOLDER = Path(__file__).parent / "languages"

K = TypeVar("K")
V = TypeVar("V")

_answer = ContextVar("answer", default=SOURCE)


def _(message: str) -> str:
    """A text in the language of whoever looks at this page.

    Parameters
    ----------
    message : str
        The English text as a literal, so that `tools/language.py` finds it; what is filled in
        stands in named braces and is put there by `.format` afterwards.
    """
    return _texts(current()).gettext(message)


def ngettext(one: str, many: str, number: int) -> str:
    """The form that goes with a number: each language has its own rule for it."""
    return _texts(current()).ngettext(one, many, number)


def say(text: str) -> str:
    """Return what the service says (`service.messages`) in the language of whoever looks; a text
    that is no message of ours, such as the detector's, stays as it is."""
    return messages.say(text, speech())


def advice(error: UnmaskError) -> str:
    """Return what went wrong and what to do, in the language of whoever looks."""
    return f"{say(error.message)} {say(error.hint)}".strip()


def speech() -> gettext.NullTranslations:
    """The language of whoever looks at this page, for the sentences of `detector.messages`."""
    return _texts(current())


def current() -> str:
    """Code of the language of whoever looks at this page: "en", "pt_BR".

    A cache of anything with words in it has this in its key. Outside a page and an `answer`,
    UNMASK_LANGUAGE or English.
    """
    if chosen := get_config().language:
        return _nearest(chosen)
    if not _compat.in_script_run():
        return _answer.get()
    return _nearest(st.context.locale or SOURCE)


@contextmanager
def use_locale(header: str) -> Iterator[None]:
    """Around the making of an answer to a plain request, which Streamlit does not draw.

    Parameters
    ----------
    header : str
        Its Accept-Language. Browsers name the languages in the order of the person's choice, so
        the weights tell nothing more.
    """
    asked = (wish.partition(";")[0].strip() for wish in header.split(","))
    before = _answer.set(_nearest(*asked))
    try:
        yield
    finally:
        _answer.reset(before)


@lru_cache(maxsize=256)
def _nearest(*asked: str) -> str:
    """The first language there is a file for: "de-AT" -> "de_AT", else "de"; else English."""
    from babel import UnknownLocaleError, negotiate_locale

    codes = [code.replace("-", "_") for code in asked]
    try:
        return negotiate_locale(codes, [SOURCE, *available()]) or SOURCE
    except (ValueError, UnknownLocaleError):
        return SOURCE


@lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """Codes of the languages there is a file for, besides English."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.po")))


@lru_cache(maxsize=32)
def _texts(code: str) -> gettext.NullTranslations:
    if code == SOURCE:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with (FOLDER / f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def forget() -> None:
    """Read the files anew."""
    for kept in (_nearest, available, _texts):
        kept.cache_clear()


class LazyDict(Mapping[K, V]):
    """A constant table with texts in it, in the language of whoever looks.

    Parameters
    ----------
    make : callable
        Gives the whole table; called once for each language.
    """

    def __init__(self, make: Callable[[], Mapping[K, V]]) -> None:
        self._make = make
        self._made: dict[str, Mapping[K, V]] = {}

    def _table(self) -> Mapping[K, V]:
        code = current()
        if code not in self._made:
            self._made[code] = self._make()
        return self._made[code]

    def __getitem__(self, key: K) -> V:
        return self._table()[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())
