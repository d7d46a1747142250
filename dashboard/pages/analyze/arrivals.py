"""Several files that were brought together: a row each, at once, with what becomes of it."""

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, url_state
from dashboard.components import cards, controls, typography
from dashboard.components.chips import chip
from dashboard.components.markup import show
from dashboard.i18n import _, say
from dashboard.pages.analyze import state
from dashboard.pages.analyze.state import Arrival
from service import error_reports
from service.tasks.jobs import Job, State

EVERY = 1.0
"""s between two looks at the jobs."""


def draw() -> None:
    """Draw the list, where there is one."""
    if state.arrivals():
        with st.container(border=True, key="card-arrivals"):
            _rows()


@st.fragment(run_every=EVERY)
def _rows() -> None:
    arrivals = state.arrivals()
    with controls.apart():
        typography.title(_("Your files"), width="content")
        typography.caption(labels.count(len(arrivals), "file", "files"), width="content")
        if controls.button(_("Clear the list"), "", "clear-arrivals", kind="tertiary"):
            state.clear_arrivals()
            st.rerun()
    for number, arrival in enumerate(arrivals):
        job = session.find_job(arrival.key)
        with st.container(
            horizontal=True, vertical_alignment="center", wrap=False, key=f"arrival-{number}"
        ):
            show(_row(arrival, job))
            if job is not None and controls.button(
                _("Open"), "arrow_forward", f"open-arrival-{number}"
            ):
                url_state.enter(arrival.key)
                st.rerun()


def _row(arrival: Arrival, job: Job | None) -> Markup:
    """Return a row: the state as a chip, the name, and what there is to say."""
    state_chip, text = _state(arrival, job)
    return cards.arrival(state_chip, arrival.name, text)


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
        answer = labels.state(verdict.label, verdict.question)
        return chip(answer.short, answer.slug, answer.icon), ""
    if job.state is State.QUEUED:
        ahead = session.application().jobs.ahead(job)
        before = _("{files} before it").format(files=labels.count(ahead, "file", "files"))
        return chip(_("Waiting"), "plain", "hourglass_top"), before if ahead else ""
    progress = job.progress
    if progress is None:
        return chip(_("Getting ready"), "plain", "progress_activity"), ""
    percent = labels.percent(min(0.99, progress.fraction))
    return chip(labels.STAGES[progress.stage], "plain", "progress_activity"), percent
