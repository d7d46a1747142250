"""Delete records for good; hand one to somebody by a link that can be taken back."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, typography
from dashboard.components.chips import bullets
from dashboard.components.markup import join, rich, show
from dashboard.i18n import _, say
from dashboard.pages.history import state
from dashboard.result.title import local
from detector.errors import InputError
from service.records.model import Record, ShareLink
from service.storage.uploads import records_retention

TTLS = (1, 7, 30, 90)
"""days to choose from"""
DEFAULT_TTL = 7
NAMES = 4
"""that are listed before they are deleted; more are counted"""


def delete(records: Sequence[Record]) -> None:
    """Ask, then delete: rows, media and pictures."""
    st.dialog(_("Delete"))(_confirm)(records)


def _confirm(records: Sequence[Record]) -> None:
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
    show(typography.text(question), bullets(names, "um-marked"), typography.small_print(after))
    with st.container(horizontal=True):
        run = partial(_delete, records)
        if controls.button(_("Delete"), "delete", "deleted", run, kind="primary"):
            st.rerun()
        if controls.button(_("Keep it") if number == 1 else _("Keep them"), "", "kept"):
            st.rerun()


def _delete(records: Sequence[Record]) -> None:
    ids = [record.id for record in records]
    number = len(session.application().delete(session.request_context(), *ids))
    state.show_record(None)
    st.session_state[state.NOTICE] = (
        _("{file} was deleted.").format(file=records[0].name)
        if number == 1
        else _("{analyses} were deleted.").format(
            analyses=labels.count(number, "analysis", "analyses")
        )
    )


def share(record: Record) -> None:
    """Make links to a result, and take them back."""
    st.session_state.pop(state.NEW_LINK, None)  # shown once
    st.dialog(_("Share"), width="medium")(_share)(record)


def _share(record: Record) -> None:
    text = _(
        "Whoever has the link can read the result of <b>{file}</b> and see the file while it is "
        "kept. They can change nothing, and see no note, tag or place."
    )
    typography.paragraph(rich(text, file=record.name))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ttls = {days: labels.count(days, "day", "days") for days in TTLS}
        # Its key names the record: for another one the usual time is chosen again.
        days = controls.choose(_("It works for"), ttls, DEFAULT_TTL, f"lasts-{record.id}")
        make = partial(_make, record.id, days)
        controls.button(_("Make a link"), "add_link", f"link-{record.id}", make, kind="primary")
    retention = records_retention()
    if timedelta(days=days) > retention:
        ends = _(
            "Results are deleted {time} after the file was last brought, and their links with them."
        ).format(time=labels.hours(retention.total_seconds() / 3600))
        typography.caption(ends)
    _new_link(record)
    _links(record)


def _make(id: str, days: int) -> None:
    scope, now = session.record_scope(), datetime.now(UTC)
    try:
        link = scope.store.share(scope.owner, id, timedelta(days=days), now)
        st.session_state[state.NEW_LINK] = link
    except InputError as error:
        st.session_state[state.NEW_LINK] = error


def _new_link(record: Record) -> None:
    """Draw the link that was just made: only now can its address be shown."""
    link = st.session_state.get(state.NEW_LINK)
    if isinstance(link, InputError):
        typography.alert(say(link.message))
    elif isinstance(link, ShareLink) and link.record == record.id:
        st.code(url_state.link_to(link.token), language=None, wrap_lines=True)
        note = _("Copy it now: it is not kept here, so it can’t be shown again.")
        if reaches_only_here():
            only_here = _(
                "It begins with the address of this computer: others can open it only where they "
                "reach this computer under that name."
            )
            note = f"{note} {only_here}"
        typography.caption(note, announced=True)


def reaches_only_here() -> bool:
    """Return whether the address of this page leads others to their own computer."""
    host = urlsplit(st.context.url or "").hostname or "localhost"
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _links(record: Record) -> None:
    scope = session.record_scope()
    links = scope.store.shares(scope.owner, datetime.now(UTC), record.id)
    if not links:
        return
    typography.chapter(_("Links in force"))
    for link in links:
        with controls.apart(f"link-row-{link.id}"):
            until = _("Until {time}").format(time=local(link.expires))
            created = _("made {time}").format(time=local(link.created))
            line = join([until, typography.small(created)], " ")
            typography.paragraph(line, width="content")
            revoke = partial(_revoke, link)
            controls.button(_("Revoke"), "link_off", f"revoke-{link.id}", revoke)


def _revoke(link: ShareLink) -> None:
    scope = session.record_scope()
    scope.store.revoke(scope.owner, link.id)
    new = st.session_state.get(state.NEW_LINK)
    if isinstance(new, ShareLink) and new.id == link.id:
        st.session_state.pop(state.NEW_LINK)
