"""State of the History page: in the address the tab and the record; all else in the session."""

import streamlit as st

from detector.sentences import _, say

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
_TABS = {ANALYSES: _("Analyses"), LIBRARY: _("Library")}
_KEY = "history-tab"


def tab() -> str:
    """Return the tab in the address."""
    return LIBRARY if st.query_params.get("tab") == LIBRARY else ANALYSES


def draw_tabs() -> None:
    """Draw the tabs. The address names the chosen one, so that it can be linked."""
    st.session_state[_KEY] = tab()
    st.segmented_control(
        _("Show"), list(_TABS), required=True, format_func=lambda tab: say(_TABS[tab]),
        label_visibility="collapsed", key=_KEY, on_change=_turn,
    )  # fmt: skip


def _turn() -> None:
    if st.session_state[_KEY] == LIBRARY:
        st.query_params["tab"] = LIBRARY
        st.query_params.pop("r", None)
    else:
        st.query_params.pop("tab", None)
