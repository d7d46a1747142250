"""A running analysis: progress and partial scores, without a verdict color before there is a
verdict.

The page is drawn once; fragments redraw the moving parts from the `Job`. Its layout is that of the
result, so that nothing jumps at the end.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from dashboard.components.progress import ProgressStep
from dashboard.components.timeline import evidence
from dashboard.images import data_url, jpeg
from dashboard.result import question, timeline
from detector import media, vision
from detector.errors import UnmaskError
from detector.models.base import CropRecipe
from detector.models.registry import choose
from detector.pipeline import Progress
from detector.presentation import file, lead, series
from detector.presentation import people as presented
from detector.presentation.run import STAGES
from detector.presentation.series import Lane
from detector.presentation.voice import spoken
from detector.schema.analysis import Analysis, Box, Media, Subject
from detector.sentences import _, say
from service.tasks.jobs import Job, State

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
MIN_ELAPSED_SECONDS = 3.0
"""before a time left is shown: earlier it would only jump."""
MIN_FRACTION = 0.08
"""of the work that must be done before a time left is shown, for the same reason."""
THUMBNAIL = CropRecipe(scale=1.45, size=112, resize="area", border="replicate")


@dataclass
class TimeLeft:
    """Remaining time in words: after a few seconds, in steps of 5 s, with a remark when
    it grows."""

    shown: int = 0

    def text(self, elapsed: float, fraction: float) -> str:
        """Return the remaining time after `elapsed` s, with a `fraction` (0..1) of the
        work done."""
        if elapsed < MIN_ELAPSED_SECONDS or fraction < MIN_FRACTION:
            return ""
        seconds = elapsed * (1 - fraction) / fraction
        new = max(5, 5 * math.ceil(seconds / 5))
        if self.shown and new > self.shown:
            # A little longer than said: keep what was said. Much longer: say so.
            if new > self.shown + max(5, 0.25 * self.shown):
                self.shown = new
                return _("slower than expected, {time} left").format(time=labels.about(new))
            new = self.shown
        self.shown = new
        return _("{time} left").format(time=labels.about(new))


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
            when = _("It comes when all models have finished. Scores so far can still change.")
            status_cards.waiting(_("Verdict"), _("No verdict yet"), when)
            st.skeleton(height=10)
            with st.container(width=260):
                st.skeleton(height=10)
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
        left = st.session_state.setdefault(f"left-{job.key}", TimeLeft())
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
    ahead = session.application().tasks.ahead(job)
    models = [spec.id for spec in choose(job.settings.models)]
    if job.state is not State.QUEUED:
        line = _("The models are being loaded; only the first file waits for this.")
        head = _("Getting ready")
    else:
        head = _("Waiting")
        if session.application().tasks.suspended:
            head = _("Paused by who runs this server")
        seconds = session.application().jobs.speed.estimate(job.settings.frames, models)
        if seconds:
            line = _("{files} before yours, {time}.") if ahead else _("Yours is next, {time}.")
        else:
            line = _("{files} before yours.") if ahead else _("Yours is next.")
        line = line.format(
            files=labels.count(ahead, "file", "files"),
            time=labels.about((ahead + 1) * (seconds or 0.0) / session.application().jobs.workers),
        )
    return head, progress_parts.waiting(head, line, _stay(), most=len(models))


def _steps(job: Job, progress: Progress, head: str, remaining: str) -> Markup:
    """Return the steps as rows of one block, so that they stay aligned."""
    # What is heard is listened to beside the search for faces: one step, and one place.
    at = list(STAGES).index("faces" if progress.stage == "sound" else progress.stage)
    at -= at > list(STAGES).index("sound")
    seconds = progress.seconds

    def spent(key: str) -> str:
        return labels.took(seconds[key]) if key in seconds else ""

    read = ProgressStep(
        _("Read the file"),
        "done" if at > 0 else "now",
        _contents(progress.media) if progress.media else "",
        spent("read") if at > 0 else "",
    )
    if progress.media is not None and progress.media.kind == "audio":
        find, score = _sound_step(progress, at, spent("sound")), _("Score the voice")
    else:
        find, score = _faces_step(progress, at, spent("faces")), _("Score faces")
    rows = [read, find, _score_step(job, progress, at, spent("score"), score)]
    last = {"signals": _("Read signals"), "verdict": _("Verdict")}
    for place, (key, name) in enumerate(last.items(), 3):
        if at == place:
            rows.append(ProgressStep(name, "now"))
        elif at > place:
            rows.append(ProgressStep(name, "done", right=spent(key)))
        else:
            rows.append(ProgressStep(name, "wait", right=_("waiting")))
    whole = f"{min(99, math.floor(progress.fraction * 100))}{labels.NBSP}%"
    return progress_parts.run(
        head,
        join([typography.strong(whole), f" · {remaining}" if remaining else ""]),
        progress.fraction,
        rows,
        _stay(),
        label=_("Whole analysis"),
        most=len(progress.models),
    )


def _sound_step(progress: Progress, at: int, took: str) -> ProgressStep:
    """Return the step of voice activity detection."""
    audio = progress.media.audio if progress.media else None
    if audio and audio.speech:
        return ProgressStep(_("Found speech"), "done", spoken(audio.speech), took)
    return ProgressStep(_("Listen for speech"), "now" if at == 1 else "wait")


def _faces_step(progress: Progress, at: int, took: str) -> ProgressStep:
    """Return the step of face detection: person, and share of the file."""
    people = progress.partial.people if progress.partial else []
    who = labels.count(len(people), "person", "people") if people else _("no face so far")
    frames = labels.count(progress.sampled_total, "frame", "frames")
    if at > 1:
        detail = _("{people} in {frames}").format(people=who, frames=frames)
        return ProgressStep(_("Found faces"), "done", detail, took)
    if at < 1:
        return ProgressStep(_("Find faces"), "wait", right=_("waiting"))
    searched = _("{people}, {number} of {frames}").format(
        people=who, number=progress.sampled, frames=frames
    )
    return ProgressStep(_("Find faces"), "now", searched if progress.sampled else "")


def _score_step(job: Job, progress: Progress, at: int, took: str, name: str) -> ProgressStep:
    """Return the progress of each model."""
    if at > 2:
        return ProgressStep(name, "done", right=took)
    if not any(known for scored, known in progress.models.values()):
        return ProgressStep(name, "wait", right=_("waiting"))
    titles = labels.plain_names(choose(job.settings.models))
    share = _("{number} of {total}")
    parts = [
        (
            titles.get(id, id),
            scored / known if known else 0.0,
            share.format(number=scored, total=known) if known else _("waiting"),
        )
        for id, (scored, known) in progress.models.items()
    ]
    side = labels.count(len(parts), "model", "models")
    if len(parts) > 1:
        side = _("{models}, side by side").format(models=side)
    so_far = _("{time} so far").format(time=took) if took else ""
    return ProgressStep(name, "now", side, so_far, parts)


def _contents(info: Media) -> str:
    if info.kind == "image":
        return _("one picture")
    if info.kind == "audio":
        return file.sound(info.audio)
    frames = labels.count(info.frame_count, "frame", "frames") if info.frame_count else _("video")
    return _("{frames}, sound").format(frames=frames) if info.audio else frames


def _stay() -> str:
    return _("You can reload or come back: the result will be at this page’s address.")


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
    more = len(first) - MAX_PEOPLE
    order = (
        _("in order of first appearance, and {number} more").format(number=more)
        if more > 0
        else _("in order of first appearance")
    )
    cards.people(rows, _("People found"), order)


def by_appearance(people: Sequence[Subject]) -> list[Subject]:
    """Return people by first appearance: the order of scores changes during a run."""
    return sorted(people, key=lambda person: (person.start, len(person.id), person.id))


def _person(job: Job, partial: Analysis, track: Subject, *, searched: bool) -> tuple[str, str, str]:
    """Return a face as a data URL, its name and its number of frames, once `searched`."""
    frames = ""
    if searched:
        total = labels.count(len(partial.timestamps), "frame", "frames")
        frames = _("{number} of {frames}").format(number=len(track.frames), frames=total)
    width = f"{max(face.quality.width for face in track.frames):.0f}{labels.NBSP}px"
    detail = " · ".join(filter(None, (lead.side(track.side), frames, width)))
    problems = {face.quality.problem for face in track.frames}
    if None not in problems:  # nothing of this person can be judged so far
        detail += f" · {labels.listed(sorted(lead.why_not(p) for p in problems if p))}"
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
    named = presented.lines(partial) if partial else {}
    note = _("the bold line is drawn where all models have a score") if len(named) > 1 else ""
    cards.part_head(
        _("Score over time"),
        timeline.keys(partial) if partial and named else "",
        typography.small(note),
    )
    if job.elapsed() < DRAW_AFTER_SECONDS:
        st.skeleton(height=charts.lane_sizes(1)[0].height)
        return
    if partial is None or not tracks:
        typography.caption(_("No face has been found so far."))
        return
    palette, limits = theme.palette(), partial.verdict.thresholds
    sizes = charts.lane_sizes(len(tracks))
    with st.container(key=evidence.LANES, gap=None):
        for track, size in zip(tracks, sizes, strict=True):
            lane = so_far(partial, track)
            with st.container(key=f"lane-{track.id}", gap=None):
                who, zones, plot = st.columns([15, 9, 76], gap=None)
                scoring = chip(_("Scoring"), "na", "hourglass_top")
                show(lane_parts.owner(lead.name(track), lead.side(track.side), scoring), at=who)
                with zones, st.container(key=f"lane-words-{track.id}"):
                    show(lane_parts.zone_words(limits, size))
                figure = charts.lane_figure(
                    lane, thresholds=limits, end=series.length(partial), size=size,
                    palette=palette, titles=named,
                )  # fmt: skip
                scores = _("{person}: scores so far; they can still change.")
                alt = scores.format(person=lead.name(track))
                figures.chart(figure, f"so-far-{track.id}", alt, at=plot)


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
