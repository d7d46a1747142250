"""The scores of a voice as a table: a row a window, which leads there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import labels, series
from dashboard.components import tables, typography
from dashboard.i18n import _
from dashboard.result import question
from dashboard.result.cards.voice import voice_of
from dashboard.result.linked import ResultViewState
from detector.schema.analysis import Analysis, Question, Subject

if TYPE_CHECKING:
    import pandas as pd


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the table; a chosen row moves the player to its window."""
    analysis = question.viewed(analysis, Question.VOICE)
    subject = voice_of(analysis)
    if subject is None:
        typography.caption(_("No model scored this sound."))
        return
    key = linked.widget("heard-table")
    starts = [span.start for span in subject.spans]

    def follow() -> None:
        chosen = list(st.session_state[key]["selection"]["rows"])
        if chosen and chosen[0] < len(starts):
            linked.go(starts[chosen[0]])

    table = frame(analysis, subject)
    numbers = [name for name in table.columns if name not in _words()]
    tables.scored(
        table,
        numbers,
        on_select=follow,
        key=key,
        alt=_("Scores of the voice as a table; choose a row to go to its window."),
    )
    text = _("Choose a row to go there. Download › Scores has them with four decimals, sealed.")
    typography.caption(text)


def _words() -> tuple[str, str, str]:
    return _("From"), _("To"), _("Reading")


def frame(analysis: Analysis, subject: Subject) -> pd.DataFrame:
    """Return the windows: when, whole percents of all together and of each model, the reading."""
    import pandas as pd  # a third of a second that the first page has no use for

    start, end, reading = _words()
    limits = analysis.verdict.thresholds
    scored = {id for span in subject.spans for id in span.scores}
    titles = {m.id: labels.plain(m) for m in analysis.models if m.id in scored}
    rows = []
    for span in subject.spans:
        state = labels.state(series.label_at(span.score, limits), subject.question)
        scores = {_("Combined"): span.score}
        scores |= {title: span.scores.get(id) for id, title in titles.items()}
        percents = {
            name: None if value is None else labels.whole_percent(value)
            for name, value in scores.items()
        }
        says = f"{state.glyph} {state.short}"
        times = {start: labels.clock(span.start), end: labels.clock(span.end)}
        rows.append({**times, **percents, reading: says})
    return pd.DataFrame.from_records(rows)
