"""What the page remembers: in the address the half of it that is shown, and the record; all else in
the session."""

import streamlit as st

NOTICE = "history-said"
"""The outcome of the last action, said once."""
REFUSED = "history-refused"
"""Why what was written could not be kept, said once."""
LEAVE = "history-leave"
"""Go to the Analyze page."""
NOT_NOW = "history-guest-not-now"
"""Do not offer again what a guest analyzed."""
ANALYSES, LIBRARY = "analyses", "library"
"""The halves of the page, as they stand in the address."""
UPLOADS = "library-uploads"
"""How often something was added to the library: each time its fields are replaced."""


def tab() -> str:
    """Return the half of the page that the address asks for."""
    return LIBRARY if st.query_params.get("tab") == LIBRARY else ANALYSES


def show_tab(name: str) -> None:
    """Show a half of the page."""
    if name == LIBRARY:
        st.query_params["tab"] = LIBRARY
        st.query_params.pop("r", None)
    else:
        st.query_params.pop("tab", None)


def show_record(id: str | None) -> None:
    """Show a record (on a phone: instead of the list), or none."""
    if id is None:
        st.query_params.pop("r", None)
    else:
        st.query_params["r"] = id


def record_id() -> str | None:
    """Return the record that the address asks for."""
    return st.query_params.get("r")
