"""Rows of the files of a batch, and its progress in words."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from textwrap import shorten
from urllib.parse import urlsplit

import streamlit as st

from dashboard import labels, url_state
from dashboard.components import controls, record_cells
from dashboard.components.collection import AROUND, LETTER, Collection, ListColumn
from dashboard.components.record_cells import ALL, UNJUDGED, ListedRecord
from dashboard.labels import StateLook
from detector import messages
from detector.links import is_link
from detector.messages import states
from detector.presentation import Row, summary
from detector.presentation.run import STAGES
from detector.presentation.verdict import unjudged
from detector.schema.analysis import Analysis, Label
from detector.sentences import _, in_english, ngettext, numeral, say
from service.batches import BatchRow, BatchState
from service.records.export import ExportRow
from service.records.model import State
from service.tasks.task import Task

TABLE, MIN_NOTE = 888, 90
"""px of all columns on a desktop, and of notes at least"""
PAGE = 50
"""rows of a page"""
NAME_LENGTH = 48
"""letters of a link that are shown"""
_RUNS = record_cells.RUNS | {
    State.QUEUED: ("schedule", _("Next")),
    State.INTERRUPTED: ("schedule", _("Waiting")),
}
"""Icon and word of a row without a verdict."""
ORDERS = {"likelihood": _("Most suspicious first"), "came": _("As they came"), "name": _("By name")}


def _state(row: BatchRow) -> tuple[StateLook, str]:
    """Return the look and the words of a row: its verdict, or its state."""
    if row.verdict is not None:
        said = summary.answer(row.verdict.label, row.verdict.question, row.proof)
        return labels.look(said.state), said.text
    if row.state is None:
        text = _("Not fetched") if is_link(row.item.name) else _("Not taken")
        return record_cells.unjudged("block"), text
    icon, text = _RUNS[row.state]
    if row.gone:
        icon, text = "block", _("Gone")
    elif row.state is State.RUNNING:
        text = STAGES.get(row.stage, text)
    return record_cells.unjudged(icon), say(text)


def title(row: BatchRow) -> str:
    """Return a file's name without its folders, or a link without its query."""
    name = row.item.name
    if not is_link(name):
        return re.split(r"[/\\]", name)[-1] or name
    parts = urlsplit(name.strip())
    text = f"{parts.hostname or ''}{parts.path.rstrip('/')}"
    return text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH - 1]}…"


def place(row: BatchRow) -> str:
    """Return the name of a file with its archive and folders."""
    return title(row) if is_link(row.item.name) else row.item.name


def known(rows: Sequence[BatchRow]) -> list[BatchRow]:
    """Return the rows whose content was analyzed before."""
    return [row for row in rows if row.item.known and row.record is not None]


def group(row: BatchRow) -> str:
    """Return the filter of a row: that of its verdict, or of what has none."""
    return row.label.value if row.label is not None else UNJUDGED


def note(row: BatchRow) -> str:
    """Return the remark of a row beside its verdict."""
    if row.verdict is None:
        if row.gone:
            return _("The file is not kept here any more: upload it again.")
        if row.state is State.RUNNING and row.sampled[1] > 1:
            return _("{done} of {total} moments").format(done=row.sampled[0], total=row.sampled[1])
        return say(row.error)
    if not row.item.known:
        return _more(row)
    return " · ".join(filter(None, [_more(row).rstrip("."), _("was here before")]))


def _more(row: BatchRow) -> str:
    """Return the finding that leads, or why there is no answer; empty if its word says all."""
    result, verdict = row.record.result if row.record else None, row.verdict
    if result is not None and result.proof is not None:
        return summary.headline(result)
    if verdict is not None and verdict.label.side is None and verdict.reasons:
        return messages.text(verdict.reasons[0])
    return ""


def ordered(rows: Sequence[BatchRow], order: str) -> list[int]:
    """Return the rows' places in the chosen order. By likelihood the answer goes first, as in
    History: a voice at 92 without a verdict does not stand above a clip with one."""
    places = range(len(rows))
    if order == "name":
        return sorted(places, key=lambda i: title(rows[i]).casefold())
    if order == "likelihood":
        return sorted(places, key=lambda i: _suspicion(rows[i]), reverse=True)
    return list(places)


def _suspicion(row: BatchRow) -> tuple[int, float]:
    result = row.record.result if row.record is not None else None
    number = result.probability if result is not None else None
    return (row.label.suspicion if row.label is not None else 0, -1.0 if number is None else number)


def matching(rows: Sequence[BatchRow], text: str, shown: str) -> list[BatchRow]:
    """Return the rows whose names have all words, and that are of a group."""
    parts = text.casefold().split()
    return [
        row
        for row in rows
        if (shown == ALL or group(row) == shown)
        and all(part in row.item.name.casefold() for part in parts)
    ]


def row_of(row: BatchRow, picture: bytes | None) -> ListedRecord[BatchRow]:
    """Return a file of a batch as the list shows it."""
    (look, short), text = _state(row), note(row)
    if row.state is State.RUNNING:
        text = text or labels.percent(row.fraction)
    result = row.record.result if row.record and row.state is not State.RUNNING else None
    drawn = record_cells.picture(row.record, picture, _LINK if is_link(row.item.name) else "")
    return ListedRecord(row, title(row), look, short, result, drawn, short, note=text)


def facts(row: BatchRow, analysis: Analysis | None) -> list[Row]:
    """Return the facts of a file under its preview, as History has them, and the time it took."""
    result = row.record.result if row.record is not None else None
    if result is None or analysis is None:
        return []
    rows = list(summary.rows(result, {m.id: labels.plain(m) for m in analysis.models}))
    if row.seconds and not row.item.known:
        rows.append(Row(_("Took"), labels.took(row.seconds)))
    return rows


_LINK = '<path d="M30 15h-4a5 5 0 0 0 0 10h4M34 15h4a5 5 0 0 1 0 10h-4M28 20h8"/>'


def listed(
    rows: Sequence[ListedRecord[BatchRow]], on_first: Callable[[BatchRow], None], key: str
) -> Collection[ListedRecord[BatchRow]]:
    """Return the layout of the list; `on_first` moves a waiting row to the front."""
    pressed = f"{key}-first"

    def advance() -> None:
        click = st.session_state.get(pressed)
        if click is not None and click["row"] < len(rows) and rows[click["row"]].item.waits:
            on_first(rows[click["row"]].item)

    def open_it(number: int, row: ListedRecord[BatchRow]) -> None:
        if row.item.record is not None and controls.button(
            _("Open"), "", f"batch-show-{number}", kind="tertiary"
        ):
            url_state.go_to("analyze", a=row.item.record.id)

    first = partial(st.column_config.ButtonColumn, type="tertiary", on_click=advance, key=pressed)
    columns = record_cells.columns(rows)
    label = _("do it first")
    ahead = round(LETTER * len(label)) + AROUND if any(row.item.waits for row in rows) else 0
    room = TABLE - ahead - sum(column.fitted for column in columns.values())
    room = max(MIN_NOTE, room)
    letters = int((room - AROUND) / LETTER)  # of which a cell shows one line
    columns["note"] = ListColumn(
        _("Note"), lambda row: shorten(row.note, letters, placeholder="…"), room
    )
    if ahead:
        columns["first"] = ListColumn(
            "", lambda row: label if row.item.waits else None, ahead, first
        )
    return Collection(
        name="batch",
        columns=columns,
        alt=_("Files of the batch; press a row to see it, mark rows to work with them."),
        title=lambda row: row.name,
        card=lambda row: row.card,
        action=open_it,
        row_height=record_cells.ROW,
    )


def exported(rows: Sequence[BatchRow]) -> list[ExportRow]:
    """Return rows for an export in their order; one without a verdict states the reason."""
    return [ExportRow(row.item.name, row.record, _unjudged(row)) for row in rows]


def _unjudged(row: BatchRow) -> str:
    return in_english(unjudged, row.verdict) if row.verdict is not None else str(row.error)


# --- where a batch stands -------------------------------------------------------------------------


def progress(rows: Sequence[BatchRow], now: BatchState, task: Task | None) -> str:
    """Return the progress of a batch in words; `task` is the latest run."""
    unread = _unread(rows)
    parts = [
        (unread, ngettext("{number} could not be read", "{number} could not be read", unread)),
        (_canceled(rows), f"{{number}} {labels.lower_first(_('Canceled'))}"),
        (_running(rows), _("{number} running")),
        (_waiting(rows), _("{number} waiting")),
    ]
    said = [_("{done} files done").format(done=done_of(rows))]
    said += [text.format(number=number) for number, text in parts if number]
    left = task.seconds_left if task is not None and now is BatchState.RUNNING else None
    if task is not None and left is not None and (remaining := task.total - task.done):
        each = labels.took(left / remaining)
        said.append(_("{time} left, {each} a file").format(time=labels.about(left), each=each))
    return " · ".join(said)


def files_of(rows: Sequence[BatchRow]) -> list[BatchRow]:
    """Return the rows of files, without those that count what was passed over."""
    return [row for row in rows if not row.passed_over]


def done(rows: Sequence[BatchRow]) -> int:
    """Return how many of the files have ended."""
    return len(files_of(rows)) - _running(rows) - _waiting(rows)


def done_of(rows: Sequence[BatchRow]) -> str:
    """Return "31 of 48"."""
    return _("{done} of {total}").format(done=done(rows), total=len(files_of(rows)))


def interrupted(rows: Sequence[BatchRow]) -> tuple[str, str]:
    """Return head and text about a batch whose server stopped."""
    results = (row.record.result for row in rows if row.record is not None and row.over)
    ends = [result.analyzed for result in results if result is not None]
    head, when = _("Interrupted, {done} done. Nothing is lost."), ""
    if ends:
        head = _("Interrupted after {time}, {done} done. Nothing is lost.")
        when = record_cells.when(max(ends))
    waiting = _waiting(rows)
    text = ngettext(
        "The server stopped. The one that is left is still here, and begins again.",
        "The server stopped. The {number} others are still here; a file that was running begins "
        "again.",
        waiting,
    )
    return head.format(time=when, done=done_of(rows)), text.format(number=waiting)


def paused(rows: Sequence[BatchRow]) -> tuple[str, str]:
    """Return head and text about a paused batch."""
    head = _("Paused, {done} done.").format(done=done_of(rows))
    return head, _("The running file was finished first. Nothing is lost if you leave.")


def finished(rows: Sequence[BatchRow], created: datetime, task: Task | None) -> tuple[str, str]:
    """Return head and text of a finished batch, with the time if it was one run."""
    files = labels.count(len(files_of(rows)), "file", "files")
    head = _("Done: {files}.").format(files=files)
    if task is not None and task.started and task.ended:
        whole = (task.ended - created).total_seconds()
        if whole - (task.ended - task.started).total_seconds() < MAX_BEFORE:
            took = labels.took(whole)
            head = _("Done: {files} in {time}.").format(files=files, time=took)
    groups = [group(row) for row in rows]
    parts = [(states.group(label), groups.count(label.value)) for label in Label]
    parts += [(_("Not read"), _unread(rows)), (_("Canceled"), _canceled(rows))]
    parts += [(_("Running"), _running(rows)), (_("Waiting"), _waiting(rows))]
    said = [f"{numeral(number)} {labels.lower_first(words)}" for words, number in parts if number]
    passed = [row.error for row in rows if row.passed_over]
    return head, " ".join([f"{', '.join(said)}.", *passed])


MAX_BEFORE = 60.0
"""s between the first file and the run that is reported: beyond it there was another before."""


def known_words(rows: Sequence[BatchRow]) -> tuple[str, str] | None:
    """Return head and text about files whose content was analyzed before."""
    before = known(rows)
    number = len(before)
    if not number:
        return None
    head = ngettext("{number} of {total} was here before.", "{number} of {total} were here before.",
                    number)  # fmt: skip
    named = [row.record is not None and row.record.name == title(row) for row in before]
    text = _("Same content, other names. Nothing of it is analyzed twice.")
    if all(named):
        text = _("Same content, same names. Nothing of it is analyzed twice.")
    elif any(named):
        text = _("Same content, some under other names. Nothing of it is analyzed twice.")
    return head.format(number=number, total=len(rows)), text


def _unread(rows: Sequence[BatchRow]) -> int:
    without = sum(row.label is None and (row.over or row.gone) for row in files_of(rows))
    return without - _canceled(rows)


def _canceled(rows: Sequence[BatchRow]) -> int:
    return sum(row.state is State.CANCELED for row in rows)


def _running(rows: Sequence[BatchRow]) -> int:
    return sum(row.state in (State.RUNNING, State.QUEUED) for row in rows)


def _waiting(rows: Sequence[BatchRow]) -> int:
    return sum(row.waits for row in rows)
