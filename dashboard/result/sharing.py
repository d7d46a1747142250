"""Share a result by a link that can be revoked."""

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, record_cells, typography
from dashboard.components.markup import join, rich
from detector.errors import InputError
from detector.sentences import _, say
from service.records.model import ShareLink
from service.storage.uploads import records_retention

TTLS = (1, 7, 30, 90)
"""days to choose from"""
DEFAULT_TTL = 7
_NEW_LINK = "new-link"
"""The link that was just made, or why it was not."""


def share(id: str, name: str) -> None:
    """Open the dialog that creates and revokes links to a result."""
    st.session_state.pop(_NEW_LINK, None)  # shown once
    st.dialog(_("Share"), width="medium")(_share)(id, name)


def _share(id: str, name: str) -> None:
    text = _(
        "Whoever has the link can read the result of <b>{file}</b> and see the file while it is "
        "kept. They can change nothing, and see no note, tag or place."
    )
    typography.paragraph(rich(text, file=name))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ttls = {days: labels.count(days, "day", "days") for days in TTLS}
        # Its key names the record: for another one the usual time is chosen again.
        days = controls.choose(_("It works for"), ttls, DEFAULT_TTL, f"lasts-{id}")
        make = partial(_make, id, days)
        controls.button(_("Make a link"), "add_link", f"link-{id}", make, kind="primary")
    retention = records_retention()
    if timedelta(days=days) > retention:
        ends = _(
            "Results are deleted {time} after the file was last uploaded, and their links with "
            "them."
        ).format(time=labels.hours(retention.total_seconds() / 3600))
        typography.caption(ends)
    _new_link(id)
    _links(id)


def _make(id: str, days: int) -> None:
    scope, now = session.record_scope(), datetime.now(UTC)
    try:
        link = scope.store.share(scope.owner, id, timedelta(days=days), now)
        st.session_state[_NEW_LINK] = link
    except InputError as error:
        st.session_state[_NEW_LINK] = error


def _new_link(id: str) -> None:
    """Draw a new link; its address is shown only once."""
    link = st.session_state.get(_NEW_LINK)
    if isinstance(link, InputError):
        typography.alert(say(link.message))
    elif isinstance(link, ShareLink) and link.record == id:
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
    """Return whether the page's address is valid on this computer only."""
    host = urlsplit(st.context.url or "").hostname or "localhost"
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _links(id: str) -> None:
    scope = session.record_scope()
    links = scope.store.shares(scope.owner, datetime.now(UTC), id)
    if not links:
        return
    typography.chapter(_("Links in force"))
    for link in links:
        with controls.apart(f"link-row-{link.id}"):
            until = _("Until {time}").format(time=record_cells.local(link.expires))
            created = _("made {time}").format(time=record_cells.local(link.created))
            line = join([until, typography.small(created)], " ")
            typography.paragraph(line, width="content")
            revoke = partial(_revoke, link)
            controls.button(_("Revoke"), "link_off", f"revoke-{link.id}", revoke)


def _revoke(link: ShareLink) -> None:
    scope = session.record_scope()
    scope.store.revoke(scope.owner, link.id)
    new = st.session_state.get(_NEW_LINK)
    if isinstance(new, ShareLink) and new.id == link.id:
        st.session_state.pop(_NEW_LINK)
