"""A running analysis: progress and partial scores, without a verdict color before there is a
verdict.

The page is drawn once; fragments redraw the moving parts from the `Job`. Its layout is that of the
result, so that nothing jumps at the end.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import streamlit as st
from markupsafe import Markup

from dashboard import charts, labels, session, theme
from dashboard.components import (
    cards,
    controls,
    figures,
    page_header,
    player,
    status_cards,
    typography,
)
from dashboard.components import lanes as lane_parts
from dashboard.components import progress as progress_parts
from dashboard.components.chips import chip
from dashboard.components.markup import join, show
from dashboard.components.timeline import evidence
from dashboard.images import data_url, jpeg
from dashboard.result import question, timeline
from detector import media, vision
from detector.errors import UnmaskError
from detector.messages.format import capital
from detector.models.base import CropRecipe
from detector.models.registry import choose
from detector.pipeline import Progress
from detector.presentation import lead, people, series
from detector.presentation import progress as presented
from detector.presentation.run import STAGES
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Box, Media, Subject
from detector.sentences import _, say
from service.records.model import State
from service.tasks.jobs import Job

POLL = 0.5
"""s between two looks at the job."""
POLL_IN_LINE = 1.0
"""the same while it waits: a queue of ten polls ten times as often as a running job"""
FIRST_LOOK = 0.4
"""s that the page waits for what the file is, which is read sooner than a page is drawn twice."""
LAST_LOOK, NEARLY = 0.4, 0.7
"""s that a look waits for the end, once so much is done: between two looks the result would lie
there unseen."""
DRAW_EVERY = 2.0
"""s between two drawings of the people and the timeline: slower, since a figure is heavy."""
DRAW_AFTER_SECONDS = 4.0
"""of a run before its scores are drawn: the figure of a short one would only come to go, and the
program that draws it takes a browser a second to start, on cores that the analysis could use."""
LOOKED_AT, ANALYZED = 1, 2
SEARCHING = ("read", "faces", "sound")
"""The stages in which frames are still searched for faces."""
MAX_PEOPLE = 6
MAX_LANES = 3
THUMBNAIL = CropRecipe(scale=1.45, size=112, resize="area", border="replicate")


def draw(job: Job) -> None:
    """Draw the page of a waiting or running job."""
    if not session.application().tasks.ahead(job):
        _wait(job, FIRST_LOOK, lambda: _known(job) == ANALYZED)
    progress, known = job.progress, _known(job)
    info = progress.media if progress and progress.media else job.looked_at
    facts = [*(page_header.facts(info) if info else []), labels.size(job.record.size)]
    if info and progress:  # which models take part depends on what the file is
        facts.append(labels.count(len(progress.models), "model", "models"))
    with page_header.row(job.name, facts):
        if session.may_stop(job):
            controls.button(_("Cancel"), "close", "cancel", partial(session.cancel, job))
    left, right = st.columns([45, 55], gap="medium")
    with left:
        with st.container(border=True, key="card-progress"):
            every = POLL_IN_LINE if job.state is State.QUEUED else POLL
            st.fragment(_progress, run_every=every)(job, known)
        with st.container(border=True, key="verdict-na-none"):
            _reading(job)
    with right:
        if info is None:
            st.skeleton(height=360)
        else:
            player.draw(job, info)
        if info is None or info.kind != "audio":
            _people(job)
    if known == ANALYZED and info is not None and info.kind not in ("image", "audio"):
        with st.container(border=True, key="card-timeline"):
            _timeline(job)


@st.fragment(run_every=POLL)
def _reading(job: Job) -> None:
    """Draw that there is no verdict yet, or what the moments so far say."""
    found = presented.reading(job.progress)
    if found is None:
        none, when = say(presented.NO_VERDICT), say(presented.LATER)
        status_cards.waiting(_("Verdict"), none, when)
        st.skeleton(height=10)
        with st.container(width=260):
            st.skeleton(height=10)
        return
    with st.container(key="reading", gap=None):
        status_cards.waiting(capital(found.so_far), found.head, say(presented.CHANGES))


def _known(job: Job) -> int:
    """Return the facts about the file: of the analysis, of a probe while it waits, or
    nothing (0)."""
    if job.progress is not None and job.progress.media is not None:
        return ANALYZED
    return LOOKED_AT if job.looked_at is not None else 0


def _progress(job: Job, known: int) -> None:
    """Draw the card with the bar and the steps; rerun the page when its state changes."""
    if job.progress is not None and job.progress.fraction >= NEARLY:
        _wait(job, LAST_LOOK)
    if session.find_job(job.key) is not job or not job.active:
        st.rerun()
    progress = job.progress
    if _known(job) > known:
        st.rerun()
    if job.state is State.QUEUED or progress is None:
        head, drawn = _waiting(job)
    else:
        head = _("Stopping") if job.cancel.is_set() else say(STAGES[progress.stage])
        left = st.session_state.setdefault(f"left-{job.key}", presented.TimeLeft())
        drawn = _steps(job, progress, head, left.text(job.elapsed(), progress.fraction))
    # In one place for both, so that the card keeps its height as one follows the other.
    with st.container(gap=None):
        # On its own, so that a screen reader hears each step once and no percents.
        typography.quiet(head)
        show(drawn)


def _wait(job: Job, most: float, ready: Callable[[], bool] = lambda: False) -> None:
    """Wait for a condition or the job's end, up to a number of seconds."""
    until = time.monotonic() + most
    while job.active and not ready() and time.monotonic() < until:
        time.sleep(0.01)


def _waiting(job: Job) -> tuple[str, Markup]:
    """Draw a job that waits or has just started."""
    tasks, jobs = session.application().tasks, session.application().jobs
    models = [spec.id for spec in choose(job.settings.models)]
    head, line = presented.begun()
    if job.state is State.QUEUED:
        ahead, each = tasks.ahead(job), jobs.speed.estimate(job.settings.frames, models)
        seconds = (ahead + 1) * each / jobs.workers if each else None
        head, line = presented.waiting(ahead, seconds, suspended=tasks.suspended)
    return head, progress_parts.waiting(head, line, say(presented.STAY), most=len(models))


def _steps(job: Job, progress: Progress, head: str, remaining: str) -> Markup:
    """Return the steps as rows of one block, so that they stay aligned."""
    whole = typography.strong(presented.percent_of(progress))
    return progress_parts.run(
        head,
        join([whole, f" · {remaining}" if remaining else ""]),
        progress.fraction,
        presented.steps(progress, labels.plain_names(choose(job.settings.models))),
        say(presented.STAY),
        label=_("Whole analysis"),
        most=len(progress.models),
    )


@st.fragment(run_every=DRAW_EVERY)
def _people(job: Job) -> None:
    """Draw the detected people in order of first appearance."""
    progress = job.progress
    partial = progress.partial if progress else None
    if progress is None or partial is None or not partial.people:
        cards.people([])
        return
    first = by_appearance(partial.people)
    searched = progress.stage not in SEARCHING
    rows = [_person(job, partial, track, searched=searched) for track in first[:MAX_PEOPLE]]
    cards.people(rows, *presented.people(len(first) - MAX_PEOPLE))


def by_appearance(people: Sequence[Subject]) -> list[Subject]:
    """Return people by first appearance: the order of scores changes during a run."""
    return sorted(people, key=lambda person: (person.start, len(person.id), person.id))


def _person(job: Job, partial: Analysis, track: Subject, *, searched: bool) -> tuple[str, str, str]:
    """Return a face as a data URL, its name and its number of frames, once `searched`."""
    detail = presented.person(track, len(partial.timestamps) if searched else None)
    face = track.frames[0]  # decoding a better one costs too much
    picture = thumbnail(job.path, partial.media.model_dump_json(), face.time, face.box)
    return picture, lead.name(track), detail


@lru_cache(maxsize=64)
def thumbnail(path: Path, described: str, time: float, box: Box) -> str:
    """Return a face as a data URL; `described` is the file's `Media` as JSON."""
    try:
        frame = media.frame_at(path, Media.model_validate_json(described), time)
    except (UnmaskError, OSError):
        return ""
    return data_url(jpeg(vision.cut(frame.rgb, box, THUMBNAIL)), "jpeg")


# --- the timeline --------------------------------------------------------------------------------


@st.fragment(run_every=DRAW_EVERY)
def _timeline(job: Job) -> None:
    """Draw the scores so far: each model as far as it has got, the bold line where all have a
    score."""
    partial = job.progress.partial if job.progress else None
    if partial is not None and (questions := question.of_picture(partial)):
        partial = question.viewed(partial, questions[0])
    tracks = by_appearance(partial.seen[:MAX_LANES]) if partial else []
    named = people.lines(partial) if partial else {}
    cards.part_head(
        say(people.OVER_TIME),
        timeline.keys(partial) if partial and named else "",
        typography.small(presented.bold(len(named))),
    )
    if job.elapsed() < DRAW_AFTER_SECONDS:
        st.skeleton(height=charts.lane_sizes(1)[0].height)
        return
    if partial is None or not tracks:
        typography.caption(say(presented.NO_FACE))
        return
    palette, limits = theme.palette(), partial.verdict.thresholds
    sizes = charts.lane_sizes(len(tracks))
    with st.container(key=evidence.LANES, gap=None):
        for track, size in zip(tracks, sizes, strict=True):
            lane = so_far(partial, track)
            scoring = chip(_("Scoring"), "na", "hourglass_top")
            who = lane_parts.owner(lead.name(track), lead.side(track.side), scoring)
            plot = lane_parts.row(track.id, who, lane_parts.zone_words(limits, size))
            figure = charts.lane_figure(
                lane, thresholds=limits, end=series.length(partial), size=size,
                palette=palette, titles=named,
            )  # fmt: skip
            figures.chart(figure, f"so-far-{track.id}", presented.so_far(track), at=plot)


def so_far(partial: Analysis, track: Subject) -> Lane:
    """Return a lane of an unfinished run; the combined line needs every model's score."""
    last = partial.timestamps[-1]
    end = series.length(partial)
    if end > last:
        partial = partial.model_copy(update={"timestamps": [*partial.timestamps, end]})
    lane = series.lane(partial, track, until=last)
    complete = tuple(
        score if all(line[i] is not None for line in lane.models.values()) else None
        for i, score in enumerate(lane.score)
    )
    gaps = tuple(
        replace(gap, start=last) if gap.why is series.Missing.NOT_YET else gap
        for gap in lane.gaps
        if gap.why is not series.Missing.NO_SCORE
    )
    return replace(lane, score=complete, gaps=gaps)
