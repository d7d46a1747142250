"""The Analyze page: which of its states is shown."""

from __future__ import annotations

import logging
from dataclasses import replace

import streamlit as st

from dashboard import (
    address,
    backend,
    empty,
    player,
    result,
    running,
    shares,
    stage,
    states,
    titles,
    words,
)
from dashboard.jobs import Job, State
from dashboard.language import _
from dashboard.records.store import RecordsError
from dashboard.states import Card
from detector.results import Label, Media

log = logging.getLogger(__name__)


def draw() -> None:
    """Draw the state of the file that the address names; the drop zone without one."""
    key = address.current()
    if key is None:
        with stage.enter("empty"):
            empty.draw()
        return
    job = backend.find(key)
    if job is None:
        _without_verdict(None, states.gone())
    elif job.active:
        with stage.enter(f"running-{key}"):
            running.draw(job)
    elif job.state is State.FAILED and job.fault is not None:
        _without_verdict(job, states.failed(job, job.fault))
    elif job.state is State.CANCELED:
        _without_verdict(job, states.canceled(job))
    elif job.analysis is None:
        _without_verdict(job, states.interrupted(job))
    elif job.analysis.verdict.label is Label.NOT_APPLICABLE and not states.wants_scores(job):
        _without_verdict(job, states.unjudged(job, job.analysis))
    else:
        with stage.enter(f"result-{key}"):
            result.render(job)


def shared(token: str) -> None:
    """Draw what a link leads to, and nothing else."""
    try:
        guest = shares.find(token)
    except RecordsError as error:
        log.warning("a link could not be followed: %s", error.code)
        _without_verdict(None, states.link_unreachable())
        return
    if guest is None:
        _without_verdict(None, states.no_link())
        return
    until = _("You were sent this result to read, until {date}.")
    st.html(f"<p class='um-caption'>{until.format(date=words.day(guest.shared.expires))}</p>")
    if guest.analysis.verdict.label is Label.NOT_APPLICABLE:
        card = states.unjudged(guest, guest.analysis)
        _without_verdict(None, replace(card, actions=(states.choose_another(_("Analyze a file")),)))
    else:
        with stage.enter(f"result-{guest.key}"):
            result.render(guest)


def _without_verdict(job: Job | None, card: Card) -> None:
    """A state card in the verdict's place, beside the file where it can be shown."""
    with stage.enter(f"{card.slug}-{job.key if job else ''}"):
        _card(job, card)


def _card(job: Job | None, card: Card) -> None:
    media = _media(job) if job else None
    if job:
        with titles.row(job.name, titles.facts(media) if media else []):
            st.button(_("New analysis"), icon=":material/add:", key="new", on_click=address.leave)
    left, right = st.columns([45, 55], gap="medium")
    with left:
        states.show(card)
    if job and media and job.has_media:
        with right:
            player.draw(job, media)


def _media(job: Job) -> Media | None:
    """What is known of the file, also when its analysis did not end."""
    if job.analysis:
        return job.analysis.media
    return job.progress.media if job.progress else None
