"""Delete records for good; hand one to somebody by a link that can be taken back."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import streamlit as st

from dashboard import address, backend, words
from dashboard.records.store import Record, Share
from dashboard.result.title import local
from dashboard.uploads import records_retention
from detector.errors import InputError

LASTS = (1, 7, 30, 90)
"""days to choose from"""
USUAL = 7
NAMES = 4
"""that are listed before they are deleted; more are counted"""
SAID = "history-said"
"""In session state: the outcome of the last action, said once."""
_NEW = "history-link"


@st.dialog("Delete")
def delete(records: Sequence[Record]) -> None:
    """Ask, then delete: rows, media and pictures."""
    what = "this analysis and its frames" if len(records) == 1 else (
        f"these {len(records)} analyses and their frames"
    )  # fmt: skip
    names = "".join(f"<li>{words.escape(record.name)}</li>" for record in records[:NAMES])
    more = len(records) - NAMES
    names += f"<li>and {more} more</li>" if more > 0 else ""
    st.html(
        f'<p>Delete {what}? This can’t be undone.</p><ul class="um-marked">{names}</ul>'
        '<p class="um-caption">Links to it stop working at once. Reports that were downloaded '
        "stay where they are.</p>"
    )
    with st.container(horizontal=True):
        if st.button(
            "Delete",
            type="primary",
            icon=":material/delete:",
            key="deleted",
            on_click=_delete,
            args=(records,),
        ):
            st.rerun()
        if st.button("Keep it" if len(records) == 1 else "Keep them", key="kept"):
            st.rerun()


def _delete(records: Sequence[Record]) -> None:
    gone = backend.forget(*[record.id for record in records])
    st.query_params.pop("r", None)
    one = f"{records[0].name} was deleted."
    several = f"{words.count(len(gone), 'analysis', 'analyses')} were deleted."
    st.session_state[SAID] = one if len(gone) == 1 else several


def share(record: Record) -> None:
    """Make links to a result, and take them back."""
    st.session_state.pop(_NEW, None)  # shown once
    _share(record)


@st.dialog("Share", width="medium")
def _share(record: Record) -> None:
    st.html(
        f"<p>Whoever has the link can read the result of <b>{words.escape(record.name)}</b> and "
        "see the file while it is kept. They can change nothing, and see no note, tag or place.</p>"
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = st.segmented_control(
            "It works for",
            LASTS,
            default=USUAL,
            required=True,
            format_func=lambda n: words.count(n, "day", "days"),
            key=f"lasts-{record.id}",
        )
        st.button(
            "Make a link",
            type="primary",
            icon=":material/add_link:",
            key=f"link-{record.id}",
            on_click=_make,
            args=(record.id, days or USUAL),
        )
    kept = records_retention()
    if timedelta(days=days or USUAL) > kept:
        st.html(
            f'<p class="um-caption">Results are deleted {words.hours(kept.total_seconds() / 3600)} '
            "after the file was last brought, and their links with them.</p>"
        )
    _new(record)
    _known(record)


def _make(id: str, days: int) -> None:
    try:
        made = backend.records().share(backend.owner(), id, timedelta(days=days), datetime.now(UTC))
    except InputError as error:
        st.session_state[_NEW] = error
    else:
        st.session_state[_NEW] = made


def _new(record: Record) -> None:
    """The link that was just made: only now can its address be shown."""
    made = st.session_state.get(_NEW)
    if isinstance(made, InputError):
        st.html(f'<p class="um-warn" role="alert">{words.escape(made.message)}</p>')
    elif isinstance(made, Share) and made.record == record.id:
        st.code(address.link_to(made.token), language=None, wrap_lines=True)
        note = "Copy it now: it is not kept here, so it can’t be shown again."
        if reaches_only_here():
            note += (
                " It begins with the address of this computer: others can open it only where they "
                "reach this computer under that name."
            )
        st.html(f'<p class="um-caption" role="status">{note}</p>')


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
    known = backend.records().shares(backend.owner(), datetime.now(UTC), record.id)
    if not known:
        return
    st.html('<h3 class="um-sub">Links in force</h3>')
    for one in known:
        with st.container(
            horizontal=True,
            horizontal_alignment="distribute",
            vertical_alignment="center",
            key=f"link-row-{one.id}",
        ):
            st.html(
                f"<p>Until {local(one.expires)} <span class='um-caption'>made "
                f"{local(one.created)}</span></p>",
                width="content",
            )
            st.button(
                "Revoke",
                icon=":material/link_off:",
                key=f"revoke-{one.id}",
                on_click=_revoke,
                args=(one,),
            )


def _revoke(one: Share) -> None:
    backend.records().revoke(backend.owner(), one.id)
    made = st.session_state.get(_NEW)
    if isinstance(made, Share) and made.id == one.id:
        st.session_state.pop(_NEW)
