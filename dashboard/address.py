"""The address of a page as state: `?a=<token>` names the file that is looked at.

So a reload, the back button and a copied address all lead to the same result, for as long as the
server keeps it.
"""

from __future__ import annotations

import streamlit as st

_NAME = "a"


def current() -> str | None:
    """The token in the address, or None on the front page."""
    return st.query_params.get(_NAME) or None


def enter(key: str) -> None:
    """Go to a file."""
    st.query_params[_NAME] = key


def leave() -> None:
    """Go back to the front page."""
    st.query_params.clear()
