"""The result page: verdict, player, timeline, chosen moment, next steps and details.

Everything here works on the numbers of an `Analysis`. Nothing is detected or scored; one frame and
one heatmap at a time are drawn on demand.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard import charts, theme
from dashboard.components import origin
from dashboard.result import (
    cards,
    details,
    heat_view,
    inspector,
    known,
    next_card,
    player,
    question,
    sound_view,
    timeline,
    title,
    verdict_card,
)
from dashboard.result.linked import ResultRecord, ResultViewState
from detector.presentation import series, voice
from detector.schema.analysis import Analysis

FIRST = 4
"""people shown at first, most suspicious first."""


def render(record: ResultRecord) -> None:
    """Draw the result of a record with a verdict."""
    if record.analysis is not None:
        _view(record, record.analysis)


@st.fragment
def _view(record: ResultRecord, original: Analysis) -> None:
    """Draw the linked view as a fragment: a click reruns this function only."""
    with st.container(gap=20, key="result"):
        origin.draw(record.origin)
        later = _draw(record, original)
    for fill in later:
        fill()


def _draw(record: ResultRecord, original: Analysis) -> list[heat_view.Later]:
    """Draw all but slow pictures (heatmap, sound pictures) and return what draws those.

    Player, boxes and strips show the question in front, of those about the picture. The chart, and
    what stands below it, shows the one that is chosen in the chart's head.
    """
    linked = ResultViewState(record, original)
    palette = theme.palette()
    decided = linked.decided()
    if original.media.kind == "audio":
        return [sound_view.draw(decided, linked)]
    asked = question.of_picture(decided)
    front = question.viewed(decided, next(iter(asked), None))
    chosen = linked.question(decided)
    charted = question.viewed(decided, chosen) if chosen in asked else front
    people = _lanes(front, linked)
    lanes = _lanes(charted, linked)
    sizes = charts.lane_sizes(len(lanes))

    # Clicks of this run come first, so that everything below shows the new moment at once.
    drawn = timeline.drawn_from(charted, palette)
    for lane in lanes:
        linked.read_lane(lane.track.id, drawn)
    linked.read_table(timeline.rows(lanes), timeline.TABLE)

    match = known.look_up(record)
    paired = match.ours and match.may_open and known.leads(record, match)
    title.draw(decided, linked, paired=paired)
    known.banner(record, match)
    with st.container(key="result-top", gap=20):
        verdict_card.draw(decided, linked)
        with st.container(key="result-side", gap="small"):
            player.draw(front, people, sizes, linked, lanes)
            cards.draw(decided, linked)
    tables: list[Callable[[], None]] = []
    if original.media.kind != "image":
        timeline.draw(charted, lanes, sizes, linked, palette, asked)
        tables.append(partial(timeline.draw_table, charted, lanes, linked))
    sound = None
    if voice.speech(decided):
        sound = sound_view.later(decided, linked)
        tables.append(sound_view.table(decided, linked))
    everyone = {lane.track.id: lane for lane in lanes}
    person = linked.person if linked.person in everyone else charted.verdict.subject
    moment = inspector.Moment(charted, everyone.get(person or ""), linked)
    left, right = st.columns([62, 38], gap=20)
    with left:
        moment.draw()
    with right:
        next_card.draw(decided, linked, match)
    details.draw(decided, linked, front, tables, moment)
    return [draw for draw in (sound, moment.heatmap()) if draw]


def _lanes(analysis: Analysis, linked: ResultViewState) -> list[series.Lane]:
    tracks = analysis.seen if linked.show_all else analysis.seen[:FIRST]
    return [series.lane(analysis, track) for track in tracks]
