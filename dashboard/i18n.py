"""Language of a page.

Texts in the code are English. Each passes through `_` of `detector.sentences` (or `count`, where a
number decides its form); a language is one gettext file, `locale/<code>/LC_MESSAGES/unmask.po`,
created and updated by `python -m tools.languages <code>`. A missing text stays English.

UNMASK_LANGUAGE sets the language of all pages; else the person's choice in Settings counts; else
the browser's, if there is a file for it.
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
    """Return an error's message and hint in the viewer's language."""
    return f"{say(error.message)} {say(error.hint)}".strip()


def current() -> str:
    """Return the reader's language code, "en" or "pt_BR"; include it in the key of cached texts."""
    return sentences.language().info().get("language", SOURCE)


def _of_page() -> Translations:
    """Return the language of this thread's page; English without one."""
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
    """Return the root element's attributes: language and direction."""
    code = current()
    direction = "rtl" if languages.right_to_left(code) else "ltr"
    return {"lang": code.replace("_", "-"), "dir": direction}


def html_tag() -> str:
    """Return the opening tag of a page in its language."""
    return "<html {}>".format(" ".join(f'{k}="{v}"' for k, v in html_attributes().items()))


def of_request(header: str) -> Translations:
    """Return the language of a plain request by its Accept-Language header."""
    wanted = (wish.partition(";")[0].strip() for wish in header.split(","))
    chosen = get_config().language
    return languages.catalog(languages.nearest(*([chosen] if chosen else wanted)))
