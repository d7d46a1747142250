"""Links of people: fetched by the rules of `detector.links`, within the person's limits."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from detector import links
from detector.errors import Canceled, MediaError, UnmaskError
from detector.links import FetchedLink, LinkRefused
from detector.sentences import _
from service import limits
from service.context import Principal, RequestContext
from service.limits import MEGABYTE
from service.storage.uploads import StorageError, full_disk_refused, max_upload_mb
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, QueueFull, Task, TaskKind, bounded_line

MAX_AT_ONCE = 4  # links that a server fetches at a time
MAX_WAITING = 20  # links that wait for that
WAIT_SECONDS = 0.2  # between two looks at whether one that waits is still wanted
_BUSY = _("Several links are being fetched already."), _("Try again in a minute.")
_places = threading.BoundedSemaphore(MAX_AT_ONCE)


@contextmanager
def fetched(
    url: str, principal: Principal, *, seconds: float | None = None, task: Task | None = None
) -> Iterator[tuple[FetchedLink, BinaryIO]]:
    """Fetch a file by its address; it is deleted on exit. The principal's size limit applies,
    `seconds` shortens the usual timeout, and `task` gets the progress in bytes. Raise LinkRefused
    or MediaError if it can't be fetched, QueueFull, StorageError (disk full), or Canceled."""
    rules = links.rules(limits.megabytes(principal, max_upload_mb()) * MEGABYTE)
    if seconds is not None:
        rules = replace(rules, seconds=min(seconds, rules.seconds))
    with tempfile.TemporaryFile(prefix="unmask-") as file:
        _take_place(task)
        try:
            with full_disk_refused():
                if task is None:
                    link = links.fetch(url, file, rules)
                else:
                    told = partial(task.on_progress, stage="fetch")
                    link = links.fetch(url, file, rules, on_progress=told, cancel=task.cancel)
        finally:
            _places.release()
        yield link, file


def _take_place(task: Task | None) -> None:
    while not _places.acquire(timeout=None if task is None else WAIT_SECONDS, blocking=bool(task)):
        if task is None:
            raise QueueFull(_BUSY[0], hint=_BUSY[1])
        task.on_progress(0, 0)


class LinkFetches:
    """Fetches in the background, with progress and cancellation. A task contains neither its
    address nor its file's name."""

    def __init__(self, tasks: TaskQueue) -> None:
        self._tasks = tasks
        tasks.register(KIND)

    def start(
        self, context: RequestContext, url: str, keep: Callable[[FetchedLink, BinaryIO], object]
    ) -> Task:
        """Fetch a file in the background; the return value of `keep` is the task's result. Raise
        LinkRefused if links are off or this one is not allowed, QueueFull, RateLimitExceeded,
        NotAllowed or RecordsError if the task is not accepted."""
        links.check(url)
        limits.check(context)

        def work(task: Task) -> object:
            found = fetched(url, context.principal, task=task)
            with limits.taking(context), found as (link, file):
                if task.cancel.is_set():
                    raise Canceled
                return keep(link, file)

        task = Task(KIND, context.principal.id)
        self._tasks.submit(task, work)
        return task


KIND = TaskKind(
    "fetch",
    Priority.INTERACTIVE,
    0.0,
    Task,
    max_running=MAX_AT_ONCE,
    refuse=bounded_line(MAX_WAITING, *_BUSY),
    canceled=_("Stopped. Nothing of the file was kept."),
    interrupted=_("The server stopped. Nothing of the file was kept."),
    failed=_("Something went wrong here; the log says more."),
)


def refusal(task: Task) -> UnmaskError:
    """Return the error of a failed fetch as a refused file."""
    kinds: dict[str, type[UnmaskError]] = {
        "busy": QueueFull,
        "disk_full": StorageError,
        "too_large": LinkRefused,
    }
    usual = LinkRefused if task.code.startswith("link") else MediaError
    kind = kinds.get(task.code, usual)
    return kind(task.error, code=task.code or "internal", hint=task.hint)
