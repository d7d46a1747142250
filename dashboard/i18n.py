"""Whose language a page speaks.

The texts in the code are English. Each goes through `_` of `detector.sentences` (or `count`, where
a number decides its form), and a language is one file, `locale/<code>/LC_MESSAGES/unmask.po` in
gettext's format, made and brought up to date by `python -m tools.languages <code>`. A text that a
file lacks stays English.

UNMASK_LANGUAGE sets one for everybody; else it is what the person chose in their Settings; else
that of their browser, where there is a file for it.
"""

import streamlit as st

from dashboard import _compat
from detector import sentences
from detector.errors import UnmaskError
from detector.sentences import ENGLISH, Translations, say
from service import languages
from service.config import get_config
from service.languages import SOURCE

_CHOSEN = "language-chosen"


def advice(error: UnmaskError) -> str:
    """Return what went wrong and what to do, in the viewer's language."""
    return f"{say(error.message)} {say(error.hint)}".strip()


def current() -> str:
    """Return the reader's language code, "en" or "pt_BR"; caches of texts have it in their key."""
    return sentences.language().info().get("language", SOURCE)


def _of_page() -> Translations:
    """Return the language of the page that this thread draws; English where it draws none."""
    if not _compat.in_script_run():
        return ENGLISH
    if chosen := get_config().language:
        return languages.catalog(languages.nearest(chosen))
    wanted = st.session_state.get(_CHOSEN) or st.context.locale or SOURCE
    return languages.catalog(languages.nearest(wanted))


sentences.resolve_by(_of_page)


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


def of_request(header: str) -> Translations:
    """Return the language of a plain request, by its Accept-Language in the order of its names."""
    wanted = (wish.partition(";")[0].strip() for wish in header.split(","))
    chosen = get_config().language
    return languages.catalog(languages.nearest(*([chosen] if chosen else wanted)))
