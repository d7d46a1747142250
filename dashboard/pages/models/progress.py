"""What goes on in the background, with a bar and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.i18n import _
from service.tasks.downloads import Download, downloads


@st.fragment(run_every=1.0)
def draw(id: str, say: Callable[[Download], str]) -> None:
    """Draw it until it ends; then the whole page is drawn again. `say` gives the bar's words."""
    running = downloads.find(id)
    if running is None or not running.active:
        st.rerun()
        return
    st.progress(running.fraction, text=say(running))
    st.button(_("Stop"), icon=":material/close:", key=f"stop-{id}", on_click=running.stop.set)
