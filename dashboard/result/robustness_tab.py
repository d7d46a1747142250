"""The Robustness tab: how the score moves when a part of the file is changed, on request."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import backend, charts, limits, robustness_chart, theme, words
from dashboard.jobs import Busy
from dashboard.result.linked import Linked
from dashboard.words import NBSP
from detector.errors import InputError
from detector.results import Analysis, Robustness, Thresholds

POLL = 1.0
"""s between two looks at running trials"""
WHAT = (
    "A part of the file is compressed, scaled, blurred, made noisy, cropped and mirrored, one at a "
    "time, and analyzed again. A verdict that changes with it should not be leaned on."
)


def draw(path: Path, analysis: Analysis, linked: Linked) -> None:
    """Draw the tab."""
    st.html(f"<p class='um-caption'>{WHAT}</p>")
    key = linked.key
    trials = backend.bench().find(key)
    if trials is not None and trials.active:
        _running(key)
        return
    tried = analysis.robustness
    if tried is not None:
        _outcome(tried, analysis.verdict.answers[tried.question].thresholds)
    elif trials is not None and trials.error:
        st.html(f"<p>{words.escape(trials.error)}</p>")
    if analysis.verdict.question is None:
        st.html("<p class='um-caption'>This file has no score that could move.</p>")
        return
    if linked.read_only or not path.is_file():
        if tried is None:
            st.html("<p class='um-caption'>This was not tried.</p>")
        return
    part = "at most 6 s of the clip" if analysis.media.kind != "image" else "the picture"
    if st.button(
        "Try again" if tried is not None else "Try it",
        icon=":material/science:",
        key=linked.widget("robustness"),
        help=f"Runs the models seven times on {part}. You can leave the page meanwhile.",
    ):
        try:
            with limits.taking():
                backend.bench().start(key, path, linked.original)
        except (Busy, InputError) as error:
            st.html(f'<p class="um-warn" role="alert">{words.escape(error.message)}</p>')
        else:
            st.rerun(scope="fragment")


@st.fragment(run_every=POLL)
def _running(key: str) -> None:
    """How far it is, and a way to stop it."""
    trials = backend.bench().find(key)
    if trials is None or not trials.active:
        st.rerun()
        return
    left = trials.seconds_left()
    text = "In line" if trials.started is None else f"Trying: {trials.title}"
    text += f", {words.about(left)} left" if left is not None and trials.done > 1 else ""
    st.progress(trials.done / trials.total if trials.total else 0.0, text=text)
    stopping = trials.cancel.is_set()
    if st.button("Stopping" if stopping else "Stop", key=f"stop-{key}", disabled=stopping):
        trials.cancel.set()


def _outcome(tried: Robustness, thresholds: Thresholds) -> None:
    """In words, as a chart, as a table."""
    st.html(f"<p class='um-say'>{words.escape(sentence(tried))}</p>")
    rows = robustness_chart.rows(tried)
    with st.container(key="robustness"):
        names, plot = st.columns([34, 66], gap=None, wrap=False)
    names.html(
        f"<div class='um-rows' style='padding-top:{charts.HEAD}px'>"
        + "".join(
            f"<div style='height:{robustness_chart.ROW}px'>{words.escape(_capital(t.title))}</div>"
            for t in rows
        )
        + "</div>"
    )
    plot.plotly_chart(
        robustness_chart.figure(tried, thresholds, theme.palette()),
        theme=None,
        config={"displayModeBar": False},
        alt=robustness_chart.finding(tried),
    )
    st.html(table(tried))
    if tried.end is not None:
        part = f"{words.clock(tried.start)} to {words.clock(tried.end)}"
        st.html(
            f"<p class='um-caption'>{tried.moments} moments from {part}, the same in each, in "
            f"{words.took(tried.seconds)}. Scores of a part differ from the whole clip's.</p>"
        )


def sentence(tried: Robustness) -> str:
    """The outcome in a sentence."""
    flips = [t.title for t in tried.flipped]
    if flips:
        return (
            f"Fragile: the verdict of this part changes under {words.listed(flips)} "
            f"({len(flips)} of {len(tried.trials)})."
        )
    return f"The verdict of this part is the same under all {len(tried.trials)} changes."


def table(tried: Robustness) -> str:
    """HTML of the trials: the accessible form of the chart."""
    base = tried.unchanged.probability
    body = []
    for trial in robustness_chart.rows(tried):
        score, moved = "–", ""
        if trial.probability is not None:
            score = words.percent(trial.probability)
            if base is not None and trial is not tried.unchanged:
                points = words.whole_percent(trial.probability) - words.whole_percent(base)
                sign = "+" if points > 0 else "−"
                moved = f"{sign}{abs(points)}{NBSP}points" if points else "not at all"
        state = words.STATES[trial.label]
        said = trial.error or f"{state.glyph} {state.short}"
        flipped = trial in tried.flipped
        body.append(
            f"<tr><th scope='row'>{words.escape(_capital(trial.title))}</th>"
            f"<td class='n' data-label='Score'>{score}</td>"
            f"<td class='n' data-label='Moved'>{moved}</td>"
            f"<td data-label='Says'>{words.escape(said)}{' · changed' if flipped else ''}</td></tr>"
        )
    return (
        "<table class='um-table'><thead><tr><th scope='col'>Change</th>"
        "<th scope='col' class='n'>Score</th><th scope='col' class='n'>Moved</th>"
        f"<th scope='col'>Says</th></tr></thead><tbody>{''.join(body)}</tbody></table>"
    )


def _capital(text: str) -> str:
    """ "blur, level 2" -> "Blur, level 2"; "h264 CRF 32" stays."""
    return text if text[1:2].isdigit() else text[:1].upper() + text[1:]
