"""Delete records for good; hand one to somebody by a link that can be taken back."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import typography
from dashboard.components.chips import bullets
from dashboard.components.markup import join, rich, show, tag
from dashboard.i18n import _, say
from dashboard.result.title import local
from detector.errors import InputError
from service.records.model import Record, ShareLink
from service.storage.uploads import records_retention

LASTS = (1, 7, 30, 90)
"""days to choose from"""
USUAL = 7
NAMES = 4
"""that are listed before they are deleted; more are counted"""
SAID = "history-said"
"""In session state: the outcome of the last action, said once."""
_NEW = "history-link"


def delete(records: Sequence[Record]) -> None:
    """Ask, then delete: rows, media and pictures."""
    st.dialog(_("Delete"))(_ask)(records)


def _ask(records: Sequence[Record]) -> None:
    number = len(records)
    question = (
        _("Delete this analysis and its frames? This can’t be undone.")
        if number == 1
        else _("Delete these {analyses} and their frames? This can’t be undone.").format(
            analyses=labels.count(number, "analysis", "analyses")
        )
    )
    after = _("Links to it stop working at once. Reports that were downloaded stay where they are.")
    names = [record.name for record in records[:NAMES]]
    if number > NAMES:
        names.append(_("and {number} more").format(number=number - NAMES))
    show(tag("p", question), bullets(names, "um-marked"), typography.small_print(after))
    with st.container(horizontal=True):
        if st.button(
            _("Delete"),
            type="primary",
            icon=":material/delete:",
            key="deleted",
            on_click=_delete,
            args=(records,),
        ):
            st.rerun()
        if st.button(_("Keep it") if number == 1 else _("Keep them"), key="kept"):
            st.rerun()


def _delete(records: Sequence[Record]) -> None:
    gone = session.application().delete(
        session.request_context(), *[record.id for record in records]
    )
    st.query_params.pop("r", None)
    st.session_state[SAID] = (
        _("{file} was deleted.").format(file=records[0].name)
        if len(gone) == 1
        else _("{analyses} were deleted.").format(
            analyses=labels.count(len(gone), "analysis", "analyses")
        )
    )


def share(record: Record) -> None:
    """Make links to a result, and take them back."""
    st.session_state.pop(_NEW, None)  # shown once
    st.dialog(_("Share"), width="medium")(_share)(record)


def _share(record: Record) -> None:
    who = _(
        "Whoever has the link can read the result of <b>{file}</b> and see the file while it is "
        "kept. They can change nothing, and see no note, tag or place."
    )
    typography.paragraph(rich(who, file=record.name))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = st.segmented_control(
            _("It works for"),
            LASTS,
            default=USUAL,
            required=True,
            format_func=lambda n: labels.count(n, "day", "days"),
            key=f"lasts-{record.id}",
        )
        st.button(
            _("Make a link"),
            type="primary",
            icon=":material/add_link:",
            key=f"link-{record.id}",
            on_click=_make,
            args=(record.id, days or USUAL),
        )
    kept = records_retention()
    if timedelta(days=days or USUAL) > kept:
        ends = _(
            "Results are deleted {time} after the file was last brought, and their links with them."
        ).format(time=labels.hours(kept.total_seconds() / 3600))
        typography.caption(ends)
    _new(record)
    _known(record)


def _make(id: str, days: int) -> None:
    try:
        scope = session.record_scope()
        made = scope.store.share(scope.owner, id, timedelta(days=days), datetime.now(UTC))
    except InputError as error:
        st.session_state[_NEW] = error
    else:
        st.session_state[_NEW] = made


def _new(record: Record) -> None:
    """The link that was just made: only now can its address be shown."""
    made = st.session_state.get(_NEW)
    if isinstance(made, InputError):
        typography.alert(say(made.message))
    elif isinstance(made, ShareLink) and made.record == record.id:
        st.code(url_state.link_to(made.token), language=None, wrap_lines=True)
        note = _("Copy it now: it is not kept here, so it can’t be shown again.")
        if reaches_only_here():
            only_here = _(
                "It begins with the address of this computer: others can open it only where they "
                "reach this computer under that name."
            )
            note = f"{note} {only_here}"
        typography.caption(note, announced=True)


def reaches_only_here() -> bool:
    """Whether the address of this page leads others to their own computer."""
    host = urlsplit(st.context.url or "").hostname or "localhost"
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _known(record: Record) -> None:
    scope = session.record_scope()
    known = scope.store.shares(scope.owner, datetime.now(UTC), record.id)
    if not known:
        return
    typography.chapter(_("Links in force"))
    for one in known:
        with st.container(
            horizontal=True,
            horizontal_alignment="distribute",
            vertical_alignment="center",
            key=f"link-row-{one.id}",
        ):
            until = _("Until {time}").format(time=local(one.expires))
            made = _("made {time}").format(time=local(one.created))
            typography.paragraph(
                join([until, tag("span", made, cls="um-caption")], " "), width="content"
            )
            st.button(
                _("Revoke"),
                icon=":material/link_off:",
                key=f"revoke-{one.id}",
                on_click=_revoke,
                args=(one,),
            )


def _revoke(one: ShareLink) -> None:
    scope = session.record_scope()
    scope.store.revoke(scope.owner, one.id)
    made = st.session_state.get(_NEW)
    if isinstance(made, ShareLink) and made.id == one.id:
        st.session_state.pop(_NEW)
