"""Score over time: one lane a subject, and the same as a table in Details."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence

import streamlit as st
from markupsafe import Markup

from dashboard import charts
from dashboard.charts import LaneSize
from dashboard.components import cards, chips, tables, typography
from dashboard.components import lanes as beside
from dashboard.components.cards import Mark
from dashboard.components.controls import choose
from dashboard.components.markup import join, show
from dashboard.components.timeline import evidence
from dashboard.components.typography import heading
from dashboard.result.linked import ResultViewState
from dashboard.theme import Palette
from detector.messages import states
from detector.presentation import lead, people, series
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Question, Thresholds
from detector.sentences import _, say


def drawn_from(analysis: Analysis, palette: Palette) -> str:
    """Return the inputs of the figures: another value resets the widget's selection."""
    text = repr((analysis.verdict.thresholds, sorted(m.id for m in analysis.models if m.counted)))
    return hashlib.sha1(f"{text}{palette.bg}".encode(), usedforsecurity=False).hexdigest()


def draw(
    analysis: Analysis,
    lanes: Sequence[Lane],
    sizes: Sequence[LaneSize],
    linked: ResultViewState,
    palette: Palette,
    questions: Sequence[Question],
) -> None:
    """Draw the card. `questions` were asked, the one in front first; of more than one the card's
    head has a choice."""
    named = people.lines(analysis)
    with st.container(border=True, key="card-timeline"):
        with st.container(horizontal=True, vertical_alignment="center", key="timeline-head"):
            show(heading(say(people.OVER_TIME)), keys(analysis), width="stretch")
            if len(questions) > 1:
                shorts = {q: states.question(q, short=True) for q in questions}
                choose(_("Question"), shorts, questions[0], linked.widget("question"), hidden=True)
        with st.container(key=evidence.LANES, gap=None):
            for lane, size in zip(lanes, sizes, strict=True):
                _lane(analysis, lane, size, linked, palette, named)
        hatched(lanes)
        linked.more_button(len(analysis.seen) - len(lanes), "lanes")
        if analysis.verdict.thresholds.custom:
            typography.caption(say(people.OWN_LIMITS))


def keys(analysis: Analysis) -> Markup:
    """Return the legend of lines and band."""
    combined, models, band = people.keys(analysis)
    dashes = itertools.cycle(charts.DASHES)
    marks = [Mark(f"line {next(dashes)}", words) for words in models]
    return cards.legend([Mark(cls="line all", words=combined), *marks, Mark("band", band)])


def _lane(
    analysis: Analysis,
    lane: Lane,
    size: LaneSize,
    linked: ResultViewState,
    palette: Palette,
    named: Mapping[str, str],
) -> None:
    limits = analysis.verdict.thresholds
    question = analysis.verdict.question
    end = series.length(analysis)
    person = lane.track.id
    plot = beside.row(person, _who(lane, limits, end), beside.zone_words(limits, size, question))
    plot.plotly_chart(
        charts.lane_figure(
            lane, thresholds=limits, end=end, size=size, palette=palette, titles=named
        ),
        theme=None,
        config=charts.CONFIG,
        on_select="rerun",
        selection_mode="points",
        key=linked.widget(f"lane.{person}"),
        alt=series.finding(lane, limits),
    )


def _who(lane: Lane, limits: Thresholds, end: float) -> Markup:
    track = lane.track
    percent, words = people.together(track, limits)
    score = join([typography.strong(percent), words], " ") if percent else words
    return beside.owner(
        lead.name(track), series.place(track, end), chips.reading(people.reading(track)), score
    )


def hatched(lanes: Sequence[Lane]) -> None:
    """Draw the reasons for the first gaps, which may not fit into the lane."""
    if gaps := people.gaps(lanes):
        typography.caption(gaps)


# --- table ---------------------------------------------------------------------------------------


TABLE, VOICE_TABLE = "table", "heard-table"
"""Names of the table of what is seen, and of the voice's."""


def rows(lanes: Sequence[Lane]) -> list[tuple[float, str]]:
    """Return (time, person) of each row of the table, in its order."""
    return [(start, lane.track.id) for lane in lanes for start, _when in series.moments(lane)]


def draw_table(
    analysis: Analysis, lanes: Sequence[Lane], linked: ResultViewState, name: str = TABLE
) -> None:
    """Draw the table; a chosen row leads to its moment, read by `linked.read_table`."""
    if not rows(lanes):
        typography.caption(say(series.UNSCORED))
        return
    numbers, shown = people.scores(analysis, lanes)
    tables.scored(
        shown,
        numbers,
        on_select="rerun",
        key=linked.widget(name),
        alt=_("Scores over time as a table; choose a row to go to its moment."),
    )
    text = _("Choose a row to go there. Download › Scores has them with four decimals, sealed.")
    typography.caption(text)
