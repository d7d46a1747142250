"""What the page remembers, by its keys in the session state."""

import streamlit as st

NOTICE = "models-said"
"""The outcome of the last action; said once."""
IMPORTING = "models-coming"
"""The model of the hub that is being downloaded."""
HUB_MODEL = "bring-found"
"""What the hub says of the model that was asked for."""
CARDS = "models-most"
"""How many cards are shown."""


def notify(text: str) -> None:
    """Say something at the next drawing of the page, which is now."""
    st.session_state[NOTICE] = text
    st.rerun()
