"""The language of the pages.

The texts in the code are English. Each goes through `_` (or `labels.count`, where a number decides
its form), and a language is one file, `languages/<code>.po` in gettext's format, made and brought
up to date by `python -m dashboard.languages.update <code>`. A text that a file lacks stays English.

Whose language: UNMASK_LANGUAGE, which sets one for everybody; else what the person chose in their
Settings; else that of their browser, where there is a file for it. What the detector says of a file
is kept as codes, and `detector.messages` puts it into words in this language (`speech`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TypeVar

import streamlit as st

from dashboard import _compat
from detector import sentences
from detector.errors import UnmaskError
from detector.messages import Speech
from service import languages
from service.config import get_config
from service.languages import SOURCE

K = TypeVar("K")
V = TypeVar("V")

_CHOSEN = "language-chosen"
_locale = ContextVar("locale", default=SOURCE)


def _(message: str) -> str:
    """Translate a literal English text, which `dashboard.languages.update` extracts."""
    return speech().gettext(message)


def ngettext(one: str, many: str, number: int) -> str:
    """Return the form that goes with a number: each language has its own rule for it."""
    return speech().ngettext(one, many, number)


def say(text: str) -> str:
    """Return a message of `detector.sentences` in the page's language; other texts stay."""
    return sentences.say(text, speech())


def advice(error: UnmaskError) -> str:
    """Return what went wrong and what to do, in the viewer's language."""
    return f"{say(error.message)} {say(error.hint)}".strip()


def speech() -> Speech:
    """Return the viewer's language, for the sentences of `detector.messages`."""
    return languages.catalog(current())


def current() -> str:
    """Return the page's language code, "en" or "pt_BR"; caches of texts have it in their key."""
    if chosen := get_config().language:
        return languages.nearest(chosen)
    if not _compat.in_script_run():
        return _locale.get()
    return languages.nearest(st.session_state.get(_CHOSEN) or st.context.locale or SOURCE)


def choose(code: str) -> None:
    """Set the language of this session; "" for that of the browser."""
    st.session_state[_CHOSEN] = code


def html_attributes() -> dict[str, str]:
    """Return the attributes of the root of a page: its language, and which way it is read."""
    code = current()
    direction = "rtl" if languages.right_to_left(code) else "ltr"
    return {"lang": code.replace("_", "-"), "dir": direction}


def html_tag() -> str:
    """Return the start of a page in the language."""
    return "<html {}>".format(" ".join(f'{k}="{v}"' for k, v in html_attributes().items()))


@contextmanager
def use_locale(header: str) -> Iterator[None]:
    """Set the language of a plain request by its Accept-Language, in the order of its names."""
    wanted = (wish.partition(";")[0].strip() for wish in header.split(","))
    before = _locale.set(languages.nearest(*wanted))
    try:
        yield
    finally:
        _locale.reset(before)


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
