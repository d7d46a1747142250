"""The two halves of the page: what was analyzed, and the footage that is known."""

import streamlit as st

from dashboard.i18n import LazyDict, _
from dashboard.pages.history import state

_TABS: LazyDict[str, str] = LazyDict(
    lambda: {state.ANALYSES: _("Analyses"), state.LIBRARY: _("Library")}
)
_KEY = "history-tab"


def draw() -> None:
    """Draw the choice. The address says which it is, so that it can be linked and gone back to."""
    st.session_state[_KEY] = state.tab()
    st.segmented_control(
        _("Show"), list(_TABS), required=True, format_func=_TABS.__getitem__,
        label_visibility="collapsed", key=_KEY, on_change=_turn,
    )  # fmt: skip


def _turn() -> None:
    state.show_tab(st.session_state[_KEY])
