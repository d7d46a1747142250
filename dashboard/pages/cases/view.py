"""The Cases page: all cases; or one, with its files, links, notes, log and exports."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import (
    blocks,
    cards,
    collection,
    controls,
    page_header,
    record_cells,
    typography,
)
from dashboard.components.markup import show
from dashboard.components.tables import code, facts
from dashboard.i18n import advice
from dashboard.pages import put_into_address, refused_in
from detector.errors import InputError
from detector.presentation import summary
from detector.schema.analysis import Label
from detector.sentences import _, say
from service.cases import MAX_TITLE, MAX_URL, STATUS, CaseService, log
from service.context import PrincipalKind
from service.records.cases import Case, CaseAction
from service.records.model import MAX_NOTE_LENGTH, MAX_PAGE_SIZE, Query, Record

NOTICE, REFUSED = "case-said", "case-refused"
"""The outcome of the last action, and why one was refused; each is shown once."""
_ACTOR = "case-by"
"""Who acts, as they typed it."""
CLEARED = "case-cleared"
"""How often something was written: each time its fields are replaced."""


def draw() -> None:
    """Draw the page."""
    cases, context = _service(), session.request_context()
    shown = st.query_params.get("c")
    if shown is None:
        return _list(cases.all(context))
    try:
        case = cases.get(context, shown)
    except InputError as error:
        typography.alert(advice(error))
        controls.button(
            _("All cases"), "arrow_back", "cases-back", partial(put_into_address, "c", None)
        )
        return None
    return _case(case)


def _list(cases: list[Case]) -> None:
    count = labels.count(len(cases), "case", "cases")
    new = _("New case")
    with (
        page_header.row(_("Cases"), [count]),
        st.popover(new, icon=":material/create_new_folder:", width="content"),
    ):
        _field(_("Title"), "title", MAX_TITLE, _("Open it"), _open)
    typography.flash(NOTICE, REFUSED)
    if not cases:
        text = _(
            "A case keeps analyses, links and notes together, with a log of who did what. Open one "
            "here, or mark analyses in History and choose “Add to a case”."
        )
        typography.paragraph(text)
    collection.cards("case", cases, _listed)


def _listed(number: int, case: Case) -> None:
    files = labels.count(len(case.files), "file", "files")
    facts = say(STATUS[case.status]), files, record_cells.local(case.touched)
    cards.named(case.title, " · ".join(facts))
    go = partial(put_into_address, "c", case.id)
    controls.button(_("Open"), "folder_open", f"open-{case.id}", go)


def _case(case: Case) -> None:
    about = [
        say(STATUS[case.status]),
        _("reviewed by {name}").format(name=case.reviewer) if case.reviewer else "",
        _("opened {time}").format(time=record_cells.local(case.created)),
    ]
    with page_header.row(case.title, [part for part in about if part]):
        # A key of its own: else it opens in place of the popover of the list.
        with st.popover(
            _("Export"), icon=":material/download:", width="content", key="case-export"
        ):
            _exports(case)
        back = partial(put_into_address, "c", None)
        controls.button(_("All cases"), "arrow_back", "cases-back", back)
    typography.flash(NOTICE, REFUSED)
    if case.first_broken is not None:
        text = _("Entry {number} of the log, or one before it, was changed after it was written.")
        typography.alert(text.format(number=case.first_broken))
    left, right = st.columns([3, 2], gap=20)
    with left:
        _files(case)
        _links_and_notes(case)
    with right:
        _review(case)
        _log(case)


def _service() -> CaseService:
    return session.application().cases


def _files(case: Case) -> None:
    scope = session.record_scope()
    records = scope.store.records(scope.owner, list(case.files))
    pictures = scope.store.thumbnails(scope.owner, list(records))
    with st.container(border=True, key="card-case-files"):
        cards.head(_("Files"), labels.count(len(case.files), "file", "files"))
        for id, noted in case.files.items():
            record = records.get(id)
            said = _result(record, noted.get("result", ""))
            with collection.line(f"case-file-{id}", noted["name"], said, picture=pictures.get(id)):
                if record is not None and controls.button(
                    _("Open"), "open_in_full", f"case-open-{id}"
                ):
                    url_state.go_to("analyze", a=id)
                if not case.closed:
                    out = partial(_act, _service().remove_file, case.id, id)
                    controls.button(_("Remove"), "close", f"case-out-{id}", out)
        if not case.closed and controls.button(_("Add from History"), "add", "case-history"):
            st.dialog(_("Add from History"))(_pick)(case)


def _result(record: Record | None, noted: str) -> str:
    result = record.result if record is not None else None
    return summary.deleted(noted) if result is None else summary.line(result)


def _links_and_notes(case: Case) -> None:
    with st.container(border=True, key="card-case-notes"):
        cards.head(_("Links and notes"))
        for entry in case.log:
            if entry.action is CaseAction.LINK_ADDED:
                typography.paragraph(entry.details["url"])
            elif entry.action is CaseAction.NOTE_ADDED:
                typography.caption(f"{entry.actor} · {record_cells.local(entry.time)}")
                typography.paragraph(entry.details["text"])
        if not case.closed:
            _field(
                _("Link"),
                "url",
                MAX_URL,
                _("Add link"),
                partial(_act, _service().add_link, case.id),
            )
            note = partial(_act, _service().add_note, case.id)
            _field(_("Note"), "note", MAX_NOTE_LENGTH, _("Add note"), note, long=True)


def _review(case: Case) -> None:
    with st.container(border=True, key="card-case-review"):
        cards.head(_("Review"))
        if session.current_user().kind is not PrincipalKind.USER:
            st.text_input(
                _("Your name"), key=_ACTOR, max_chars=MAX_TITLE, placeholder=_("Shown in the log")
            )
        status, reviewer = (f"case-{name}-{len(case.log)}" for name in ("status", "reviewer"))
        controls.choose(_("Status"), STATUS, case.status, status)
        st.text_input(_("Reviewer"), case.reviewer, max_chars=MAX_TITLE, key=reviewer)

        def save() -> None:  # the fields as they are when it is pressed, not as they were drawn
            _act(_service().set_status, case.id, *map(st.session_state.get, (status, reviewer)))

        controls.button(_("Save"), "check", "case-save", save, kind="primary")
        kept = _("Results in a case that is not closed are kept; files are deleted as elsewhere.")
        typography.caption(kept)
        with st.popover(_("Delete"), icon=":material/delete:", width="content"):
            typography.paragraph(_("Delete this case with its log? The analyses stay."))
            controls.button(_("Delete for good"), "delete", "case-delete", partial(_drop, case.id))


def _log(case: Case) -> None:
    shown = log(case, record_cells.zone())
    with st.expander(shown.title, icon=":material/history:"):
        blocks.draw(shown)
        show(facts([(_("Last hash"), code(f"{case.head[:16]}…", case.head))]))


def _exports(case: Case) -> None:
    media = st.checkbox(_("With the media files"), key="case-media")
    forms: tuple[tuple[Literal["pdf", "zip"], str, bool], ...] = (
        ("pdf", _("PDF: case and all reports"), False),
        ("zip", _("ZIP (BagIt): reports, data, log, keyframes"), media),
    )
    export = partial(
        _service().export, session.request_context(), case.id, by=_actor(),
        zone=record_cells.zone(),
    )  # fmt: skip
    for form, label, with_media in forms:
        make = partial(export, form, media=with_media)
        name = f"unmask-case-{case.id}.{form}"
        controls.download(label, make, name, f"case-{form}", width="stretch")
    typography.caption(_("Reports are made on this server and take some seconds each."))


def _field(
    label: str,
    name: str,
    most: int,
    button: str,
    then: Callable[[str], None],
    *,
    long: bool = False,
) -> None:
    """Draw a field and a button that clears it."""
    key = f"case-{name}-{st.session_state.get(CLEARED, 0)}"
    if long:
        st.text_area(label, max_chars=most, height=90, key=key)
    else:
        st.text_input(label, max_chars=most, key=key)
    controls.button(button, "add", f"{key}-add", lambda: then(st.session_state[key]))


def _open(title: str) -> None:
    with refused_in(REFUSED):
        put_into_address("c", _service().open(session.request_context(), title, _actor()).id)


def _act(act: Callable[..., Case], id: str, *values: object) -> None:
    """Change a case. On an error, the input stays in its field."""
    with refused_in(REFUSED):
        act(session.request_context(), id, *values, by=_actor())
        st.session_state[CLEARED] = st.session_state.get(CLEARED, 0) + 1


def _drop(id: str) -> None:
    _service().delete(session.request_context(), id)
    put_into_address("c", None)
    st.session_state[NOTICE] = _("The case was deleted.")


def _actor() -> str:
    """Return the actor for the log."""
    return str(st.session_state.get(_ACTOR, ""))


# --- analyses of another page ---------------------------------------------------------------------


_NEW = ""
"""Stands for a case that is to be opened."""
_ADDED = "case-added"
_CHOSEN, _TITLE, _PICKED = "case-chosen", "case-new-title", "case-picked"
"""Keys of fields whose values are read when Add is pressed."""


def add(ids: Sequence[str]) -> None:
    """Draw the dialog that adds analyses to a case and opens it."""
    st.dialog(_("Add to a case"))(_choose_case)(ids)


def _choose_case(ids: Sequence[str]) -> None:
    cases = session.application().cases.all(session.request_context())
    titles = {_NEW: _("New case")} | {case.id: case.title for case in cases if not case.closed}
    chosen = controls.select(_("Case"), titles, _CHOSEN, index=min(1, len(titles) - 1))
    if chosen == _NEW:
        st.text_input(_("Title"), key=_TITLE)
    _add_button(lambda: _add(ids, st.session_state[_CHOSEN], st.session_state.get(_TITLE, "")))


def _pick(case: Case) -> None:
    """Draw the dialog that chooses analyses of History, adds them to a case and opens it."""
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
        _("Analyses"), list(names), format_func=names.__getitem__, key=_PICKED,
        placeholder=_("Type part of a file's name"),
    )  # fmt: skip
    return _add_button(lambda: _add(st.session_state[_PICKED], case.id, ""), disabled=not chosen)


def _add_button(run: Callable[[], None], *, disabled: bool = False) -> None:
    """Draw the button of a dialog; open the case after an addition."""
    if refused := st.session_state.pop(REFUSED, ""):
        typography.alert(refused)
    controls.button(
        _("Add"), "create_new_folder", "case-add", run, kind="primary", disabled=disabled
    )
    if added := st.session_state.pop(_ADDED, ""):
        url_state.go_to("cases", c=added)


def _add(ids: Sequence[str], id: str, title: str) -> None:
    cases, context = _service(), session.request_context()
    with refused_in(REFUSED):
        id = id or cases.open(context, title, _actor()).id
        cases.add_files(context, id, ids, _actor())
        st.session_state[_ADDED] = id
