"""The card of the background beside the player."""

from __future__ import annotations

import streamlit as st

from dashboard.result.linked import ResultViewState
from detector.schema.analysis import Analysis


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw what the background's strip is."""
    with st.container(border=True, key="card-scenery"):
        st.caption("The upper fifth of each frame was judged.")
