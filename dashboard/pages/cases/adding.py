"""Put analyses of another page into a case."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from dashboard import session, url_state
from dashboard.components import controls, record_cells, typography
from dashboard.i18n import _, advice
from dashboard.pages.cases import state
from detector.errors import InputError
from detector.schema.analysis import Label
from service.records.cases import Case
from service.records.model import MAX_PAGE_SIZE, Query

_NEW = ""
"""Stands for a case that is to be opened."""
_ADDED = "case-added"


def add(ids: Sequence[str]) -> None:
    """Ask for the case, then add the analyses and go there."""
    st.dialog(_("Add to a case"))(_choose)(ids)


def _choose(ids: Sequence[str]) -> None:
    cases = session.application().cases.all(session.request_context())
    titles = {_NEW: _("New case")} | {case.id: case.title for case in cases if not case.closed}
    chosen = controls.select(_("Case"), titles, "case-chosen", index=min(1, len(titles) - 1))
    title = st.text_input(_("Title"), key="case-new-title") if chosen == _NEW else ""
    _button(partial(_add, ids, chosen, title))


def pick(case: Case) -> None:
    """Ask for analyses of History, add them to a case and show it."""
    st.dialog(_("Add from History"))(_pick)(case)


def _pick(case: Case) -> None:
    scope = session.record_scope()
    newest = Query(verdicts=frozenset(Label), limit=MAX_PAGE_SIZE)
    found = scope.store.search(scope.owner, newest).records
    names = {
        record.id: " · ".join((record.name, record_cells.when(record.touched)))
        for record in found
        if record.id not in case.files
    }
    if not names:
        return typography.paragraph(_("Every analysis of your History is in this case."))
    chosen = st.multiselect(
        _("Analyses"), list(names), format_func=names.__getitem__, key="case-picked",
        placeholder=_("Type part of a file's name"),
    )  # fmt: skip
    return _button(partial(_add, chosen, case.id, ""), disabled=not chosen)


def _button(run: Callable[[], None], *, disabled: bool = False) -> None:
    """Draw the button of a dialog; once it has added something, show the case."""
    if refused := st.session_state.pop(state.REFUSED, ""):
        typography.alert(refused)
    controls.button(
        _("Add"), "create_new_folder", "case-add", run, kind="primary", disabled=disabled
    )
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
