"""The language of the pages.

The texts in the code are English. Each goes through `_` (or `labels.count`, where a number decides
its form), and a language is one file, `languages/<code>.po` in gettext's format, made and brought
up to date by `python -m dashboard.languages.update <code>`. A text that a file lacks stays English.

Whose language: that of the person's browser, where there is a file for it; UNMASK_LANGUAGE sets one
for everybody. What the detector says of a file is kept as codes, and `detector.messages` puts it
into words in this language (`speech`). A report is English.
"""

import gettext
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar

import streamlit as st
from babel import UnknownLocaleError, negotiate_locale

from dashboard import _compat
from detector.errors import UnmaskError
from service import messages
from service.config import get_config

SOURCE = "en"
FOLDER = Path(__file__).parent / "languages"

K = TypeVar("K")
V = TypeVar("V")

_locale = ContextVar("locale", default=SOURCE)


def _(message: str) -> str:
    """Translate a literal English text, which `dashboard.languages.update` extracts."""
    return _texts(current()).gettext(message)


def ngettext(one: str, many: str, number: int) -> str:
    """Return the form that goes with a number: each language has its own rule for it."""
    return _texts(current()).ngettext(one, many, number)


def say(text: str) -> str:
    """Return a message of `service.messages` in the page's language; other texts stay."""
    return messages.say(text, speech())


def advice(error: UnmaskError) -> str:
    """Return what went wrong and what to do, in the language of whoever looks."""
    return f"{say(error.message)} {say(error.hint)}".strip()


def speech() -> gettext.NullTranslations:
    """Return the language of whoever looks, for the sentences of `detector.messages`."""
    return _texts(current())


def current() -> str:
    """Return the page's language code, "en" or "pt_BR"; caches of texts have it in their key."""
    if chosen := get_config().language:
        return _nearest(chosen)
    if not _compat.in_script_run():
        return _locale.get()
    return _nearest(st.context.locale or SOURCE)


@contextmanager
def use_locale(header: str) -> Iterator[None]:
    """Set the language of a plain request by its Accept-Language, in the order of its names."""
    wanted = (wish.partition(";")[0].strip() for wish in header.split(","))
    before = _locale.set(_nearest(*wanted))
    try:
        yield
    finally:
        _locale.reset(before)


@lru_cache(maxsize=256)
def _nearest(*wanted: str) -> str:
    """Return the first language with a file: "de-AT" -> "de_AT", else "de"; else English."""
    codes = [code.replace("-", "_") for code in wanted]
    try:
        return negotiate_locale(codes, [SOURCE, *available()]) or SOURCE
    except (ValueError, UnknownLocaleError):
        return SOURCE


@lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """Return the codes of the languages there is a file for, besides English."""
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


class LazyDict(Mapping[K, V]):
    """A constant table with texts, made by `make` once for each language."""

    def __init__(self, make: Callable[[], Mapping[K, V]]) -> None:
        self._table = cache(lambda code: make())

    def __getitem__(self, key: K) -> V:
        return self._table(current())[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._table(current()))

    def __len__(self) -> int:
        return len(self._table(current()))
