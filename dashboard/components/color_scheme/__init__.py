"""Follows the page when it turns dark or light while it is open.

What the server draws in colors of its own (charts, the logo) can't do so by itself, and Streamlit
repaints the rest without a run of the script: this asks for one. Dialogs and popovers stand beside
the app, so they are told by the root of the document which half of our tokens to take.
"""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "unmask_color_scheme", js=(HERE / "view.js").read_text("utf-8")
)


def follow() -> None:
    """Put what watches the scheme on the page. Called once a run, by the shell."""
    with st.container(key="color-scheme"):
        _component(key="color-scheme-watch", on_scheme_change=lambda: None)
