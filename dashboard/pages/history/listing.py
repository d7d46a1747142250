"""The records of a page: a table, and cards where a table has no room."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st
from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import chips, figures, markup
from dashboard.components.markup import tag
from dashboard.i18n import LazyDict, _
from dashboard.labels import StateWords
from dashboard.pages.history.filters import CONFIRMED, zone
from detector.schema.analysis import Label, Question
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
    """How a record is shown: its verdict, or where its analysis stands."""
    if record.result is not None:
        return labels.state(record.result.verdict, record.result.question)
    stands = record.state
    if stands is State.QUEUED:  # the store knows no more: the server that runs it does
        job = session.application().find(session.request_context(), record.id)
        stands = job.state if job else State.INTERRUPTED
    icon, text = _RUNS[stands]
    return StateWords(icon, text, text, "–", "gray", "na")


def chip(record: Record) -> Markup:
    """Return its state."""
    shown = state(record)
    return chips.chip(shown.short, shown.slug, shown.icon)


def length(record: Record) -> str:
    """ "14 s", "2 min 5 s", "picture"; empty before it was read."""
    if record.result is None:
        return ""
    if record.result.duration is None:
        return _("picture") if record.result.kind == "image" else "–"
    return labels.took(max(1.0, round(record.result.duration)))


def when(moment: datetime) -> str:
    """ "20 Nov, 10:42" in the person's time; with the year where it is another."""
    here = moment.astimezone(zone())
    another = here.year != datetime.now(zone()).year
    return f"{labels.day(here, year=another)}, {here:%H:%M}"


def data_url(picture: bytes | None) -> str | None:
    """Return a WebP picture as an address that holds it; None without one."""
    return f"data:image/webp;base64,{base64.b64encode(picture).decode()}" if picture else None


def selected(key: str, records: Sequence[Record]) -> tuple[list[Record], Record | None]:
    """The records that are marked in the table, and the one that is looked at: the row whose cell
    was pressed last, else the last that was marked."""
    event = st.session_state.get(key)
    chosen = event["selection"] if event else {"rows": [], "cells": []}
    rows = [row for row in chosen["rows"] if row < len(records)]
    cells = [row for row, _column in chosen["cells"] if row < len(records)]
    marked = [records[row] for row in rows]
    looked = cells[-1] if cells else rows[-1] if rows else None
    return marked, None if looked is None else records[looked]


def frame(records: Sequence[Record], pictures: Mapping[str, bytes]) -> pd.DataFrame:
    """The records as a table."""
    rows = []
    for record in records:
        shown, result = state(record), record.result
        likely = result.probability if result else None
        said = [f"{shown.glyph} {shown.short}"]
        rows.append(
            {
                "picture": data_url(pictures.get(record.id)),
                "file": record.name,
                "verdict": said,
                "likelihood": None if likely is None else labels.whole_percent(likely),
                "people": (result.people or None) if result else None,
                "length": length(record),
                "analyzed": when(record.touched),
                "found": CONFIRMED[record.confirmed]
                if record.confirmed is not Confirmed.OPEN
                else "",
            }
        )
    made = pd.DataFrame(rows)
    return made if made["found"].any() else made.drop(columns="found")


def table(records: Sequence[Record], pictures: Mapping[str, bytes], key: str) -> None:
    """Draw the table. What is chosen in it is read by `selected` at the next run."""
    colors = {
        f"{one.glyph} {one.short}": one.color
        for label in Label
        for question in Question
        for one in [labels.state(label, question)]
    } | {f"– {text}": "gray" for _icon, text in _RUNS.values()}
    st.dataframe(
        frame(records, pictures),
        hide_index=True,
        row_height=ROW,
        height=ROW * len(records) + 40,
        column_config={
            "picture": st.column_config.ImageColumn("", width=96),
            "file": st.column_config.TextColumn(_("File"), width="medium"),
            "verdict": st.column_config.MultiselectColumn(
                _("Verdict"), options=list(colors), color=list(colors.values()), width=165
            ),
            "likelihood": st.column_config.ProgressColumn(
                _("Likelihood, %"), format="%d", min_value=0, max_value=100, width=130
            ),
            "people": st.column_config.NumberColumn(_("People"), width=64),
            "length": st.column_config.TextColumn(_("Length"), width=80, alignment="right"),
            "analyzed": st.column_config.TextColumn(_("Analyzed"), width=110),
            "found": st.column_config.TextColumn(_("Found out")),
        },
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"],
        placeholder="–",
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
            st.button(
                _("Show"),
                type="tertiary",
                width="content",
                key=f"show-{record.id}",
                on_click=show,
                args=(record.id,),
            )


def card(record: Record, picture: bytes | None) -> Markup:
    """Return a record in short."""
    likely = record.result.probability if record.result else None
    parts = [
        labels.percent(likely) if likely is not None else "",
        length(record),
        when(record.touched),
    ]
    line = " · ".join(part for part in parts if part)
    return figures.tile(
        data_url(picture),
        tag("b", record.name),
        chip(record),
        tag("span", line, cls="um-caption"),
    )


def show(id: str | None) -> None:
    """Look at a record (on a phone: instead of the list), or at none."""
    if id is None:
        st.query_params.pop("r", None)
    else:
        st.query_params["r"] = id


def shown() -> str | None:
    """The record that the address asks to look at."""
    return st.query_params.get("r")
