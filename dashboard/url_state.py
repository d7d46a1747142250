"""State in the address of a page: `?a=<id>` names the record, `?s=<token>` a share link.

A reload, the back button and a copied address lead to the same result, for as long as the server
stores it.
"""

from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import streamlit as st

from dashboard import _compat

COPY = "copy"
"""In the query of a file: the copy that browsers play is meant (`service.tasks.previews`)."""
FETCHED = "fetch"
"""In the query of the front page: the task that fetches a shared or pasted link."""
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
    """Return the record id in the address, or None on the front page."""
    return st.query_params.get(_NAME) or None


def link() -> str | None:
    """Return the share token in the address, valid or not; None if there is none.

    On any page it restricts the drawing to the shared result (`shell`): where sign-in is required,
    a link is let past it.
    """
    return st.query_params.get(_LINK)


def link_to(token: str) -> str:
    """Return the whole address of a share link."""
    return f"{site()}/?{_LINK}={token}"


def site() -> str:
    """Return the app's address as this person's browser has it, without the page and a trailing
    slash; empty without a server. `st.context.url` is that of the page."""
    address = (st.context.url or "").rstrip("/")
    app, _, last = address.rpartition("/")
    return app if last in PAGES and urlsplit(address).path else address


def page(name: str) -> st.Page:
    """Return a page, for a link to it."""
    return st.Page(_FOLDER / f"{name}.py", default=name == FRONT)


def go_to(name: str, **query: str) -> NoReturn:
    """Switch to another page with this query."""
    st.switch_page(page(name), query_params=query or None)


def file_url(address: str, *, copy: bool = False) -> str | None:
    """Return the whole address of a record's media (`Job.address`) for the person's browser, or of
    its playable copy; None without a server (tests)."""
    app = site()
    if not app or not _compat.server_runs():
        return None
    return f"{app}/{address}{'?' + COPY if copy else ''}"


def enter(key: str) -> None:
    """Open a file."""
    st.query_params[_NAME] = key


def leave() -> None:
    """Return to the front page."""
    st.query_params.clear()
