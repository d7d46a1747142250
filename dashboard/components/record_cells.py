"""Cells, cards and previews of records, for every page that lists some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Generic, TypeVar

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels
from dashboard.components import cards, typography
from dashboard.components.chips import chip
from dashboard.components.collection import LETTER, ListColumn
from dashboard.images import data_url
from dashboard.labels import NBSP, StateLook
from detector.messages import states
from detector.messages.format import interval, shown
from detector.presentation import summary
from detector.schema.analysis import Label
from detector.schema.summary import ResultSummary
from detector.sentences import _
from service.records.model import Record, State

T = TypeVar("T")


def zone() -> timezone:
    """Return the time zone of the person's browser."""
    offset = st.context.timezone_offset
    return UTC if offset is None else timezone(timedelta(minutes=-offset))


def local(moment: datetime) -> str:
    """Return a moment in the person's time zone: "20 Nov 2026, 10:42"."""
    offset = st.context.timezone_offset
    moment = moment.astimezone(zone())
    return f"{labels.day(moment)}, {moment:%H:%M}{f'{NBSP}UTC' if offset is None else ''}"


def when(moment: datetime) -> str:
    """Return a moment in the person's time zone, "20 Nov, 10:42"; with the year if it is
    another."""
    here = moment.astimezone(zone())
    another = here.year != datetime.now(zone()).year
    return f"{labels.day(here, year=another)}, {here:%H:%M}"


def picture(record: Record | None, made: bytes | None, shape: str = "") -> str:
    """Return a record's thumbnail as a data URL; without one the icon of a sound, of `shape`, or of
    a file."""
    if made is not None:
        return data_url(made, "webp")
    result = record.result if record is not None else None
    return drawing(_SOUND if result is not None and result.kind == "audio" else shape or _FILE)


def drawing(shape: str) -> str:
    """Return SVG lines as a data address, gray, on light and dark."""
    return data_url(_DRAWING.format(shape).encode(), "svg+xml")


_DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 40"><g fill="none" stroke="#8A8C8B" '
    'stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{}</g></svg>'
)
_FILE = '<path d="M26 10h8l5 5v15H26z"/><path d="M34 10v5h5"/>'
_SOUND = '<path d="M20 18v4M26 14v12M32 9v22M38 13v14M44 17v6"/>'


RUNS = {
    State.WAITING: ("schedule", _("Waiting")),
    State.QUEUED: ("schedule", _("Waiting")),
    State.RUNNING: ("progress_activity", _("Running")),
    State.FAILED: ("error", _("Not read")),
    State.CANCELED: ("close", _("Canceled")),
    State.INTERRUPTED: ("power_settings_new", _("Interrupted")),
    State.DONE: ("help", _("Not readable")),
}
"""Icon and word of a record without a result."""


def unjudged(icon: str) -> StateLook:
    """Return the look of a record without a verdict."""
    return StateLook(icon, "gray", "na")


@dataclass(frozen=True)
class ListedRecord(Generic[T]):
    """A record in a list, or a file that became none."""

    item: T
    name: str
    state: StateLook
    short: str  # its verdict, or how far it is
    result: ResultSummary | None
    picture: str  # An address
    words: str  # of the state in a table
    marks: tuple[str, ...] = ()  # beside the state, in red
    note: str = ""  # small print of its card

    @property
    def percent(self) -> float | None:
        if self.result is None or self.result.probability is None:
            return None
        return shown(self.result.probability, self.result.limits)

    @property
    def length(self) -> str:
        """Return the length of the file; empty before it was read."""
        return summary.length(self.result.duration) if self.result is not None else ""

    @property
    def badges(self) -> list[str]:
        return [f"{self.state.glyph} {self.words}", *self.marks]

    @property
    def chip(self) -> Markup:
        return chip(self.short, self.state.slug, self.state.icon)

    @property
    def card(self) -> Markup:
        """Return the row in short."""
        number = summary.number(self.result) if self.result is not None else []
        parts = [*self.marks, *number, self.length, self.note]
        return cards.tile(
            self.picture,
            typography.strong(self.name),
            self.chip,
            typography.small(" · ".join(filter(None, parts))),
        )


RIGHT = partial(st.column_config.TextColumn, alignment="right")
ROW = 56
"""px of a row"""
MIN_CHIP, AROUND_CHIP = 190, 32
"""px of the column of verdicts at least, and around the text of a chip in it"""


def columns(rows: Sequence[ListedRecord[T]]) -> dict[str, ListColumn[ListedRecord[T]]]:
    """Return the columns that every table of records has."""
    colors: dict[str, str] = {row.badges[0]: row.state.color for row in rows}
    colors |= {mark: "red" for row in rows for mark in row.marks}
    look = st.column_config
    states = partial(look.MultiselectColumn, options=list(colors), color=list(colors.values()))
    likely = partial(look.ProgressColumn, format="localized", min_value=0, max_value=100)
    chip = max((round(LETTER * len(row.badges[0])) + AROUND_CHIP for row in rows), default=0)

    return {
        "picture": ListColumn("", lambda row: row.picture, 60, look.ImageColumn),
        "file": ListColumn(_("File"), lambda row: row.name, 140),
        "verdict": ListColumn(_("Verdict"), lambda row: row.badges, max(MIN_CHIP, chip), states),
        "likelihood": ListColumn(_("Likelihood, %"), lambda row: row.percent, 100, likely),
        "interval": ListColumn(
            _("95\u00a0% interval"),
            lambda row: interval(row.result.interval if row.result else None),
            88,
        ),
        "length": ListColumn(_("Length"), lambda row: row.length, 62, RIGHT),
    }


ALL, UNJUDGED = "all", "unjudged"
"""Choices beside those of verdicts."""


def verdicts(
    place: DeltaGenerator, counts: Mapping[Label | None, int], key: str, total: int
) -> str:
    """Draw the choice of a verdict, with how many each would show; return it. None counts what has
    no verdict."""

    def words(icon: str, text: str, color: str, number: int) -> str:
        return f":{color}[:material/{icon}:] {text} {number}"

    names = {ALL: _("All {number}").format(number=total)}
    for label in Label:
        one = labels.look(label)
        number = counts.get(label, 0)
        names[label.value] = words(one.icon, states.group(label), one.color, number)
    names[UNJUDGED] = words("error", _("No verdict"), "gray", counts.get(None, 0))
    chosen = place.pills(
        _("Verdict"), list(names), default=ALL, required=True, format_func=names.__getitem__,
        label_visibility="collapsed", wrap=True, key=key,
    )  # fmt: skip
    return chosen or ALL


def preview(row: ListedRecord[T], name: str) -> DeltaGenerator:
    """Return the container of a record's preview, in its state's color."""
    return st.container(border=True, key=f"verdict-{row.state.slug}-{name}", height="content")


def moment(row: ListedRecord[T], picture: bytes | None) -> None:
    """Draw a row's picture, where there is one."""
    if picture:
        st.image(picture, width="stretch", alt=_("A moment of {file}").format(file=row.name))
