"""What a table or a card says of a record, on each page that lists some."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import streamlit as st

from dashboard import labels
from dashboard.images import data_url
from dashboard.labels import NBSP
from detector.schema.analysis import Label, Proof, ProofKind, Question
from detector.sentences import _
from service.records.model import Record


def zone() -> timezone:
    """Return the person's time zone, as their browser has it."""
    offset = st.context.timezone_offset
    return UTC if offset is None else timezone(timedelta(minutes=-offset))


def local(moment: datetime) -> str:
    """Return a moment in the person's time zone: "20 Nov 2026, 10:42"."""
    offset = st.context.timezone_offset
    moment = moment.astimezone(zone())
    return f"{labels.day(moment)}, {moment:%H:%M}{f'{NBSP}UTC' if offset is None else ''}"


def length(record: Record) -> str:
    """ "6.5 s", "14 s", "2 min 5 s", "picture"; empty before it was read."""
    if record.result is None:
        return ""
    if record.result.duration is None:
        return _("picture") if record.result.kind == "image" else "–"
    return labels.took(record.result.duration)


def when(moment: datetime) -> str:
    """ "20 Nov, 10:42" in the person's time; with the year where it is another."""
    here = moment.astimezone(zone())
    another = here.year != datetime.now(zone()).year
    return f"{labels.day(here, year=another)}, {here:%H:%M}"


def picture(record: Record | None, made: bytes | None) -> str | None:
    """Return a record's picture, or a sound's sign, as a data address."""
    result = record.result if record is not None else None
    if made is None and result is not None and result.kind == "audio":
        return drawing(_SOUND)
    return data_url(made, "webp") if made else None


def drawing(shape: str) -> str:
    """Return SVG lines as a data address, gray, on light and dark."""
    return data_url(_DRAWING.format(shape).encode(), "svg+xml")


_DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 40"><g fill="none" stroke="#8A8C8B" '
    'stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{}</g></svg>'
)
_SOUND = '<path d="M20 18v4M26 14v12M32 9v22M38 13v14M44 17v6"/>'


def measured(record: Record | None) -> dict[str, object]:
    """Return the cells of a record that need no words."""
    result = record.result if record is not None else None
    likely = result.probability if result else None
    return {
        "likelihood": None if likely is None else labels.whole_percent(likely),
        "interval": labels.interval(result.interval) if result and likely is not None else "",
        "people": (result.subject_count or None) if result else None,
        "length": length(record) if record else "",
    }


def columns(states: Mapping[str, labels.BadgeColor], verdict_width: int) -> dict[str, Any]:
    """Return the columns that every table of records has. `states` are colors of what stands under
    "verdict", beside those of verdicts."""
    proofs = (None, *(Proof(kind=kind, name="") for kind in ProofKind))
    colors = {
        f"{one.glyph} {one.short}": one.color
        for label in Label
        for question in Question
        for proof in proofs
        for one in [labels.state(label, question, proof)]
    } | dict(states)
    column = st.column_config
    return {
        "picture": column.ImageColumn("", width=60),
        "file": column.TextColumn(_("File"), width=148),
        "verdict": column.MultiselectColumn(
            _("Verdict"), options=list(colors), color=list(colors.values()), width=verdict_width
        ),
        "likelihood": column.ProgressColumn(
            _("Likelihood, %"), format="%d", min_value=0, max_value=100, width=100
        ),
        "interval": column.TextColumn(_("95\u00a0% interval"), width=88),
        "people": column.NumberColumn(_("People"), width=56),
        "length": column.TextColumn(_("Length"), width=62, alignment="right"),
    }
