"""Two clips under one model: a suspected copy beside its original."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, labels, series, url_state
from dashboard.components import cards, controls, figures, typography
from dashboard.components.chips import chip
from dashboard.components.markup import show
from dashboard.components.player import plays
from dashboard.i18n import _, ngettext, speech
from dashboard.pages.compare import state
from dashboard.series import Lane
from dashboard.theme import Palette
from detector.messages.format import time_ticks
from detector.schema.analysis import Analysis, Media, Subject, Thresholds
from service.storage.previews import previews
from service.tasks.jobs import Job

_TIME = "pair-time"
"""In session state: where both players begin, s."""


def line(analysis: Analysis, model: str) -> tuple[Subject, Lane] | None:
    """Return the lane of a model on the person it finds most suspicious."""
    scored = [t for t in analysis.judged if model in t.models]
    if not scored:
        return None
    track = max(scored, key=lambda t: t.models[model].logit)
    return track, series.lane(analysis, track)


def difference(a: Lane, b: Lane, model: str) -> tuple[list[float], list[float], list[float]]:
    """Return times of the first clip that both have, and both clips' scores there. The second's are
    linear between its sampled frames."""

    def points(lane: Lane) -> list[tuple[float, float]]:
        scores = lane.models.get(model, ())
        return [(t, v) for t, v in zip(lane.times, scores, strict=False) if v is not None]

    ours, theirs = points(a), points(b)
    if not ours or not theirs:
        return [], [], []
    known, values = zip(*theirs, strict=True)
    shared = [(t, v) for t, v in ours if known[0] - 0.2 <= t <= known[-1] + 0.2]
    times, first = [t for t, _ in shared], [v for _, v in shared]
    return times, first, np.interp(times, known, values).tolist()


def figure(
    times: list[float],
    first: list[float],
    second: list[float],
    thresholds: Thresholds,
    palette: Palette,
) -> go.Figure:
    """Return both scores over time with the area between them."""
    edge = [*times, *times[::-1]], [*first, *second[::-1]]
    between = charts.area(*edge, charts.rgba(palette.accent, 0.14))
    lines = (
        charts.scatter(
            times,
            values,
            hover=text.format(time="%{x:.1f} s", score="%{y:.0%}"),
            line={"color": palette.text, "width": 2.2, "dash": dash},
        )
        for text, values, dash in (
            (_("first clip at {time}: {score}"), first, "solid"),
            (_("second clip at {time}: {score}"), second, "dash"),
        )
    )
    end = max(times[-1], 0.1)
    values, texts = charts.score_ticks(thresholds)
    ticks, tick_texts = time_ticks(end)
    layout = charts.layout(
        palette,
        240,
        shapes=[
            charts.rule(palette.edge, "dot", x0=0, x1=end, y0=level, y1=level)
            for level in (thresholds.low, thresholds.high)
        ],
        yaxis={**charts.PLAIN, "range": [0, 1], "tickvals": values, "ticktext": texts},
        xaxis={**charts.PLAIN, "range": [0, end], "tickvals": ticks, "ticktext": tick_texts},
        margin={"l": 42, "r": 10, "t": 8, "b": 28},
    )
    return go.Figure([between, *lines], layout)


def scores(first: Job, second: Job, palette: Palette) -> None:
    """Draw what one model says of both, over time, where both were analyzed."""
    a, b = first.analysis, second.analysis
    if a is None or b is None:
        return
    common = {m.id for m in state.able(b)}
    titles = {m.id: labels.plain(m) for m in state.able(a) if m.id in common}
    if not titles:
        typography.notice(_("No model scored both clips."), announced=False)
        return
    with st.container(border=True, key="card-pair"):
        cards.introduced(
            _("What the detectors say of each, alone"),
            _("They know nothing of the other file, and count nothing in the finding above."),
        )
        model = controls.choose(_("Model"), titles, next(iter(titles)), "pair-model")
        _scores(a, b, model, titles[model], palette)


def clips(first: Job, second: Job, titles: tuple[str, str] | None = None) -> None:
    """Draw both under their titles with players, and what the detectors alone say of each."""
    names = titles or (_("First file"), _("Second file"))
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="card-pair-first", height="stretch"):
        _clip(first, names[0])
    with right, st.container(border=True, key="card-pair-second", height="stretch"):
        _clip(second, names[1])


def _clip(job: Job, name: str) -> None:
    show(typography.small_print(name), typography.strong(job.name))
    analysis = job.analysis
    if not job.has_media:
        typography.caption(_("The file is not kept here any more."))
    elif analysis is not None:
        _player(job, analysis.media, name)
    if analysis is None:
        typography.caption(_("The detectors have not judged it."))
        return
    answer, likely = labels.STATES[analysis.label], analysis.verdict.probability
    percent = f" · {labels.percent(likely)}" if likely is not None else ""
    show(chip(analysis.headline_in(speech()) + percent, answer.slug, answer.icon))


def _player(job: Job, info: Media, name: str) -> None:
    copied = info.kind == "video" and not plays(info) and previews().of(job.path, info) is not None
    if info.kind == "image":
        st.image(str(job.path), width="stretch", alt=job.name)
    elif info.kind == "audio":
        st.audio(
            url_state.file_url(job) or job.path,
            start_time=st.session_state.get(_TIME, 0.0),
            alt=f"{name}: {job.name}",
        )
    elif url := url_state.file_url(job, copy=copied):
        st.video(url, start_time=st.session_state.get(_TIME, 0.0), alt=f"{name}: {job.name}")


def _scores(a: Analysis, b: Analysis, model: str, title: str, palette: Palette) -> None:
    ours, theirs = line(a, model), line(b, model)
    if ours is None or theirs is None:
        typography.caption(_("It gave no score for one of them."))
        return
    (track_a, lane_a), (track_b, lane_b) = ours, theirs
    whole = [t.models[model].probability for t in (track_a, track_b)]
    apart = abs(labels.whole_percent(whole[0]) - labels.whole_percent(whole[1]))
    texts = {"model": title} | {
        name: labels.score(value) for name, value in zip(("first", "second"), whole, strict=True)
    }
    points = ngettext(
        "{points} point apart; solid: first clip, dashed: second.",
        "{points} points apart; solid: first clip, dashed: second.",
        apart,
    )
    head = _("{model}: score {first} against {second}")
    cards.introduced(head.format(**texts), points.format(points=apart))
    times, first, second = difference(lane_a, lane_b, model)
    if len(times) < 2:
        typography.caption(_("These two have too few moments in common to draw."))
        return
    most = int(np.argmax(np.abs(np.subtract(first, second))))
    at = labels.clock(times[most])
    alt = _("{model}: score {first} on the first, {second} on the second; furthest apart at {time}")
    figures.chart(
        figure(times, first, second, state.limits_of(a, model), palette),
        "pair-chart",
        alt.format(time=at, **texts),
    )
    if controls.button(_("Furthest apart at {time}").format(time=at), "play_arrow", "pair-go"):
        st.session_state[_TIME] = times[most]
        st.rerun()
