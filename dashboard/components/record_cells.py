"""What a table or a card says of a record, on each page that lists some."""

from datetime import UTC, datetime, timedelta, timezone

import streamlit as st

from dashboard import labels
from dashboard.i18n import _
from dashboard.images import data_url
from dashboard.labels import NBSP
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
