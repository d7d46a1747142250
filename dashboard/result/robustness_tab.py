"""The Robustness tab: how the likelihood moves when a part of the file is changed, on request."""

import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup

from dashboard import labels, series, session, theme
from dashboard.charts import scatter, score_layout
from dashboard.components import figures, tables, typography
from dashboard.components.markup import show
from dashboard.components.tables import TableColumn
from dashboard.result.linked import ResultViewState
from dashboard.theme import Palette
from detector.errors import InputError
from detector.messages import states
from detector.presentation import robustness
from detector.schema.analysis import OF_SOUND, Analysis, Robustness, Thresholds
from detector.sentences import _, say
from service.tasks.jobs import QueueFull

POLL = 1.0
"""s between two looks at running trials"""


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the tab."""
    typography.caption(robustness.about(analysis.verdict.question))
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
        typography.caption(_("This file has no likelihood that could move."))
        return
    if not linked.changeable or not linked.path.is_file():
        if tried is None:
            typography.caption(_("This was not tried."))
        return
    if st.button(
        _("Try again") if tried is not None else _("Try it"),
        icon=":material/science:",
        key=linked.widget("robustness"),
        help=_how(analysis),
    ):
        try:
            context = session.request_context()
            if job := session.application().find(context, key):
                session.application().try_robustness(context, job, linked.original)
        except (QueueFull, InputError) as error:
            typography.alert(say(error.message))
        else:
            st.rerun(scope="fragment")


def _how(analysis: Analysis) -> str:
    """Say what the button does."""
    if analysis.verdict.question in OF_SOUND:
        return _(
            "Runs the models seven times on about 12 s of the sound. You can leave the page "
            "meanwhile."
        )
    if analysis.media.kind == "image":
        return _("Runs the models seven times on the picture. You can leave the page meanwhile.")
    return _(
        "Runs the models seven times on at most 6 s of the clip. You can leave the page meanwhile."
    )


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
        session.cancel(trials)


def _outcome(tried: Robustness, thresholds: Thresholds) -> None:
    typography.say(labels.unbroken(robustness.outcome(tried, thresholds)))
    figure = chart_figure(tried, thresholds, theme.palette())
    figures.chart(figure, f"robustness-{tried.seconds}", chart_finding(tried))
    show(table(tried, thresholds))
    if part := robustness.part(tried):
        typography.caption(labels.unbroken(part))


def table(tried: Robustness, thresholds: Thresholds) -> Markup:
    """Return the trials as a table: the accessible form of the chart. What each says is left out
    where nothing is ever decided."""
    rows = [
        (
            row.name,
            labels.unbroken(row.likelihood) or "–",
            row.moved or (row.says if row.probability is None else ""),
            f"{states.GLYPHS[row.label]} {row.says}",
        )
        for row in robustness.rows(tried)
    ]
    numbers = {_("Change"): False, _("Likelihood"): True, _("Moved"): True, _("Says"): False}
    columns = [TableColumn(*column) for column in numbers.items()]
    shown = 3 if thresholds.never_decide else 4
    return tables.table(columns[:shown], [row[:shown] for row in rows])


# --- the chart ------------------------------------------------------------------------------------


ROW = 30
"""Height of a row, px."""


def chart_figure(tried: Robustness, thresholds: Thresholds, palette: Palette) -> go.Figure:
    """Return a dot a trial over the thresholds, under the name of each."""
    shown = robustness.rows(tried)
    base = tried.unchanged.probability
    scored = [(i, t.name, t.probability) for i, t in enumerate(shown) if t.probability is not None]
    colors = [palette.state(series.label_at(p, thresholds)) for _place, _title, p in scored]
    stroke = {"color": palette.edge, "width": 1.5}
    moved = [
        scatter([base, score], [place, place], line=stroke)
        for place, _title, score in scored
        if place and base is not None
    ]
    outline = [s.ink if s == palette.inconclusive else s.fill for s in colors]
    dots = scatter(
        [score for _place, _title, score in scored],
        [place for place, _title, _score in scored],
        hover="%{customdata}",
        mode="markers",
        marker={
            "size": 12,
            "opacity": 1,
            "color": [s.fill for s in colors],
            "line": {"width": 2, "color": outline},
        },
        customdata=[f"{labels.escape(title)} · {labels.percent(p)}" for _place, title, p in scored],
        cliponaxis=False,
    )
    layout = score_layout(len(shown), ROW, thresholds, palette)
    layout["yaxis"] |= {
        "tickvals": list(range(len(shown))),
        "ticktext": [labels.escape(row.name) for row in shown],
        "showticklabels": True,
        "automargin": True,
    }
    return go.Figure([*moved, dots], layout)


def chart_finding(tried: Robustness) -> str:
    """Return the chart in one sentence, for its text alternative."""
    none = _("no likelihood")
    parts = [f"{row.name}: {row.likelihood or none}" for row in robustness.rows(tried)]
    return labels.unbroken(f"{'; '.join(parts)}.")
