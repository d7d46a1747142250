"""What a browser analyzed before somebody signed in with it, offered to their account.

Never moved unasked: another person may have used the browser.
"""

from __future__ import annotations

import streamlit as st

from dashboard import labels, session
from dashboard.components import typography
from dashboard.i18n import _, advice
from dashboard.pages.history import dialogs
from detector.errors import InputError

_NOT_NOW = "history-guest-not-now"


def draw() -> None:
    """Draw the offer, where there is something to keep."""
    number = (
        0
        if st.session_state.get(_NOT_NOW)
        else session.application().count_guest_analyses(session.request_context())
    )
    if not number:
        return
    with st.container(border=True, key="history-guest"):
        text = _(
            "{analyses} from before you signed in, made in this browser by you or whoever used it. "
            "Once kept, only your account opens what was made, and links to it end."
        ).format(analyses=labels.count(number, "analysis", "analyses"))
        typography.paragraph(text)
        with st.container(horizontal=True):
            st.button(
                _("Keep what you analyzed as a guest"),
                icon=":material/move_to_inbox:",
                key="history-guest-keep",
                on_click=_keep,
            )
            st.button(_("Not now"), type="tertiary", key="history-guest-leave", on_click=_leave)


def _keep() -> None:
    try:
        said = labels.count(
            session.application().claim_guest_analyses(session.request_context()),
            "analysis is in your account now.",
            "analyses are in your account now.",
        )
    except InputError as error:
        said = advice(error)
    st.session_state[dialogs.SAID] = said


def _leave() -> None:
    st.session_state[_NOT_NOW] = True
