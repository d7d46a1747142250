"""While a file is analyzed: what is known so far and nothing more. No verdict color before there is
a verdict.

The page is drawn once; fragments redraw the parts that move, by reading the `Job`. The layout is
that of the result, so that nothing jumps when it comes.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from dashboard import charts, labels, series, session, theme
from dashboard.components import evidence_view, page_header, player
from dashboard.i18n import LazyDict, _
from dashboard.result import question, timeline
from dashboard.series import Lane
from detector import media, vision
from detector.errors import UnmaskError
from detector.models.base import CropRecipe
from detector.models.registry import choose
from detector.schema.analysis import Analysis, Box, Media, Subject
from service.tasks.jobs import Job, State

if TYPE_CHECKING:
    from detector.pipeline import Progress

POLL = 0.5
"""s between two looks at the job."""
PEOPLE_EVERY = 2.0
TIMELINE_EVERY = 2.0
"""s between two drawings of the timeline: slower, since a figure is heavy."""
MOST_PEOPLE = 6
MOST_LANES = 3
THUMBNAIL = CropRecipe(scale=1.45, size=112, resize="area", border="replicate")
SETTLE = 3.0
"""s before a time left is told: earlier it would only jump."""
SURE = 0.08
"""of the work that must be done before a time left is told, for the same reason."""
STAGES: LazyDict[str, str] = LazyDict(
    lambda: {
        "read": _("Reading the file"),
        "faces": _("Finding faces"),
        "score": _("Scoring faces"),
        "signals": _("Reading signals"),
        "verdict": _("Writing the result"),
    }
)


def draw(job: Job) -> None:
    """The page of a job that waits or runs."""
    progress = job.progress
    info = progress.media if progress else None
    facts = page_header.facts(info) if info else []
    facts.append(labels.count(len(choose(job.settings.models)), "model", "models"))
    with page_header.row(job.name, facts):
        st.button(_("Cancel"), icon=":material/close:", key="cancel", on_click=_cancel, args=(job,))
    left, right = st.columns([45, 55], gap="medium")
    with left:
        with st.container(border=True, key="card-progress"):
            _progress(job, info is not None)
        with st.container(border=True, key="verdict-na-none"):
            when = _("It comes when all models have finished. Scores so far can still change.")
            st.html(
                f'<div class="um-state none"><p class="um-caption">{_("Verdict")}</p>'
                f"<h2>{_('No verdict yet')}</h2><p>{when}</p></div>"
            )
            st.skeleton(height=10)
            with st.container(width=260):
                st.skeleton(height=10)
    with right:
        if info is None:
            st.skeleton(height=360)
        else:
            player.draw(job, info)
        _people(job)
    if info is not None and info.kind != "image":
        with st.container(border=True, key="card-timeline"):
            _timeline(job)


def _cancel(job: Job) -> None:
    session.application().jobs.cancel(job.key)


@st.fragment(run_every=POLL)
def _progress(job: Job, media_drawn: bool) -> None:
    """The card with the bar and the steps. It also notices when the page has to change."""
    current = session.application().find(session.request_context(), job.key)
    if current is not job or not job.active:
        st.rerun()
    progress = job.progress
    if progress is not None and progress.media is not None and not media_drawn:
        st.rerun()
    if job.state is State.QUEUED or progress is None:
        st.html(_waiting(job))
        return
    left = st.session_state.setdefault(f"left-{job.key}", TimeLeft())
    remaining = left.text(job.elapsed(), progress.fraction)
    head = _("Stopping") if job.cancel.is_set() else STAGES[progress.stage]
    with st.container(gap=None):
        # On its own, so that a screen reader hears each step once and no percents.
        st.html(f'<p class="um-quiet" role="status" aria-live="polite">{head}</p>')
        st.html(_steps(job, progress, head, remaining))


def _waiting(job: Job) -> str:
    """In line, or just taken by a worker."""
    ahead = session.application().jobs.ahead(job)
    if job.state is not State.QUEUED:
        line = _("The models are being loaded; only the first file waits for this.")
        head = _("Getting ready")
    else:
        head = _("Waiting")
        seconds = session.application().jobs.speed.estimate(
            job.settings.frames, [spec.id for spec in choose(job.settings.models)]
        )
        if seconds:
            line = _("{files} before yours, {time}.") if ahead else _("Yours is next, {time}.")
        else:
            line = _("{files} before yours.") if ahead else _("Yours is next.")
        line = line.format(
            files=labels.count(ahead, "file", "files"),
            time=labels.about((ahead + 1) * (seconds or 0.0) / session.application().jobs.workers),
        )
    return (
        f'<div class="um-progress" style="--um-models: {len(choose(job.settings.models))}">'
        f"<header><h2>{head}</h2></header>{bar(0.0)}"
        f'<p role="status">{line}</p>{_stay()}</div>'
    )


def _steps(job: Job, progress: Progress, head: str, remaining: str) -> str:
    """The steps as rows of one block, so that they stay aligned."""
    order = list(STAGES)
    at = order.index(progress.stage)
    seconds = progress.seconds

    def row(name: str, detail: str, state: str, right: str, body: str = "") -> str:
        icon = {"done": "check_circle", "now": "progress_activity", "wait": "circle"}[state]
        return (
            f'<li class="{state}"><span class="um-icon" aria-hidden="true">{icon}</span>'
            f"<div><b>{name}</b> {detail}</div><span>{right}</span>{body}</li>"
        )

    waiting = _("waiting")

    def spent(*keys: str) -> str:
        known = [seconds[k] for k in keys if k in seconds]
        return labels.took(sum(known)) if known else ""

    rows = [
        row(
            _("Read the file"),
            _contents(progress.media) if progress.media else "",
            "done" if at > 0 else "now",
            spent("read") if at > 0 else "",
        )
    ]
    people = progress.partial.judged if progress.partial else []
    found = labels.count(len(people), "person", "people") if people else _("no face so far")
    frames = labels.count(progress.moments_total, "frame", "frames")
    if at > 1:
        detail = _("{people} in {frames}").format(people=found, frames=frames)
        rows.append(row(_("Found faces"), detail, "done", spent("faces")))
    else:
        looked = _("{people}, {number} of {frames}").format(
            people=found, number=progress.moments, frames=frames
        )
        rows.append(
            row(
                _("Find faces"),
                looked if at == 1 and progress.moments else "",
                "now" if at == 1 else "wait",
                "" if at == 1 else waiting,
            )
        )
    scoring = any(known for scored, known in progress.models.values()) and at < 3
    titles_of = {spec.id: spec.plain or spec.title for spec in choose(job.settings.models)}
    share = _("{number} of {total}")
    bars = "".join(
        f"<span>{labels.escape(titles_of.get(id, id))}</span>"
        f"{bar(scored / known if known else 0.0)}"
        f"<span>{share.format(number=scored, total=known) if known else waiting}</span>"
        for id, (scored, known) in progress.models.items()
    )
    side = labels.count(len(progress.models), "model", "models")
    if len(progress.models) > 1:
        side = _("{models}, side by side").format(models=side)
    rows.append(
        row(
            _("Score faces"),
            side if scoring else "",
            "done" if at > 2 else "now" if scoring else "wait",
            (_("{time} so far").format(time=spent("score")) if spent("score") else "")
            if scoring
            else spent("score")
            if at > 2
            else waiting,
            f'<div class="um-models">{bars}</div>' if scoring else "",
        )
    )
    last = {"signals": _("Read signals"), "verdict": _("Verdict")}
    for place, (key, name) in enumerate(last.items(), 3):
        state = "done" if at > place else "now" if at == place else "wait"
        rows.append(row(name, "", state, {"done": spent(key), "now": "", "wait": waiting}[state]))
    whole = min(99, math.floor(progress.fraction * 100))
    return (
        f'<div class="um-progress" style="--um-models: {len(progress.models)}">'
        f"<header><h2>{head}</h2><p><b>{whole}{labels.NBSP}%</b>"
        f"{' · ' + remaining if remaining else ''}</p></header>"
        f"{bar(progress.fraction, _('Whole analysis'))}<ol>{''.join(rows)}</ol>{_stay()}</div>"
    )


def bar(share: float, label: str = "") -> str:
    """A progress bar of our own HTML; with a label it speaks."""
    whole = round(100 * min(1.0, max(0.0, share)))
    role = (
        f' role="progressbar" aria-label="{labels.escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{whole}"'
        if label
        else ' aria-hidden="true"'
    )
    return f'<div class="um-bar"{role}><i style="width: {whole}%"></i></div>'


def _contents(info: Media) -> str:
    if info.kind == "image":
        return _("one picture")
    frames = labels.count(info.frame_count, "frame", "frames") if info.frame_count else _("video")
    return _("{frames}, sound").format(frames=frames) if info.audio else frames


def _stay() -> str:
    stay = _("You can reload or come back: the result will be at this page’s address.")
    return f'<p class="um-caption">{stay}</p>'


@dataclass
class TimeLeft:
    """Time left in words: after a few seconds, in steps of 5 s, never growing without a word."""

    shown: int = 0

    def text(self, elapsed: float, fraction: float) -> str:
        """
        Parameters
        ----------
        elapsed : float
            Seconds since the work began.
        fraction : float
            Of the work that is done, 0..1.
        """
        if elapsed < SETTLE or fraction < SURE:
            return ""
        seconds = elapsed * (1 - fraction) / fraction
        new = max(5, 5 * math.ceil(seconds / 5))
        if self.shown and new > self.shown:
            # A little longer than said: keep what was said. Much longer: say so.
            if new <= self.shown + max(5, 0.25 * self.shown):
                new = self.shown
            else:
                self.shown = new
                return _("slower than expected, {time} left").format(time=labels.about(new))
        self.shown = new
        return _("{time} left").format(time=labels.about(new))


@st.fragment(run_every=PEOPLE_EVERY)
def _people(job: Job) -> None:
    """The people found so far, in order of first appearance."""
    partial = job.progress.partial if job.progress else None
    if partial is None or not partial.judged:
        st.html('<div class="um-people"></div>')
        return
    first = sorted(partial.judged, key=lambda track: track.start)
    rows = "".join(_person(job, partial, track) for track in first[:MOST_PEOPLE])
    more = len(first) - MOST_PEOPLE
    order = (
        _("in order of first appearance, and {number} more").format(number=more)
        if more > 0
        else _("in order of first appearance")
    )
    st.html(
        f'<div class="um-people"><p><b>{_("People found")}</b> '
        f'<span class="um-caption">{order}</span></p><ul>{rows}</ul></div>'
    )


def _person(job: Job, partial: Analysis, track: Subject) -> str:
    frames = _("{number} of {frames}").format(
        number=len(track.frames), frames=labels.count(len(partial.moments), "frame", "frames")
    )
    width = f"{max(face.quality.width for face in track.frames):.0f}{labels.NBSP}px"
    detail = " · ".join(part for part in (labels.SIDES[track.side], frames, width) if part)
    problems = {face.quality.problem for face in track.frames}
    if None not in problems:  # nothing of this person can be judged so far
        detail += f" · {labels.listed(sorted(labels.WHY_NOT[p] for p in problems if p))}"
    face = thumbnail(job.path, partial.media, track)
    picture = f'<img src="{face}" alt="{labels.who(track)}">' if face else "<i></i>"
    return f"<li>{picture}<div><b>{labels.who(track)}</b><span>{detail}</span></div></li>"


def thumbnail(path: Path, media: Media, track: Subject) -> str:
    """A person's face as a data address; empty where it can't be cut.

    Of the first face that was found: a better one later is not worth decoding again while the file
    is being analyzed.
    """
    face = track.frames[0]
    return _thumbnail(path, media.model_dump_json(), face.time, face.box)


@lru_cache(maxsize=64)
def _thumbnail(path: Path, described: str, time: float, box: Box) -> str:
    try:
        frame = media.frame_at(path, Media.model_validate_json(described), time)
    except (UnmaskError, OSError):
        return ""
    out = io.BytesIO()
    Image.fromarray(vision.cut(frame.rgb, box, THUMBNAIL)).save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


# --- the timeline --------------------------------------------------------------------------------


@st.fragment(run_every=TIMELINE_EVERY)
def _timeline(job: Job) -> None:
    """Scores so far: each model as far as it has got, the bold line where all have a score."""
    partial = job.progress.partial if job.progress else None
    if partial is not None and (questions := question.asked(partial)):
        partial = question.viewed(partial, questions[0])
    tracks = partial.judged[:MOST_LANES] if partial else []
    named = timeline.titles(partial) if partial else {}
    note = _("the bold line is drawn where all models have a score") if len(named) > 1 else ""
    st.html(
        f'<div class="um-head"><h2>{_("Score over time")}</h2>'
        f"{timeline.keys(partial, named) if partial and named else ''}"
        f'<span class="um-caption">{note}</span></div>'
    )
    if partial is None or not tracks:
        st.html(f'<p class="um-caption">{_("No face has been found so far.")}</p>')
        return
    palette, limits = theme.palette(), partial.verdict.thresholds
    sizes = charts.lane_sizes(len(tracks))
    with st.container(key=evidence_view.LANES, gap=None):
        for track, size in zip(tracks, sizes, strict=True):
            lane = so_far(partial, track)
            with st.container(key=f"lane-{track.id}", gap=None):
                who, zones, plot, _right = st.columns([15, 9, 68, 8], gap=None)
                who.html(
                    f'<div class="um-who"><b>{labels.who(track)}</b>'
                    f'<div class="um-caption where">{labels.SIDES[track.side]}</div>'
                    f"{labels.chip(_('Scoring'), 'na', 'hourglass_top')}</div>"
                )
                with zones, st.container(key=f"lane-words-{track.id}"):
                    st.html(timeline.zone_words(limits, size))
                plot.plotly_chart(
                    charts.lane_figure(
                        lane, thresholds=limits, end=series.length(partial), size=size,
                        palette=palette, titles=named, axis=track is tracks[-1],
                    ),
                    theme=None,
                    config=charts.CONFIG,
                    key=f"so-far-{track.id}",
                    alt=_("{person}: scores so far; they can still change.").format(
                        person=labels.who(track)
                    ),
                )  # fmt: skip


def so_far(partial: Analysis, track: Subject) -> Lane:
    """A lane of an unfinished run: nothing stands for a score that is only on its way.

    The time after the last looked-at moment is "not scored yet"; the line of all models together
    has only the moments that every model has scored.
    """
    last = partial.moments[-1]
    end = series.length(partial)
    if end > last:
        partial = partial.model_copy(update={"moments": [*partial.moments, end]})
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
