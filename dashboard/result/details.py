"""Details of a result in an expander: contributions, material, traces, scores, signals, file,
downloads."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.components import blocks, record_cells, typography
from dashboard.components.markup import show
from dashboard.components.tables import facts
from dashboard.result import downloads, material, pulls, robustness_tab, signal_tab
from dashboard.result.inspector import Moment
from dashboard.result.linked import ResultViewState
from detector.presentation import file, models, origin, robustness, run, series, signals
from detector.schema.analysis import Analysis
from detector.sentences import _, say


def draw(
    analysis: Analysis,
    linked: ResultViewState,
    front: Analysis,
    tables: Sequence[Callable[[], None]],
    moment: Moment | None = None,
) -> None:
    """Draw the expander and, once open, its content: `front` is the analysis of the leading
    question, each of `tables` draws scores over time, `moment` is the chosen one of a picture or
    video."""
    opened = st.expander(_("Details"), key=linked.widget("details"), on_change="rerun")
    if not opened.open:
        return
    with opened, st.container(key="card-details", gap=20):
        left, right = st.columns([50, 50], gap=20)
        with left:
            pulls.draw(analysis, linked)
        with right:
            material.draw(front)
        if moment is not None:
            moment.draw_details()
        left, right = st.columns([62, 38], gap=20)
        with left:
            _tabs(analysis, linked, tables)
        with right:
            _file(analysis, linked)


def _tabs(
    analysis: Analysis, linked: ResultViewState, tables: Sequence[Callable[[], None]]
) -> None:
    """Draw the tabs: signals, robustness, provenance, models, run details, scores."""
    always = [part.TITLE for part in (signals, robustness, origin, models, run)]
    titles = [say(title) for title in [*always, *[series.TITLE] * bool(tables)]]
    first = titles[0] if signals.shown(analysis) else say(models.TITLE)
    measured, robust, source, judges, made, *scores = st.tabs(titles, default=first)
    with measured:
        signal_tab.draw(analysis, linked)
    with robust:
        robustness_tab.draw(analysis, linked)
    with source:
        draw_provenance(analysis)
    with judges:
        if whose := models.whose(analysis):
            typography.caption(whose)
        show(blocks.block(models.table(analysis)), blocks.block(models.weights(analysis)))
    with made:
        blocks.draw(run.section(analysis))
        if analysis.media.kind != "audio":
            st.toggle(
                _("Simple player: no moving boxes, faces as buttons"),
                value=linked.simple,
                key=linked.widget("simple"),
                on_change=linked.choose_simple,
            )
    for tab in scores:
        with tab:
            for draw_table in tables:
                draw_table()


def _file(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the file and the downloads."""
    with st.container(key="file", gap=None):
        what = file.section(analysis)
        when = run.when(analysis, record_cells.local(analysis.created))
        show(typography.heading(what.title), facts(map(blocks.pair, (*what.rows, when))))
        for sentence in analysis.media.notes:
            show(typography.with_icon("info", say(sentence)))
        downloads.draw_card(analysis, linked)


# --- provenance -----------------------------------------------------------------------------------


def draw_provenance(analysis: Analysis) -> None:
    """Draw the Provenance tab."""
    found = analysis.provenance
    if found is None:
        typography.caption(say(origin.MISSING))
        return
    blocks.draw(origin.section(found, analysis.media))
    if found.place is not None:
        show(typography.with_icon("location_on", say(origin.PRIVATE)))
