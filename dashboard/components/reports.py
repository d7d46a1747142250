"""What a component of our own reports to the page."""

from typing import Any

import streamlit as st

from dashboard._compat import component_key


def reported(key: str, name: str) -> dict[str, Any] | None:
    """Return the newest report of a kind; `key` is the component's before `component_key`."""
    state = st.session_state.get(component_key(key))
    value = state.get(name) if state is not None else None
    return value if isinstance(value, dict) else None
