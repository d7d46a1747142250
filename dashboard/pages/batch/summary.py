"""How far a batch is, and a line that says where it stands and what can be done about it."""

from collections.abc import Sequence
from datetime import datetime

from dashboard import labels
from dashboard.components import record_cells
from dashboard.i18n import _, ngettext
from dashboard.pages.batch import listing
from service.batches import BatchRow, BatchState, BatchTask
from service.records.model import State


def progress(rows: Sequence[BatchRow], now: BatchState, task: BatchTask | None) -> str:
    """Return how far a batch is, in words; `task` is the latest run."""
    aside = _aside(rows, task if now is BatchState.RUNNING else None)
    done = _("{done} files done").format(done=done_of(rows))
    return " · ".join(filter(None, [done, aside]))


def share_done(rows: Sequence[BatchRow]) -> float:
    """Return the share of the files that are done."""
    return 1 - (_running(rows) + _waiting(rows)) / max(1, len(rows))


def done_of(rows: Sequence[BatchRow]) -> str:
    """ "31 of 48" """
    done = len(rows) - _running(rows) - _waiting(rows)
    return _("{done} of {total}").format(done=done, total=len(rows))


def _aside(rows: Sequence[BatchRow], task: BatchTask | None) -> str:
    unread = sum(listing.group(row) == listing.UNREAD for row in rows)
    parts = [
        (unread, ngettext("{number} could not be read", "{number} could not be read", unread)),
        (_running(rows), _("{number} running")),
        (_waiting(rows), _("{number} waiting")),
    ]
    said = [text.format(number=number) for number, text in parts if number]
    left = task.seconds_left if task is not None else None
    if task is not None and left is not None and (remaining := task.total - task.done):
        each = labels.took(left / remaining)
        text = _("{time} left, {each} a file")
        said.append(text.format(time=labels.about(left), each=each))
    return " · ".join(said)


def interrupted(rows: Sequence[BatchRow]) -> tuple[str, str]:
    """Return the message about a batch whose server stopped: head and text."""
    ended = last_end(rows)
    head = _("Interrupted, {done} done. Nothing is lost.")
    if ended is not None:
        head = _("Interrupted after {time}, {done} done. Nothing is lost.")
    when = record_cells.when(ended) if ended else ""
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
    groups = [listing.group(row) for row in rows]
    parts = [(labels.STATES[label].short, groups.count(label.value)) for label in labels.ORDER]
    parts += [(_("Not read"), groups.count(listing.UNREAD)), (_("Running"), _running(rows))]
    parts.append((_("Waiting"), _waiting(rows)))
    said = [f"{number:,} {labels.lower_first(words)}" for words, number in parts if number]
    return head, f"{', '.join(said)}."


MAX_BEFORE = 60.0
"""s between the first file and the run that is reported: beyond it there was another before."""


def known(rows: Sequence[BatchRow]) -> tuple[str, str] | None:
    """Return the message about files whose content was here before: head and text."""
    before = listing.known(rows)
    number = len(before)
    if not number:
        return None
    head = ngettext("{number} of {total} was here before.", "{number} of {total} were here before.",
                    number)  # fmt: skip
    named = [row.record is not None and row.record.name == listing.title(row) for row in before]
    text = _("Same content, other names. Nothing of it is analyzed twice.")
    if all(named):
        text = _("Same content, same names. Nothing of it is analyzed twice.")
    elif any(named):
        text = _("Same content, some under other names. Nothing of it is analyzed twice.")
    return head.format(number=number, total=len(rows)), text


def last_end(rows: Sequence[BatchRow]) -> datetime | None:
    """Return when the last result came."""
    results = (row.record.result for row in rows if row.record is not None and row.over)
    return max((result.analyzed for result in results if result is not None), default=None)


def _running(rows: Sequence[BatchRow]) -> int:
    return sum(row.state in (State.RUNNING, State.QUEUED) for row in rows)


def _waiting(rows: Sequence[BatchRow]) -> int:
    return sum(row.waits for row in rows)
