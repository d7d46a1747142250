"""What the root of the document needs to know: the language, and the color scheme.

Dialogs and popovers stand beside the app, so the root of the document selects their half of our
tokens, and which way to read. What the server draws in colors of its own (charts, the logo) can't
follow by itself when the page turns dark or light while it is open, and Streamlit repaints the rest
without a run of the script: this asks for one.
"""

from pathlib import Path

import streamlit as st

from dashboard import i18n

HERE = Path(__file__).parent

_component = st.components.v2.component(
    "unmask_color_scheme", js=(HERE / "view.js").read_text("utf-8")
)


def follow() -> None:
    """Put what watches the scheme on the page. Called once a run, by the shell."""
    with st.container(key="color-scheme"):
        _component(
            key="color-scheme-watch", data=i18n.html_attributes(), on_scheme_change=lambda: None
        )
