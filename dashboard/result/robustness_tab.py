"""The Robustness tab: how the score moves when a part of the file is changed, on request."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from dashboard import charts, labels, session, theme
from dashboard.charts import robustness
from dashboard.components import figures, tables, typography
from dashboard.components.markup import show
from dashboard.components.tables import TableColumn
from dashboard.i18n import _, ngettext, say
from dashboard.result.linked import ResultViewState
from detector.errors import InputError
from detector.schema.analysis import OF_SOUND, Analysis, Robustness, Thresholds
from service.tasks.jobs import QueueFull

POLL = 1.0
"""s between two looks at running trials"""


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the tab."""
    if analysis.verdict.question in OF_SOUND:
        text = _("The trials change pictures, and this verdict is of the sound: none was made.")
        typography.caption(text)
        return
    what = _(
        "A part of the file is compressed, scaled, blurred, made noisy, cropped and mirrored, one "
        "at a time, and analyzed again. A verdict that changes with it should not be leaned on."
    )
    typography.caption(what)
    key = linked.key
    trials = session.application().robustness.find(key, session.current_user())
    if trials is not None and trials.active:
        _running(key)
        return
    tried = analysis.robustness
    if tried is not None:
        _outcome(tried, analysis.verdict.answers[tried.question].thresholds)
    elif trials is not None and trials.error:
        typography.paragraph(say(trials.error))
    if analysis.verdict.question is None:
        typography.caption(_("This file has no score that could move."))
        return
    if linked.read_only or not linked.path.is_file():
        if tried is None:
            typography.caption(_("This was not tried."))
        return
    if st.button(
        _("Try again") if tried is not None else _("Try it"),
        icon=":material/science:",
        key=linked.widget("robustness"),
        help=_("Runs the models seven times on the picture. You can leave the page meanwhile.")
        if analysis.media.kind == "image"
        else _(
            "Runs the models seven times on at most 6 s of the clip. You can leave the page "
            "meanwhile."
        ),
    ):
        try:
            context = session.request_context()
            if job := session.application().find(context, key):
                session.application().try_robustness(context, job, linked.original)
        except (QueueFull, InputError) as error:
            typography.alert(say(error.message))
        else:
            st.rerun(scope="fragment")


@st.fragment(run_every=POLL)
def _running(key: str) -> None:
    trials = session.application().robustness.find(key, session.current_user())
    if trials is None or not trials.active:
        st.rerun()
        return
    left = trials.seconds_left
    if trials.started is None:
        text = _("In line")
    elif left is None or trials.done < 2:
        text = _("Trying: {change}").format(change=trials.stage)
    else:
        text = _("Trying: {change}, {time} left").format(
            change=trials.stage, time=labels.about(left)
        )
    st.progress(trials.fraction, text=text)
    stopping = trials.cancel.is_set()
    if st.button(_("Stopping") if stopping else _("Stop"), key=f"stop-{key}", disabled=stopping):
        session.application().tasks.cancel(trials)


def _outcome(tried: Robustness, thresholds: Thresholds) -> None:
    typography.say(sentence(tried))
    rows = robustness.rows(tried)
    with st.container(key="robustness"):
        names, plot = st.columns([34, 66], gap=None, wrap=False)
    figures.row_names(
        [_capital(t.title) for t in rows], top=charts.HEAD, height=robustness.ROW, at=names
    )
    plot.plotly_chart(
        robustness.figure(tried, thresholds, theme.palette()),
        theme=None,
        config={"displayModeBar": False},
        alt=robustness.finding(tried),
    )
    show(table(tried))
    if tried.end is not None:
        text = _(
            "{number} moments from {start} to {end}, the same in each, in {time}. Scores of a part "
            "differ from the whole clip's."
        ).format(
            number=tried.sampled,
            start=labels.clock(tried.start),
            end=labels.clock(tried.end),
            time=labels.took(tried.seconds),
        )
        typography.caption(text)


def sentence(tried: Robustness) -> str:
    """Return the outcome in a sentence."""
    flips = [t.title for t in tried.flipped]
    text = _("The verdict of this part is the same under all {number} changes.")
    if flips:
        text = _("Fragile: the verdict of this part changes under {changes} ({number} of {total}).")
    total = len(tried.trials)
    return text.format(changes=labels.listed(flips), number=len(flips) or total, total=total)


def table(tried: Robustness) -> Markup:
    """Return the trials as a table: the accessible form of the chart."""
    base = tried.unchanged.probability
    rows = []
    for trial in robustness.rows(tried):
        score, moved = "–", ""
        if trial.probability is not None:
            score = labels.percent(trial.probability)
            if base is not None and trial is not tried.unchanged:
                moved = _moved(labels.whole_percent(trial.probability) - labels.whole_percent(base))
        state = labels.STATES[trial.label]
        says = trial.error or f"{state.glyph} {state.short}"
        if trial in tried.flipped:
            says = _("{said} · changed").format(said=says)
        rows.append((_capital(trial.title), score, moved, says))
    numbers = {_("Change"): False, _("Score"): True, _("Moved"): True, _("Says"): False}
    return tables.table([TableColumn(*column) for column in numbers.items()], rows)


def _moved(points: int) -> str:
    if not points:
        return _("not at all")
    by = ngettext("{points}\u00a0point", "{points}\u00a0points", abs(points))
    return by.format(points=f"{'+' if points > 0 else '−'}{abs(points)}")


def _capital(text: str) -> str:
    """ "blur, level 2" -> "Blur, level 2"; "h264 CRF 32" stays."""
    return text if text[1:2].isdigit() else labels.capital(text)
