"""What the page remembers: in the address the record that is shown, all else in the session."""

from __future__ import annotations

import streamlit as st

NOTICE = "history-said"
"""The outcome of the last action, said once."""
REFUSED = "history-refused"
"""Why what was written could not be kept, said once."""
LEAVE = "history-leave"
"""Go to the Analyze page."""
NOT_NOW = "history-guest-not-now"
"""Do not offer again what a guest analyzed."""
NEW_LINK = "history-link"
"""The link that was just made, or why it was not."""


def show_record(id: str | None) -> None:
    """Show a record (on a phone: instead of the list), or none."""
    if id is None:
        st.query_params.pop("r", None)
    else:
        st.query_params["r"] = id


def record_id() -> str | None:
    """Return the record that the address asks for."""
    return st.query_params.get("r")
