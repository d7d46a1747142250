"""What the page remembers: in the address the case that is shown, all else in the session."""

import streamlit as st

NOTICE, REFUSED = "case-said", "case-refused"
"""The outcome of the last action, and why one was refused; each is said once."""
NAME = "case-by"
"""Who acts, as they typed it."""
CLEARED = "case-cleared"
"""How often something was written: each time its fields are replaced."""


def show(id: str | None) -> None:
    """Show a case, or the list."""
    if id is None:
        st.query_params.pop("c", None)
    else:
        st.query_params["c"] = id


def shown() -> str | None:
    """Return the case that the address asks for."""
    return st.query_params.get("c")


def by() -> str:
    """Return who acts."""
    return str(st.session_state.get(NAME, ""))
