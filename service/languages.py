"""Catalogs of the languages: `locale/<code>/LC_MESSAGES/unmask.po`, compiled on first use in a
checkout and at build time in a wheel. An edited catalog takes effect after a restart."""

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
_PACKAGE = Path(__file__).resolve().parent
_CARRIED = _PACKAGE / "_locale"
FOLDER = _CARRIED if _CARRIED.is_dir() else _PACKAGE.parent / "locale"


@lru_cache(maxsize=256)
def nearest(*wanted: str) -> str:
    """Return the first language with a catalog: "de-AT" -> "de_AT", else "de"; else English."""
    codes = [code.replace("-", "_") for code in wanted]
    try:
        return negotiate_locale(codes, [SOURCE, *available()]) or SOURCE
    except (ValueError, UnknownLocaleError):
        return SOURCE


@lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """Return the codes of the languages with a catalog, besides English."""
    return tuple(sorted(file.parts[-3] for file in FOLDER.glob("*/LC_MESSAGES/unmask.[mp]o")))


@lru_cache(maxsize=32)
def catalog(code: str) -> gettext.NullTranslations:
    """Return the texts of a language that `nearest` gave."""
    if code == SOURCE:
        return gettext.NullTranslations()
    folder, compiled = FOLDER / code / "LC_MESSAGES", io.BytesIO()
    if (built := folder / "unmask.mo").is_file():
        return gettext.GNUTranslations(io.BytesIO(built.read_bytes()))
    with (folder / "unmask.po").open("rb") as file:
        read = read_po(file, locale=code)
    write_mo(compiled, read)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def of_terminal() -> str:
    """Return the language of a command: UNMASK_LANGUAGE, else LC_ALL, LC_MESSAGES, LANG."""
    return nearest(get_config().language or default_locale("LC_MESSAGES") or SOURCE)


def own_name(code: str) -> str:
    """Return a language's name in itself: "es" -> "Español"."""
    name = Locale.parse(code).get_display_name() or code
    return name[:1].upper() + name[1:]


def right_to_left(code: str) -> bool:
    """Return whether a language is written from right to left."""
    return Locale.parse(code).text_direction == "rtl"
