"""The records of a page: a table, and cards where a table has no room."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import (
    chips,
    controls,
    markup,
    origin,
    record_cells,
    row_selection,
    typography,
)  # fmt: skip
from dashboard.components.cards import tile
from dashboard.i18n import LazyDict, _
from dashboard.labels import BadgeColor, StateWords
from dashboard.pages.history import state as page
from dashboard.pages.history.filters import CONFIRMED
from service.records import seals
from service.records.model import Confirmed, Record, State

ROW = 56
"""px of a row"""
_RUNS: LazyDict[State, tuple[str, str]] = LazyDict(
    lambda: {
        State.QUEUED: ("schedule", _("Waiting")),
        State.RUNNING: ("progress_activity", _("Running")),
        State.FAILED: ("error", _("Failed")),
        State.CANCELED: ("close", _("Canceled")),
        State.INTERRUPTED: ("power_settings_new", _("Interrupted")),
        State.DONE: ("help", _("Not readable")),
    }
)
"""Icon and word of a record without a result."""


def state(record: Record) -> StateWords:
    """Return how a record is shown: its verdict, or where its analysis stands."""
    if record.result is not None:
        return labels.state(record.result.verdict, record.result.question, record.result.proof)
    progress = record.state
    if progress is State.QUEUED:  # the store knows no more: the server that runs it does
        job = session.find_job(record.id)
        progress = job.state if job else State.INTERRUPTED
    icon, text = _RUNS[progress]
    return StateWords(icon, text, text, "–", "gray", "na")


def chip(record: Record, *, short: bool = False) -> Markup:
    """Return its state, as a chip; `short` where a name of another file has no room."""
    shown = state(record)
    proven = record.result is not None and record.result.proof is not None
    text = shown.short if short and proven else words(record)
    return chips.chip(text, shown.slug, shown.icon)


def selected(key: str, records: Sequence[Record]) -> tuple[list[Record], Record | None]:
    """Return the records that are marked in the table, and the one to show: that which was marked
    or pressed last. None where that is one of several marked: they are shown together."""
    chosen = row_selection.read(key, len(records))
    marked = [records[row] for row in chosen.marked]
    if chosen.last is None or (len(marked) > 1 and chosen.by_mark):
        return marked, None
    return marked, records[chosen.last]


def words(record: Record) -> str:
    """Return its state in words: of an inconclusive one with where it leans, else the finding that
    leads."""
    result = record.result
    if result is None or (result.lean is None and result.proof is None):
        return state(record).short
    return labels.lean_words(result.verdict, result.question, result.lean, result.proof)


def _elsewhere(record: Record) -> str:
    return origin.short(seals.origin_of(record))


def _verdict(record: Record) -> str:
    return f"{state(record).glyph} {words(record)}"


def _rows(records: Sequence[Record], pictures: Mapping[str, bytes]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for record in records:
        rows.append(
            {
                "picture": record_cells.picture(record, pictures.get(record.id)),
                "file": record.name,
                "verdict": [_verdict(record), *filter(None, [_elsewhere(record)])],
                **record_cells.measured(record),
                "analyzed": record_cells.when(record.touched),
            }
        )
        if any(other.confirmed is not Confirmed.OPEN for other in records):
            confirmed = record.confirmed is not Confirmed.OPEN
            rows[-1]["found"] = CONFIRMED[record.confirmed] if confirmed else ""
    return rows


def table(records: Sequence[Record], pictures: Mapping[str, bytes], key: str) -> None:
    """Draw the table. What is chosen in it is read by `selected` at the next run."""
    colors: dict[str, BadgeColor] = {f"– {text}": "gray" for _icon, text in _RUNS.values()}
    colors |= {_verdict(record): state(record).color for record in records}
    colors |= {_elsewhere(record): "red" for record in records if _elsewhere(record)}
    record_cells.table(
        _rows(records, pictures),
        {
            "analyzed": st.column_config.TextColumn(_("Analyzed"), width=96),
            "found": st.column_config.TextColumn(_("Found out")),
        },
        colors,
        row_height=ROW,
        verdict_width=226,
        key=key,
        alt=_("Analyses; press a row to see it, mark rows to compare, export or delete them."),
    )


def cards(records: Sequence[Record], pictures: Mapping[str, bytes]) -> None:
    """Draw the records as cards that lead to their preview."""
    for record in records:
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", wrap=False,
            key=f"card-history-{record.id}",
        ):  # fmt: skip
            markup.show(card(record, pictures.get(record.id)))
            show = partial(page.show_record, record.id)
            controls.button(_("Show"), "", f"show-{record.id}", show, kind="tertiary")


def card(record: Record, picture: bytes | None) -> Markup:
    """Return a record in short."""
    result = record.result
    likely, ends = (result.probability, result.interval) if result else (None, None)
    parts = [
        _elsewhere(record),
        labels.percent(likely) if likely is not None else "",
        labels.confidence(ends) if ends else "",
        record_cells.length(record),
        record_cells.when(record.touched),
    ]
    return tile(
        record_cells.picture(record, picture),
        typography.strong(record.name),
        chip(record, short=True),
        typography.small(" · ".join(filter(None, parts))),
    )
