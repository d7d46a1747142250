"""The catalogs of the languages: one gettext file each beside this one, `<code>.po`."""

from __future__ import annotations

import gettext
import io
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.core import default_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from detector.config import get_config

SOURCE = "en"
FOLDER = Path(__file__).parent


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
    return gettext.GNUTranslations(compiled)


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
