"""The files of a batch as rows: a table, and cards where a table has no room."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import streamlit as st
from markupsafe import Markup

from dashboard import labels, url_state
from dashboard.components import chips, collection, controls, markup, record_cells, typography
from dashboard.components.cards import tile
from dashboard.labels import BadgeColor, StateWords
from detector.links import is_link
from detector.messages import states
from detector.schema.analysis import Proof, Verdict
from detector.sentences import _, ngettext, say
from service.batches import BatchRow, BatchState, BatchTask
from service.records.model import State

ROW = 52
"""px of a row"""
PAGE = 50
"""rows that are drawn at a time"""
NAME_LENGTH = 48
"""letters of a link that are shown"""
UNREAD = "unread"
ALL = "all"
_RUNS = {
    None: ("block", _("Not taken")),
    State.QUEUED: ("schedule", _("Next")),
    State.RUNNING: ("progress_activity", _("Running")),
    State.INTERRUPTED: ("schedule", _("Waiting")),
    State.FAILED: ("error", _("Not read")),
    State.CANCELED: ("close", _("Canceled")),
    State.DONE: ("help", _("Not readable")),
}
"""Icon and word of a row without a verdict."""
ORDERS = {"likelihood": _("Most suspicious first"), "came": _("As they came"), "name": _("By name")}


def words(row: BatchRow) -> StateWords:
    """Return how a row is shown: its verdict, or where it stands."""
    if row.verdict is not None:
        return labels.state(row.verdict.label, row.verdict.question, row.proof)
    icon, text = _RUNS[row.state]
    text = say(text)
    if row.state is None and is_link(row.item.name):
        text = _("Not fetched")
    if row.state is State.INTERRUPTED and not row.kept:
        icon, text = "block", _("Gone")
    elif row.state is State.RUNNING and row.stage in labels.STAGES:
        text = say(labels.STAGES[row.stage])
    return StateWords(icon, text, text, "–", "gray", "na")


def title(row: BatchRow) -> str:
    """Return a file's name without its folders, or a link without its query."""
    name = row.item.name
    if not is_link(name):
        return re.split(r"[/\\]", name)[-1] or name
    parts = urlsplit(name.strip())
    text = f"{parts.hostname or ''}{parts.path.rstrip('/')}"
    return text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH - 1]}…"


def place(row: BatchRow) -> str:
    """Return the name of a file with the archive and the folders it came in."""
    return title(row) if is_link(row.item.name) else row.item.name


def known(rows: Sequence[BatchRow]) -> list[BatchRow]:
    """Return the rows whose content was here before."""
    return [row for row in rows if row.item.known and row.record is not None]


def group(row: BatchRow) -> str:
    """Return which filter shows a row: that of its verdict, or of what could not be read."""
    if row.label is not None:
        return row.label.value
    return UNREAD if row.over or (row.state is State.INTERRUPTED and not row.kept) else ""


def note(row: BatchRow) -> str:
    """Return what is to be known of a row beside its verdict."""
    if row.verdict is None:
        if row.state is State.INTERRUPTED and not row.kept:
            return _("The file is not kept here any more: upload it again.")
        if row.state is State.RUNNING and row.sampled[1]:
            return _("{done} of {total} moments").format(done=row.sampled[0], total=row.sampled[1])
        return say(row.error)
    if not row.item.known:
        return _more(row.verdict, row.proof)
    more = _more(row.verdict, row.proof).rstrip(".")
    return " · ".join(filter(None, [more, _("was here before")]))


def _more(verdict: Verdict, proof: Proof | None) -> str:
    """Return the finding that leads, or why there is no answer; empty where its word says all."""
    if proof is not None:
        return states.headline(verdict.label, verdict.question, proof=proof)
    if verdict.label.side is None and verdict.reasons:
        return labels.sentence(verdict.reasons[0])
    return ""


def likelihood(row: BatchRow) -> float | None:
    """Return the combined likelihood; None while there is none, and where nothing was judged."""
    result = row.record.result if row.record is not None else None
    return result.probability if result is not None else None


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
    number = likelihood(row)
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


def _cells(row: BatchRow, picture: bytes | None) -> dict[str, object]:
    shown, symbol = words(row), None
    if is_link(row.item.name):
        symbol = record_cells.drawing(_LINK)
    elif row.record is None or row.state is State.FAILED:
        symbol = record_cells.drawing(_FILE)
    took = labels.took(row.seconds) if row.seconds else ""
    cells: dict[str, object] = {
        "picture": record_cells.picture(row.record, picture) or symbol,
        "file": title(row),
        "verdict": [f"{shown.glyph} {shown.short}"],
        **record_cells.measured(row.record),
        "took": _("known") if row.item.known else took,
        "note": note(row),
    }
    if row.state is State.RUNNING:
        cells |= {"likelihood": None, "interval": ""}
        cells["note"] = note(row) or f"{row.fraction:.0%}"
    if row.verdict is not None and (more := _more(row.verdict, row.proof)):
        cells["note"] = more  # that it was known is said beside it, and has no room here
    return cells


_FILE = '<path d="M26 10h8l5 5v15H26z"/><path d="M34 10v5h5"/>'
_LINK = '<path d="M30 15h-4a5 5 0 0 0 0 10h4M34 15h4a5 5 0 0 1 0 10h-4M28 20h8"/>'


def chip(row: BatchRow) -> Markup:
    """Return the state of a row, as a chip."""
    shown = words(row)
    return chips.chip(shown.short, shown.slug, shown.icon)


def draw(
    rows: Sequence[BatchRow],
    pictures: Mapping[str, bytes],
    key: str,
    on_first: Callable[[list[BatchRow]], None],
    *,
    selecting: bool,
) -> list[BatchRow]:
    """Draw the rows; `on_first` gets a waiting row to run next. A card leads to its evidence, or
    can be ticked; return the ticked."""
    cells = [_cells(row, pictures.get(row.item.analysis or "")) for row in rows]
    pressed, ticked = f"{key}-first", list[BatchRow]()

    def advance() -> None:
        click = st.session_state.get(pressed)
        if click is not None and click["row"] < len(rows) and rows[click["row"]].waits:
            on_first([rows[click["row"]]])

    def card(number: int, row: BatchRow) -> None:
        if selecting and row.record is not None:
            name = _("Select {file}").format(file=title(row))
            if st.checkbox(name, key=f"batch-tick-{row.record.id}-{number}", width="content",
                           label_visibility="collapsed"):  # fmt: skip
                ticked.append(row)
        markup.show(_card(row, pictures.get(row.item.analysis or "")))
        if row.record is not None and not selecting:
            show = partial(_ask, row.record.id)
            controls.button(_("Open"), "", f"batch-show-{number}", show, kind="tertiary")

    if waits := any(row.waits for row in rows):
        for row, cell in zip(rows, cells, strict=True):
            cell["first"] = _("do it first") if row.waits else None
    usual = [text for _icon, text in _RUNS.values()]
    others = map(say, (*labels.STAGES.values(), _("Gone"), _("Not fetched"), *usual))
    states: dict[str, BadgeColor] = {f"– {text}": "gray" for text in others}
    column = st.column_config
    table = collection.TableSpec(
        rows=cells,
        columns={
            **record_cells.columns(states, 135),
            "took": column.TextColumn(_("Took"), width=56, alignment="right"),
            "note": column.TextColumn(_("Note"), width=88 if waits else 180),
            "first": column.ButtonColumn(
                "", type="tertiary", width=90, on_click=advance, key=pressed
            ),
        },
        row_height=ROW,
        alt=_("Files of the batch; press a row to see it, mark rows to work with them."),
    )
    collection.draw("batch", key, rows, table, card)
    if leave := st.session_state.pop(_LEAVE, None):
        url_state.go_to("analyze", a=leave)
    return ticked


_LEAVE = "batch-leave"


def _ask(id: str) -> None:
    st.session_state[_LEAVE] = id


def _card(row: BatchRow, picture: bytes | None) -> Markup:
    likely = likelihood(row)
    line = [labels.percent(likely)] if likely is not None else []
    if line and row.verdict is not None and row.verdict.interval is not None:
        line.append(labels.confidence(row.verdict.interval))
    line += [record_cells.length(row.record)] if row.record is not None else []
    line += [note(row)]
    text = " · ".join(part for part in line if part)
    picture_url, name = record_cells.picture(row.record, picture), typography.strong(title(row))
    return tile(picture_url, name, chip(row), typography.small(text))


# --- where a batch stands -------------------------------------------------------------------------


def progress(rows: Sequence[BatchRow], now: BatchState, task: BatchTask | None) -> str:
    """Return how far a batch is, in words; `task` is the latest run."""
    unread = sum(group(row) == UNREAD for row in rows)
    parts = [
        (unread, ngettext("{number} could not be read", "{number} could not be read", unread)),
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


def done(rows: Sequence[BatchRow]) -> int:
    """Return how many of the files are done."""
    return len(rows) - _running(rows) - _waiting(rows)


def done_of(rows: Sequence[BatchRow]) -> str:
    """ "31 of 48" """
    return _("{done} of {total}").format(done=done(rows), total=len(rows))


def interrupted(rows: Sequence[BatchRow]) -> tuple[str, str]:
    """Return the message about a batch whose server stopped: head and text."""
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
    """Return the message about a paused batch: head and text."""
    head = _("Paused, {done} done.").format(done=done_of(rows))
    return head, _("The running file was finished first. Nothing is lost if you leave.")


def finished(
    rows: Sequence[BatchRow], created: datetime, task: BatchTask | None
) -> tuple[str, str]:
    """Return head and text of a finished batch, with the time if it was one run."""
    files = labels.count(len(rows), "file", "files")
    head = _("Done: {files}.").format(files=files)
    if task is not None and task.started and task.ended:
        whole = (task.ended - created).total_seconds()
        if whole - (task.ended - task.started).total_seconds() < MAX_BEFORE:
            took = labels.took(whole)
            head = _("Done: {files} in {time}.").format(files=files, time=took)
    groups = [group(row) for row in rows]
    parts = [(labels.state(label).short, groups.count(label.value)) for label in labels.ORDER]
    parts += [(_("Not read"), groups.count(UNREAD)), (_("Running"), _running(rows))]
    parts.append((_("Waiting"), _waiting(rows)))
    said = [f"{number:,} {labels.lower_first(words)}" for words, number in parts if number]
    return head, f"{', '.join(said)}."


MAX_BEFORE = 60.0
"""s between the first file and the run that is reported: beyond it there was another before."""


def known_words(rows: Sequence[BatchRow]) -> tuple[str, str] | None:
    """Return the message about files whose content was here before: head and text."""
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


def _running(rows: Sequence[BatchRow]) -> int:
    return sum(row.state in (State.RUNNING, State.QUEUED) for row in rows)


def _waiting(rows: Sequence[BatchRow]) -> int:
    return sum(row.waits for row in rows)
