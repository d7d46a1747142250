"""What the page remembers, by its keys in the session state."""

import streamlit as st

FORM = "account-view"
"""Which form is shown: "in", "up", or "sent" when an e-mail is on its way."""
EMAIL = "account-email"
"""The address that was entered last."""
SENT = "account-sent"
"""What that e-mail is for: a key of `SENT_TEXTS`."""
NOTICE = "account-say"
"""Code of what is to be said."""


def show_form(name: str) -> None:
    """Show another form."""
    st.session_state[FORM], st.session_state[NOTICE] = name, ""


def wait_for(purpose: str) -> None:
    """Show that an e-mail is on its way."""
    st.session_state[FORM], st.session_state[SENT] = "sent", purpose
    st.session_state.pop(NOTICE, None)


def clear() -> None:
    """Forget it all: somebody signed in."""
    for key in (FORM, EMAIL, NOTICE, SENT):
        st.session_state.pop(key, None)


def sign_out() -> None:
    """Leave nothing of the person in this tab."""
    st.session_state.clear()
    st.query_params.clear()
    st.session_state[NOTICE] = "signed_out"
