"""Several files that were brought together: a row each, at once, with what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, url_state
from dashboard.components import typography
from dashboard.components.chips import chip
from dashboard.components.markup import show, tag
from dashboard.i18n import _, say
from dashboard.pages.analyze import running
from service import error_reports
from service.tasks.jobs import Job, State

_BROUGHT = "brought"
EVERY = 1.0
"""s between two looks at the jobs."""


@dataclass(frozen=True)
class Arrival:
    """One file: `key` of its job, or in `refused` why it was not taken."""

    name: str
    key: str = ""
    refused: str = ""


def add(arrival: Arrival) -> None:
    """Put a file on this person's list, as the last."""
    st.session_state[_BROUGHT] = [*_list(), arrival]


def draw() -> None:
    """Draw the list, where there is one."""
    if not _list():
        return
    with st.container(border=True, key="card-arrivals"):
        _rows()


def _list() -> list[Arrival]:
    found: list[Arrival] = st.session_state.get(_BROUGHT, [])
    return found


@st.fragment(run_every=EVERY)
def _rows() -> None:
    arrivals = _list()
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        head = labels.count(len(arrivals), "file", "files")
        typography.title(_("What you brought"), width="content")
        typography.remark(head)
        if st.button(_("Clear the list"), type="tertiary", key="clear-arrivals"):
            del st.session_state[_BROUGHT]
            st.rerun()
    for number, arrival in enumerate(arrivals):
        job = (
            session.application().find(session.request_context(), arrival.key)
            if arrival.key
            else None
        )
        with st.container(
            horizontal=True,
            vertical_alignment="center",
            wrap=False,
            key=f"arrival-{number}",
        ):
            show(_row(arrival, job))
            if job is not None and st.button(
                _("Open"), key=f"open-arrival-{number}", icon=":material/arrow_forward:"
            ):
                url_state.enter(arrival.key)
                st.rerun()


def _row(arrival: Arrival, job: Job | None) -> Markup:
    """Return a row: the state as a chip, the name, and what there is to say."""
    drawn, text = _state(arrival, job)
    more = typography.small_print(text) if text else ""
    named = tag("div", tag("b", arrival.name), more)
    return tag("div", drawn, named, cls="um-arrival", role="status")


def _state(arrival: Arrival, job: Job | None) -> tuple[Markup, str]:
    if arrival.refused:
        return chip(_("Not taken"), "plain", "block"), arrival.refused
    if job is None:
        return chip(_("Gone"), "plain", "delete"), _("It was deleted.")
    if job.state is State.FAILED and job.fault is not None:
        head = _("Not analyzed") if job.fault.ours else _("Can’t be read")
        return chip(head, "plain", "error"), say(error_reports.message_of(job.fault))
    if job.state is State.CANCELED:
        return chip(_("Canceled"), "plain", "close"), ""
    if job.analysis is not None:
        verdict = job.analysis.verdict
        state = labels.state(verdict.label, verdict.question)
        return chip(state.short, state.slug, state.icon), ""
    if job.state is State.QUEUED:
        ahead = session.application().jobs.ahead(job)
        before = _("{files} before it").format(files=labels.count(ahead, "file", "files"))
        return chip(_("Waiting"), "plain", "hourglass_top"), before if ahead else ""
    progress = job.progress
    if progress is None:
        return chip(_("Getting ready"), "plain", "progress_activity"), ""
    percent = labels.percent(min(0.99, progress.fraction))
    return chip(running.STAGES[progress.stage], "plain", "progress_activity"), percent
