"""The address of a page as state: `?a=<id>` names the record that is looked at, `?s=<token>` a
share link.

So a reload, the back button and a copied address all lead to the same result, for as long as the
server keeps it.
"""

from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import streamlit as st

from dashboard import _compat

COPY = "copy"
"""In the query of a file: the copy that browsers play is meant (`service.storage.previews`)."""
QUESTION = "q"
"""In the query of the Models page: the task of the models that are shown."""
_NAME, _LINK = "a", "s"
_APP = Path(__file__).parent / "_app"  # in a wheel
_FOLDER = (_APP if _APP.is_dir() else _APP.parents[1]) / "pages"
PAGES = frozenset(file.stem for file in _FOLDER.glob("*.py"))
"""The pages, by their path in an address."""
FRONT = "analyze"
"""The page at the address of the app itself."""


def current() -> str | None:
    """Return the token in the address, or None on the front page."""
    return st.query_params.get(_NAME) or None


def link() -> str | None:
    """Return the token of a link in the address, whatever it is worth; None where there is none.

    On any page it means that nothing but what the link leads to is drawn (`shell`): where sign-in
    is required, a link is let past it.
    """
    return st.query_params.get(_LINK)


def link_to(token: str) -> str:
    """Return the whole address of a link, to be copied."""
    return f"{site()}/?{_LINK}={token}"


def site() -> str:
    """Return the address of the app as this person's browser has it, without the page and a slash
    at the end; empty where no server runs. `st.context.url` is that of the page."""
    address = (st.context.url or "").rstrip("/")
    app, _, last = address.rpartition("/")
    return app if last in PAGES and urlsplit(address).path else address


def page(name: str) -> st.Page:
    """Return a page, for a link to it."""
    return st.Page(_FOLDER / f"{name}.py", default=name == FRONT)


def go_to(name: str, **query: str) -> NoReturn:
    """Leave for another page, with this in its address."""
    st.switch_page(page(name), query_params=query or None)


def file_url(address: str, *, copy: bool = False) -> str | None:
    """Return the whole address of a record's media (`Job.address`) for the person's browser, or of
    its playable copy; None where no server runs (tests)."""
    app = site()
    if not app or not _compat.server_runs():
        return None
    return f"{app}/{address}{'?' + COPY if copy else ''}"


def enter(key: str) -> None:
    """Go to a file."""
    st.query_params[_NAME] = key


def leave() -> None:
    """Go back to the front page."""
    st.query_params.clear()
