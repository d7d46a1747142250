"""Score over time: a lane a person on one time axis, or the same as a table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import charts, labels, series
from dashboard.charts import LaneSize
from dashboard.components import evidence_view
from dashboard.i18n import LazyDict, _
from dashboard.result.linked import Linked
from dashboard.series import Lane
from dashboard.theme import Palette
from detector.schema.analysis import Analysis, Question, Thresholds

if TYPE_CHECKING:
    import pandas as pd

SHOWN: LazyDict[str, str] = LazyDict(lambda: {"lanes": _("Lanes"), "table": _("Table")})
WORD_ROOM = 0.12
"""Share of the axis a zone needs for its word."""
NAME_GAP = 14
"""px between two names at the end of lines."""
NAME_LENGTH = 16
"""Longer model names stand only in the row of keys: beside the lines they would be cut."""


def drawn_from(analysis: Analysis, palette: Palette) -> str:
    """What the figures depend on: another value is another widget with a fresh selection."""
    text = repr((analysis.verdict.thresholds, sorted(m.id for m in analysis.models if m.counted)))
    return hashlib.sha1(f"{text}{palette.bg}".encode(), usedforsecurity=False).hexdigest()


def titles(analysis: Analysis) -> dict[str, str]:
    """The models that have lines, in the manifest's order."""
    scored = {id for track in analysis.judged for face in track.frames for id in face.scores}
    return {m.id: labels.plain(m) for m in analysis.models if m.id in scored}


def draw(
    analysis: Analysis,
    lanes: Sequence[Lane],
    sizes: Sequence[LaneSize],
    linked: Linked,
    palette: Palette,
    table: Sequence[tuple[float, str]],
    questions: Sequence[Question],
) -> None:
    """Draw the card.

    Parameters
    ----------
    table : sequence of (time, person)
        Of the rows, as `rows` gives them.
    questions : sequence of Question
        That were asked, the one in front first; with more than one the card's head has a choice.
    """
    named = titles(analysis)
    limits = analysis.verdict.thresholds
    with st.container(border=True, key="card-timeline"):
        with st.container(horizontal=True, vertical_alignment="center", key="timeline-head"):
            st.html(
                f"<h2 class='um-h2'>{_('Score over time')}</h2>{keys(analysis, named)}",
                width="stretch",
            )
            hint = st.empty()
            if len(questions) > 1:
                st.segmented_control(
                    _("Question"),
                    list(questions),
                    default=questions[0],
                    required=True,
                    format_func=lambda q: labels.QUESTIONS[q].short,
                    key=linked.widget("question"),
                    label_visibility="collapsed",
                )
            shown = st.segmented_control(
                _("Show as"),
                list(SHOWN),
                default="lanes",
                required=True,
                format_func=SHOWN.__getitem__,
                key=linked.widget("shown"),
                label_visibility="collapsed",
            )
            click = (
                _("Click a row to go there") if shown == "table" else _("Click a point to go there")
            )
            hint.html(f"<span class='um-caption um-hint'>{click}</span>", width="content")
        if shown == "table":
            _table(analysis, lanes, linked, named, table)
            return
        with st.container(key=evidence_view.LANES, gap=None):
            for lane, size in zip(lanes, sizes, strict=True):
                _lane(analysis, lane, size, linked, palette, named, last=lane is lanes[-1])
        note = hatched(lanes, series.length(analysis))
        if note:
            st.html(note)
        linked.more_button(len(analysis.judged) - len(lanes), "lanes")
        if limits.custom:
            st.html(f"<div class='um-caption'>{_('Drawn with your thresholds.')}</div>")


def keys(analysis: Analysis, named: Mapping[str, str]) -> str:
    """HTML of the row of keys: what each line and the band is."""
    counted = {m.id for m in analysis.models if m.counted}
    parts = [f"<span><i class='line all'></i>{_('combined')}</span>"]
    for i, (id, title) in enumerate(named.items()):
        dash = charts.DASHES[i % len(charts.DASHES)]
        name = labels.escape(title)
        if id not in counted:
            name = _("{model} (not counted)").format(model=name)
        parts.append(f"<span><i class='line {dash}'></i>{name}</span>")
    low, high = (labels.whole_percent(v) for v in _limits(analysis))
    band = _("inconclusive, {low} to {high}\u00a0%").format(low=low, high=high)
    parts.append(f"<span><i class='band'></i>{band}</span>")
    return f"<div class='um-keys'>{''.join(parts)}</div>"


def _limits(analysis: Analysis) -> tuple[float, float]:
    limits = analysis.verdict.thresholds
    return limits.low, limits.high


def _lane(
    analysis: Analysis,
    lane: Lane,
    size: LaneSize,
    linked: Linked,
    palette: Palette,
    named: Mapping[str, str],
    *,
    last: bool,
) -> None:
    limits = analysis.verdict.thresholds
    end = series.length(analysis)
    person = lane.track.id
    with st.container(key=f"lane-{person}", gap=None):
        who, zones, plot, names = st.columns([15, 9, 68, 8], gap=None)
        with who:
            st.html(_who(lane, end))
        with zones, st.container(key=f"lane-words-{person}"):
            st.html(zone_words(limits, size, fake_words(analysis)))
        with plot:
            st.plotly_chart(
                charts.lane_figure(
                    lane, thresholds=limits, end=end, size=size, palette=palette, titles=named,
                    axis=last,
                ),
                theme=None,
                config=charts.CONFIG,
                on_select="rerun",
                selection_mode="points",
                key=linked.widget(f"lane.{person}"),
                alt=series.finding(lane, limits),
            )  # fmt: skip
        with names, st.container(key=f"lane-names-{person}"):
            st.html(line_names(lane, named, size))


def _who(lane: Lane, end: float) -> str:
    track = lane.track
    state = labels.state(track.label, track.question)
    if track.probability is not None:
        percent = f"<b>{labels.percent(track.probability)}</b>"
        score = _("{percent} combined").format(percent=percent)
    else:
        score = series.said(track.reason or series.Missing.NO_SCORE)
    return (
        f"<div class='um-who'><b>{labels.who(track)}</b>"
        f"<div class='um-caption where'>{series.place(track, end)}</div>"
        f"{labels.chip(state.short, state.slug, state.icon)}"
        f"<div class='whole'>{score}</div></div>"
    )


def zone_words(limits: Thresholds, size: LaneSize, says: str = "") -> str:
    """HTML of the three words beside the axis, each at the middle of its zone."""
    zones = (
        (says or _("likely manipulated"), limits.high, 1.0),
        (_("inconclusive"), limits.low, limits.high),
        (_("no sign"), 0.0, limits.low),
    )
    spans = "".join(
        f"<span style='top:{size.y((a + b) / 2):.0f}px'>{word}</span>"
        for word, a, b in zones
        if b - a >= WORD_ROOM
    )
    return f"<div class='um-beside left' style='height:{size.height}px'>{spans}</div>"


def fake_words(analysis: Analysis) -> str:
    """What a score over the threshold says, of the question that is shown."""
    question = analysis.verdict.question or Question.MANIPULATION
    return labels.QUESTIONS[question].fake_short


def line_names(lane: Lane, named: Mapping[str, str], size: LaneSize) -> str:
    """HTML of the names at the ends of the lines, pushed apart where they would touch."""
    ends: list[tuple[float, str, bool]] = []
    if lane.scored:
        ends.append((size.y(lane.scored[-1][1]), _("Combined"), True))
    for id, title in named.items():
        values = [v for v in lane.models.get(id, ()) if v is not None]
        if values and len(title) <= NAME_LENGTH:
            ends.append((size.y(values[-1]), title, False))
    ends.sort()
    spans = "".join(
        f"<span class='{'all' if bold else ''}' style='top:{top:.0f}px'>"
        f"{labels.escape(name)}</span>"
        for top, (y, name, bold) in zip(
            spread([y for y, name, bold in ends], NAME_GAP, size.top, size.top + size.plot),
            ends,
            strict=True,
        )
    )
    return f"<div class='um-beside right' style='height:{size.height}px'>{spans}</div>"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places moved as little as needed to stand `gap` apart, within low..high."""
    places: list[float] = []
    for y in wanted:
        places.append(max(y, places[-1] + gap) if places else max(y, low))
    if places and places[-1] > high:
        places[-1] = high
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - gap)
    return places


def hatched(lanes: Sequence[Lane], end: float) -> str:
    """HTML that names the gaps: on a desktop only those whose word has no room in the lane."""
    every = [(lane, gap) for lane in lanes for gap in lane.gaps]
    if not every:
        return ""
    tight = [(lane, gap) for lane, gap in every if not charts.fits(gap, end)]
    several = len(lanes) > 1

    def told(gaps: Sequence[tuple[Lane, series.Gap]]) -> str:
        parts = [
            f"{labels.who(lane.track)} {series.gap_words(gap)}"
            if several
            else series.gap_words(gap)
            for lane, gap in gaps[:6]
        ]
        text = (
            _("Hatched, no score: {gaps}; {number} more are in the table.")
            if len(gaps) > 6
            else _("Hatched, no score: {gaps}.")
        )
        return text.format(gaps="; ".join(parts), number=len(gaps) - 6)

    narrow = f"<div class='um-caption um-narrow'>{told(every)}</div>"
    wide = f"<div class='um-caption um-wide'>{told(tight)}</div>" if tight else ""
    return narrow + wide


# --- table ---------------------------------------------------------------------------------------


def rows(lanes: Sequence[Lane]) -> list[tuple[float, str]]:
    """(time, person) of each row of the table, in its order."""
    return [(time, lane.track.id) for lane in lanes for time in lane.times]


def frame(analysis: Analysis, lanes: Sequence[Lane], named: Mapping[str, str]) -> pd.DataFrame:
    """The lanes as a table: whole percents, and why there is none."""
    limits = analysis.verdict.thresholds
    records = []
    for lane in lanes:
        reasons = charts.iter_gap_words(lane)
        for i, time in enumerate(lane.times):
            score = lane.score[i]
            state = labels.state(series.label_at(score, limits), lane.track.question)
            record: dict[str, object] = {
                _("Person"): lane.track.id,
                _("Time"): labels.clock(time),
                _("Combined"): None if score is None else labels.whole_percent(score),
            }
            for id, title in named.items():
                value = lane.models[id][i] if id in lane.models else None
                record[title] = None if value is None else labels.whole_percent(value)
            record[_("Reading")] = f"{state.glyph} {reasons[i] if score is None else state.short}"
            records.append(record)
    import pandas as pd  # a third of a second that the first page has no use for

    return pd.DataFrame.from_records(records)


def _table(
    analysis: Analysis,
    lanes: Sequence[Lane],
    linked: Linked,
    named: Mapping[str, str],
    table: Sequence[tuple[float, str]],
) -> None:
    numbers = [_("Combined"), *named.values()]
    st.dataframe(
        frame(analysis, lanes, named),
        hide_index=True,
        height=min(38 + 35 * len(table), 420),
        column_config={
            name: st.column_config.NumberColumn(f"{name}, %", format="%d") for name in numbers
        },
        on_select="rerun",
        selection_mode="single-row",
        placeholder="–",
        key=linked.widget("table"),
        alt=_("Scores over time as a table; choose a row to go to its moment."),
    )
