"""Put analyses of another page into a case."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard import session, url_state
from dashboard.components import controls, typography
from dashboard.i18n import _, advice
from dashboard.pages.cases import state
from detector.errors import InputError

_NEW = ""
"""Stands for a case that is to be opened."""
_ADDED = "case-added"


def add(ids: Sequence[str]) -> None:
    """Ask for the case, then add the analyses and go there."""
    st.dialog(_("Add to a case"))(_choose)(ids)


def _choose(ids: Sequence[str]) -> None:
    cases = session.application().cases.all(session.request_context())
    titles = {_NEW: _("New case")} | {case.id: case.title for case in cases if not case.closed}
    chosen = st.selectbox(
        _("Case"), list(titles), min(1, len(titles) - 1), format_func=titles.__getitem__,
        key="case-chosen",
    )  # fmt: skip
    title = st.text_input(_("Title"), key="case-new-title") if chosen == _NEW else ""
    if refused := st.session_state.pop(state.REFUSED, ""):
        typography.alert(refused)
    run = partial(_add, ids, chosen, title)
    controls.button(_("Add"), "create_new_folder", "case-add", run, kind="primary")
    if added := st.session_state.pop(_ADDED, ""):
        url_state.go_to("cases", c=added)


def _add(ids: Sequence[str], id: str, title: str) -> None:
    cases, context = session.application().cases, session.request_context()
    try:
        id = id or cases.open(context, title, state.by()).id
        cases.add_files(context, id, ids, state.by())
    except InputError as error:
        st.session_state[state.REFUSED] = advice(error)
    else:
        st.session_state[_ADDED] = id
