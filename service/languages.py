"""The catalogs of the languages: one gettext file each, `dashboard/languages/<code>.po`."""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import IO

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.core import default_locale
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from detector.config import get_config

SOURCE = "en"
FOLDER = Path(__file__).parents[1] / "dashboard" / "languages"
FILLED_IN = "filled-in"
"""The comment on a text whose braces are filled in before it is translated: an f-string of an
error, or a sentence of Typer."""
_LONGEST, _DEEPEST = 600, 4  # characters of a text that is compared, and templates in each other


@lru_cache(maxsize=256)
def nearest(*wanted: str) -> str:
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
def catalog(code: str) -> gettext.NullTranslations:
    """Return the texts of a language that `nearest` gave."""
    if code == SOURCE:
        return gettext.NullTranslations()
    with (FOLDER / f"{code}.po").open("rb") as file:
        read = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    templates = [str(text.id) for text in read if FILLED_IN in text.auto_comments]
    return _Texts(compiled, code, templates)


class _Texts(gettext.GNUTranslations):
    """The texts of a language, and sentences that are templates of it, filled in."""

    def __init__(self, compiled: IO[bytes], code: str, templates: Iterable[str]) -> None:
        super().__init__(compiled)
        self._code, self._known = code, super().gettext
        literals = {one: [text for text, *_ in Formatter().parse(one)] for one in templates}
        # The one with the most literal text fits best.
        self._literals = sorted(literals.items(), key=lambda item: -len("".join(item[1])))

    def gettext(self, message: str) -> str:
        """Return the text in the language; the same where it is unknown and no template fits."""
        return self._filled_in(message, _DEEPEST)

    def _filled_in(self, message: str, depth: int) -> str:
        known = self._known(message)
        if known != message or len(message) > _LONGEST or not depth:
            return known
        for template, literals in self._literals:
            if not all(text in message for text in literals):
                continue
            if match := _pattern(template).fullmatch(message):
                found = match.groupdict().items()
                values = {name: self._value(text, depth - 1) for name, text in found}
                return self._known(template).format(**values)
        return message

    def _value(self, text: str, depth: int) -> str:
        """Return a value in the language: a name, names, a sentence, or several parts of one."""
        if " " not in text:
            return text
        names = re.split(r", | or | and ", text)
        if " " not in "".join(names) and text.count(", ") < len(names) - 1:
            return format_list(names, "or" if " or " in text else "standard", locale=self._code)
        parts = [(part, self._filled_in(part, depth)) for part in text.split("; ")]
        if all(part != said for part, said in parts):
            return "; ".join(said for _part, said in parts)
        return self._filled_in(text, depth)


@lru_cache(maxsize=1024)
def _pattern(template: str) -> re.Pattern[str]:
    parts = Formatter().parse(template)
    texts = (re.escape(text) + (f"(?P<{name}>.*?)" if name else "") for text, name, *_ in parts)
    return re.compile("".join(texts), re.DOTALL)


def of_terminal() -> str:
    """Return the language of a command: UNMASK_LANGUAGE, else that of LC_ALL, LC_MESSAGES, LANG."""
    return nearest(get_config().language or default_locale("LC_MESSAGES") or SOURCE)


def own_name(code: str) -> str:
    """Return a language's name in itself: "es" -> "Español"."""
    name = Locale.parse(code).get_display_name() or code
    return name[:1].upper() + name[1:]


def right_to_left(code: str) -> bool:
    """Return whether a language is written from right to left."""
    return Locale.parse(code).text_direction == "rtl"
