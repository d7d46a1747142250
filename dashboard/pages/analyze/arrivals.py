"""Several files that were brought together: a row each, at once, with what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard import labels, session, url_state
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
        st.html(f"<h2 class='um-h2'>{_('What you brought')}</h2>", width="content")
        st.html(f"<span class='um-caption'>{head}</span>", width="content")
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
            st.html(_row(arrival, job))
            if job is not None and st.button(
                _("Open"), key=f"open-arrival-{number}", icon=":material/arrow_forward:"
            ):
                url_state.enter(arrival.key)
                st.rerun()


def _row(arrival: Arrival, job: Job | None) -> str:
    """HTML of a row: the state as a chip, the name, and what there is to say."""
    chip, text = _state(arrival, job)
    return (
        f'<div class="um-arrival" role="status">{chip}'
        f"<div><b>{labels.escape(arrival.name)}</b>"
        + (f'<p class="um-caption">{labels.escape(text)}</p>' if text else "")
        + "</div></div>"
    )


def _state(arrival: Arrival, job: Job | None) -> tuple[str, str]:
    if arrival.refused:
        return labels.chip(_("Not taken"), "plain", "block"), arrival.refused
    if job is None:
        return labels.chip(_("Gone"), "plain", "delete"), _("It was deleted.")
    if job.state is State.FAILED and job.fault is not None:
        head = _("Not analyzed") if job.fault.ours else _("Can’t be read")
        return labels.chip(head, "plain", "error"), say(error_reports.message_of(job.fault))
    if job.state is State.CANCELED:
        return labels.chip(_("Canceled"), "plain", "close"), ""
    if job.analysis is not None:
        verdict = job.analysis.verdict
        state = labels.state(verdict.label, verdict.question)
        return labels.chip(state.short, state.slug, state.icon), ""
    if job.state is State.QUEUED:
        ahead = session.application().jobs.ahead(job)
        before = _("{files} before it").format(files=labels.count(ahead, "file", "files"))
        return labels.chip(_("Waiting"), "plain", "hourglass_top"), before if ahead else ""
    progress = job.progress
    if progress is None:
        return labels.chip(_("Getting ready"), "plain", "progress_activity"), ""
    percent = labels.percent(min(0.99, progress.fraction))
    return labels.chip(running.STAGES[progress.stage], "plain", "progress_activity"), percent
