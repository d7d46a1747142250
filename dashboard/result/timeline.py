"""Score over time: a lane a person on one time axis, and the same as a table for Details."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st
from markupsafe import Markup

from dashboard import charts, labels
from dashboard.charts import LaneSize
from dashboard.components import cards, tables, typography
from dashboard.components import lanes as beside
from dashboard.components.cards import Mark
from dashboard.components.chips import chip
from dashboard.components.controls import choose
from dashboard.components.lanes import zone_words
from dashboard.components.markup import Text, rich, show
from dashboard.components.timeline import evidence
from dashboard.components.typography import heading
from dashboard.result.linked import ResultViewState
from dashboard.theme import Palette
from detector.messages import states
from detector.presentation import lead, series
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Question
from detector.sentences import _

if TYPE_CHECKING:
    import pandas as pd

MAX_GAPS = 2
"""that are named under the lanes"""


def drawn_from(analysis: Analysis, palette: Palette) -> str:
    """Return what the figures depend on: another value is another widget with a fresh selection."""
    text = repr((analysis.verdict.thresholds, sorted(m.id for m in analysis.models if m.counted)))
    return hashlib.sha1(f"{text}{palette.bg}".encode(), usedforsecurity=False).hexdigest()


def titles(analysis: Analysis) -> dict[str, str]:
    """Return the models that have lines, in the manifest's order."""
    scored = {id for track in analysis.judged for look in track.looks for id in look.scores}
    return {m.id: labels.plain(m) for m in analysis.models if m.id in scored}


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
    named = titles(analysis)
    with st.container(border=True, key="card-timeline"):
        with st.container(horizontal=True, vertical_alignment="center", key="timeline-head"):
            show(heading(_("Score over time")), keys(analysis, named), width="stretch")
            if len(questions) > 1:
                shorts = {q: states.question(q, short=True) for q in questions}
                choose(_("Question"), shorts, questions[0], linked.widget("question"), hidden=True)
        with st.container(key=evidence.LANES, gap=None):
            for lane, size in zip(lanes, sizes, strict=True):
                _lane(analysis, lane, size, linked, palette, named)
        hatched(lanes)
        linked.more_button(len(analysis.seen) - len(lanes), "lanes")
        if analysis.verdict.thresholds.custom:
            typography.caption(_("Drawn with your thresholds."))


def keys(analysis: Analysis, named: Mapping[str, str]) -> Markup:
    """Return the row of keys: what each line and the band is."""
    counted = {m.id for m in analysis.models if m.counted}
    entries = [Mark(cls="line all", words=_("combined"))]
    for i, (id, name) in enumerate(named.items()):
        dash = charts.DASHES[i % len(charts.DASHES)]
        words = name if id in counted else _("{model} (not counted)").format(model=name)
        entries.append(Mark(cls=f"line {dash}", words=words))
    limits = analysis.verdict.thresholds
    low, high = (labels.whole_percent(v) for v in (limits.unsuspicious, limits.suspect))
    band = _("can’t tell, {low} to {high}\u00a0%").format(low=low, high=high)
    return cards.legend([*entries, Mark(cls="band", words=band)])


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
    with st.container(key=f"lane-{person}", gap=None):
        who, zones, plot = st.columns([15, 9, 76], gap=None)
        show(_who(lane, end), at=who)
        with zones, st.container(key=f"lane-words-{person}"):
            show(zone_words(limits, size, question))
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


def _who(lane: Lane, end: float) -> Markup:
    track = lane.track
    state = labels.state(track.label, track.question)
    score: Text = series.words(track.reason or series.Missing.NO_SCORE)
    if track.probability is not None:
        percent = typography.strong(labels.percent(track.probability))
        score = rich(_("{percent} combined"), percent=percent)
    return beside.owner(
        lead.name(track), series.place(track, end), chip(state.short, state.slug, state.icon), score
    )


def hatched(lanes: Sequence[Lane]) -> None:
    """Draw the names of the first gaps: not all of them have room for their word in the lane."""
    gaps = [
        " ".join([lead.name(lane.track)] * (len(lanes) > 1) + [series.gap_words(gap)])
        for lane in lanes
        for gap in lane.gaps
    ]
    if gaps:
        text = _("Hatched, no score: {gaps}.")
        if len(gaps) > MAX_GAPS:
            text = _("Hatched, no score: {gaps}; {number} more.")
        shown = "; ".join(gaps[:MAX_GAPS])
        typography.caption(text.format(gaps=shown, number=len(gaps) - MAX_GAPS))


# --- table ---------------------------------------------------------------------------------------


TABLE, VOICE_TABLE = "table", "heard-table"
"""Names of the table of what is seen, and of the voice's."""


def rows(lanes: Sequence[Lane]) -> list[tuple[float, str]]:
    """Return (time, person) of each row of the table, in its order."""
    return [(start, lane.track.id) for lane in lanes for start, _when in _moments(lane)]


def _moments(lane: Lane) -> list[tuple[float, str]]:
    """Return where each moment or window of a lane begins, s, and when it is in words."""
    if lane.track.modality.of_sound:
        return [(span.start, labels.stretch(span.start, span.end)) for span in lane.track.spans]
    return [(time, labels.clock(time)) for time in lane.times]


def frame(analysis: Analysis, lanes: Sequence[Lane], named: Mapping[str, str]) -> pd.DataFrame:
    """Return the lanes as a table: whole percents, and why there is none."""
    import pandas as pd  # a third of a second that the first page has no use for

    limits = analysis.verdict.thresholds
    records = []
    for lane in lanes:
        lines = {_("Combined"): lane.score}
        lines |= {
            title: lane.models.get(id, (None,) * len(lane.times)) for id, title in named.items()
        }
        moments = zip(_moments(lane), lane.score, lane.gap_at, strict=True)
        for i, ((_start, when), score, gap) in enumerate(moments):
            state = labels.state(series.label_at(score, limits), lane.track.question)
            percents = {
                name: None if (value := line[i]) is None else labels.whole_percent(value)
                for name, line in lines.items()
            }
            records.append(
                {
                    _("Subject"): lead.name(lane.track),
                    _("Time"): when,
                    **percents,
                    _("Reading"): f"{state.glyph} {gap if score is None else state.short}",
                }
            )
    return pd.DataFrame.from_records(records)


def draw_table(
    analysis: Analysis, lanes: Sequence[Lane], linked: ResultViewState, name: str = TABLE
) -> None:
    """Draw the table; a chosen row leads to its moment, read by `linked.read_table`."""
    if not rows(lanes):
        typography.caption(_("No model gave a score here."))
        return
    named = titles(analysis)
    numbers = [_("Combined"), *named.values()]
    tables.scored(
        frame(analysis, lanes, named),
        numbers,
        on_select="rerun",
        key=linked.widget(name),
        alt=_("Scores over time as a table; choose a row to go to its moment."),
    )
    text = _("Choose a row to go there. Download › Scores has them with four decimals, sealed.")
    typography.caption(text)
