"""The Analyze page: first screen, running analysis, result or error.

Modules that draw charts are imported by the states that have any: the first screen, which a person
waits for while the server starts, has none.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import (
    controls,
    origin,
    page_header,
    player,
    stage,
    status_cards,
    typography,
)
from dashboard.components.status_cards import Card
from dashboard.pages.analyze import first_screen
from detector.schema.analysis import Analysis, Label
from detector.sentences import _
from service.limits import RateLimitExceeded
from service.records.model import RecordsError, State
from service.tasks.jobs import Job

if TYPE_CHECKING:
    from dashboard.result.linked import ResultRecord

log = logging.getLogger(__name__)

WATCH_SECONDS = 2.0


def draw() -> None:
    """Draw the state of the file in the address; the first screen without one."""
    key = url_state.current()
    if key is None:
        with stage.enter("empty"):
            first_screen.draw()
        return
    job = session.find_job(key)
    if job is None:
        _without_verdict(None, status_cards.not_found())
    elif job.active:
        from dashboard.pages.analyze import running

        with stage.enter(f"running-{key}"):
            running.draw(job)
    elif job.state is State.FAILED and job.fault is not None:
        _without_verdict(job, status_cards.failed(job, job.fault))
    elif job.state is State.CANCELED:
        _without_verdict(job, status_cards.canceled(job))
    elif job.state is State.WAITING:
        st.fragment(_watch, run_every=WATCH_SECONDS)(key)
        _without_verdict(job, status_cards.in_batch(job))
    elif job.analysis is None:
        _without_verdict(job, status_cards.interrupted(job))
    elif _unjudged(job.analysis) and not status_cards.wants_scores(job):
        origin.draw(job.origin)
        _without_verdict(job, status_cards.unjudged(job.key, job.analysis))
    else:
        _result(job)


def _watch(key: str) -> None:
    """Rerun the page when a batch has begun the file."""
    job = session.find_job(key)
    if job is None or job.state is not State.WAITING:
        st.rerun()


def shared(token: str) -> None:
    """Draw the result behind a share link, and nothing else."""
    try:
        guest = session.application().open_share(token, session.page_caller().address)
    except (RecordsError, RateLimitExceeded) as error:
        log.warning("a link could not be followed: %s", error.code)
        _without_verdict(None, status_cards.link_unreachable())
        return
    if guest is None:
        _without_verdict(None, status_cards.no_link())
        return
    until = _("You were sent this result to read, until {date}.")
    typography.caption(until.format(date=labels.day(guest.expires)))
    if _unjudged(guest.analysis):
        origin.draw(guest.origin)
        card = status_cards.unjudged(guest.key, guest.analysis)
        _without_verdict(
            None, replace(card, actions=(status_cards.choose_another(_("Analyze a file")),))
        )
    else:
        _result(guest)


def _result(record: ResultRecord) -> None:
    from dashboard import result

    with stage.enter(f"result-{record.key}"):
        result.render(record)


def _unjudged(analysis: Analysis) -> bool:
    """Return True if a card replaces the result; a sound without a verdict still has one."""
    return analysis.verdict.label is Label.NOT_APPLICABLE and analysis.media.kind != "audio"


def _without_verdict(job: Job | None, card: Card) -> None:
    """Draw a state card in the verdict's place, beside the file where it can be shown."""
    with stage.enter(f"{card.slug}-{job.key if job else ''}"):
        media = None
        if job:
            from dashboard.result import known

            if job.analysis:
                media = job.analysis.media
            elif job.progress:  # its analysis did not end
                media = job.progress.media
            with page_header.row(job.name, page_header.facts(media) if media else []):
                controls.button(_("New analysis"), "add", "new", url_state.leave)
            known.banner(job, known.look_up(job))
        left, right = st.columns([45, 55], gap="medium")
        with left:
            status_cards.show(card)
        if job and media and job.has_media:
            with right:
                player.draw(job, media)
