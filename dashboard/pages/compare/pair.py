"""Two clips under one model: a suspected copy beside its original."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, series, url_state
from dashboard import labels as words
from dashboard.components import cards, typography
from dashboard.components.chips import chip, figures
from dashboard.components.markup import show, tag
from dashboard.components.player import plays
from dashboard.i18n import _, ngettext
from dashboard.pages.compare import state as chosen
from dashboard.series import Lane
from dashboard.theme import Palette
from detector.comparison.similarity import Likeness, perceptual_similarity
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, Media, Subject, Thresholds
from service.storage.previews import previews
from service.tasks.jobs import Job

KEPT = 32
"""pairs whose likeness is kept."""


def both_scored(first: Analysis, second: Analysis) -> dict[str, str]:
    """Title by id of the models that scored both clips."""
    others = {m.id for m in chosen.able(second)}
    return {m.id: words.plain(m) for m in chosen.able(first) if m.id in others}


def line(analysis: Analysis, model: str) -> tuple[Subject, Lane] | None:
    """The lane of a model on the person it finds most suspicious."""
    scored = [t for t in analysis.judged if model in t.models]
    if not scored:
        return None
    track = max(scored, key=lambda t: t.models[model].logit)
    return track, series.lane(analysis, track)


def difference(a: Lane, b: Lane, model: str) -> tuple[list[float], list[float], list[float]]:
    """Times of the first clip that both have, and both clips' scores there. The second's are
    linear between its moments."""
    ours = [(t, v) for t, v in zip(a.times, a.models.get(model, ()), strict=False) if v is not None]
    theirs = [
        (t, v) for t, v in zip(b.times, b.models.get(model, ()), strict=False) if v is not None
    ]
    if not ours or not theirs:
        return [], [], []
    low, high = theirs[0][0], theirs[-1][0]
    shared = [(t, v) for t, v in ours if low - 0.2 <= t <= high + 0.2]
    times, first = [t for t, _ in shared], [v for _, v in shared]
    second = np.interp(times, [t for t, _ in theirs], [v for _, v in theirs])
    return times, first, [float(v) for v in second]


def figure(
    times: list[float],
    first: list[float],
    second: list[float],
    asked: Thresholds,
    palette: Palette,
) -> go.Figure:
    """Both scores over time with the area between them."""
    between = {
        "type": "scatter", "x": [*times, *times[::-1]], "y": [*first, *second[::-1]],
        "fill": "toself", "fillcolor": charts.rgba(palette.accent, 0.14), "line": {"width": 0},
        "hoverinfo": "skip",
    }  # fmt: skip
    lines = (
        {
            "type": "scatter", "x": times, "y": values, "mode": "lines",
            "line": {"color": palette.text, "width": 2.2, "dash": dash},
            "hovertemplate": said.format(time="%{x:.1f} s", score="%{y:.0%}") + "<extra></extra>",
        }
        for said, values, dash in (
            (_("first clip at {time}: {score}"), first, "solid"),
            (_("second clip at {time}: {score}"), second, "dash"),
        )
    )  # fmt: skip
    end = max(times[-1], 0.1)
    values, texts = charts.score_ticks(asked)
    moments, labels = charts.time_ticks(end)
    layout = charts.layout(
        palette,
        240,
        shapes=[
            charts.rule(palette.edge, "dot", x0=0, x1=end, y0=level, y1=level)
            for level in (asked.low, asked.high)
        ],
        yaxis={**charts.PLAIN, "range": [0, 1], "tickvals": values, "ticktext": texts},
        xaxis={**charts.PLAIN, "range": [0, end], "tickvals": moments, "ticktext": labels},
        margin={"l": 42, "r": 10, "t": 8, "b": 28},
        dragmode=False,
    )
    return go.Figure([between, *lines], layout)


def draw(first: Job, second: Job, palette: Palette) -> None:
    """Draw the cards."""
    a, b = first.analysis, second.analysis
    assert a is not None and b is not None
    titles = both_scored(a, b)
    _players(first, second)
    _match(first, second)
    if not titles:
        typography.notice(_("No model scored both clips."), announced=False)
        return
    with st.container(border=True, key="card-pair"):
        model = st.segmented_control(
            _("Model"),
            list(titles),
            default=next(iter(titles)),
            required=True,
            format_func=titles.__getitem__,
            key="pair-model",
        ) or next(iter(titles))
        _scores(a, b, model, titles[model], palette)


def _players(first: Job, second: Job) -> None:
    time = st.session_state.get("pair-time", 0.0)
    left, right = st.columns(2, gap="medium")
    for column, job, place, name in (
        (left, first, "first", _("First clip")),
        (right, second, "second", _("Second clip")),
    ):
        analysis = job.analysis
        assert analysis is not None
        with column, st.container(border=True, key=f"card-pair-{place}", height="stretch"):
            show(typography.small_print(name), tag("b", job.name))
            copy = None
            if analysis.media.kind == "video" and not plays(analysis.media):
                copy = previews().of(job.path, analysis.media)
            url = url_state.file_url(job, copy=copy is not None)
            if not job.has_media:
                gone = _("The file is not kept here any more.")
                typography.caption(gone)
            elif analysis.media.kind == "image":
                st.image(str(job.path), width="stretch", alt=job.name)
            elif url:
                st.video(url, start_time=time, alt=f"{name}: {job.name}")
            verdict = analysis.verdict
            state = words.STATES[verdict.label]
            likely = verdict.probability
            said = f" · {words.percent(likely)}" if likely is not None else ""
            show(chip(words.headline(verdict) + said, state.slug, state.icon))


def _match(first: Job, second: Job) -> None:
    """Whether both show the same footage."""
    a, b = first.analysis, second.analysis
    assert a is not None and b is not None
    with st.container(border=True, key="card-match"):
        typography.title(_("Is it the same footage?"))
        with st.spinner(_("Holding pictures of both against each other")):
            try:
                found = _held(
                    a.media.sha256, b.media.sha256, (first.path, second.path), (a.media, b.media)
                )
            except (UnmaskError, OSError):  # a file can't be read, or is not kept any more
                found = None
        if found is None or not found.times:
            not_held = _("The two could not be held against each other.")
            typography.caption(not_held)
            return
        says = (
            _(
                "Most moments show the same picture, so a difference in scores is not one of "
                "footage."
            )
            if found.same_footage
            else _(
                "These look like different footage: times are shown from each clip’s start, and "
                "scores of different footage are hard to compare."
            )
        )
        bits = float(np.median(found.hash_bits))
        differ = _("{number} of 64 bits differ").format(number=f"{bits:.0f}")
        noise = f"{np.median(found.psnr):.0f}{words.NBSP}dB"
        cells = [
            (_("Perceptual hash"), differ, _("under 10: same footage")),
            ("SSIM", f"{np.median(found.ssim):.2f}", _("1 is equal")),
            ("PSNR", noise, _("over 35: hardly visible")),
        ]
        worst = int(np.argmin(found.ssim))
        show(tag("p", says), figures(cells))
        if len(found.times) > 1:
            least = _("Least alike at {time} (SSIM {value}), of {number} moments.").format(
                time=words.clock(found.times[worst]),
                value=f"{found.ssim[worst]:.2f}",
                number=len(found.times),
            )
            typography.caption(least)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _held(
    first: str, second: str, _paths: tuple[Path, Path], _media: tuple[Media, Media]
) -> Likeness:
    """The likeness of two clips, by their sha256."""
    return perceptual_similarity(_paths[0], _media[0], _paths[1], _media[1])


def _scores(a: Analysis, b: Analysis, model: str, title: str, palette: Palette) -> None:
    ours, theirs = line(a, model), line(b, model)
    if ours is None or theirs is None:
        typography.caption(_("It scored nobody in one of them."))
        return
    (track_a, lane_a), (track_b, lane_b) = ours, theirs
    whole = [t.models[model].probability for t in (track_a, track_b)]
    apart = round(abs(words.whole_percent(whole[0]) - words.whole_percent(whole[1])))
    head = _("{model}: {first} against {second}").format(
        model=title, first=words.percent(whole[0]), second=words.percent(whole[1])
    )
    said = ngettext(
        "{points} point apart; solid: first clip, dashed: second.",
        "{points} points apart; solid: first clip, dashed: second.",
        apart,
    ).format(points=apart)
    cards.introduced(head, said)
    times, first, second = difference(lane_a, lane_b, model)
    if len(times) < 2:
        few = _("These two have too few moments in common to draw.")
        typography.caption(few)
        return
    gaps = [abs(x - y) for x, y in zip(first, second, strict=True)]
    most = int(np.argmax(gaps))
    asked = a.verdict.thresholds
    at = words.clock(times[most])
    st.plotly_chart(
        figure(times, first, second, asked, palette),
        theme=None,
        config=charts.CONFIG,
        key="pair-chart",
        alt=_(
            "{model}: {first} on the first, {second} on the second; furthest apart at {time}"
        ).format(
            model=title,
            first=words.percent(whole[0]),
            second=words.percent(whole[1]),
            time=at,
        ),
    )
    if st.button(
        _("Furthest apart at {time}").format(time=at), icon=":material/play_arrow:", key="pair-go"
    ):
        st.session_state["pair-time"] = times[most]
        st.rerun()
