"""Links of people: fetched by the rules of `detector.links`, within the person's limits."""

import tempfile
import time
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
from service.records.model import State
from service.storage.uploads import StorageError, full_disk_refused, max_upload_mb
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, QueueFull, Task, TaskKind, bounded_line

MAX_AT_ONCE = 4  # links that a server fetches at a time
MAX_WAITING = 20  # links that wait for that
MAX_REQUEST_SECONDS = 300.0  # For all links of a request that waits for them


class LinkFetches:
    """Fetches as tasks, with progress and cancellation. A task contains neither its address nor its
    file's name."""

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
            with limits.taking(context), tempfile.TemporaryFile(prefix="unmask-") as file:
                link = _fetch(url, file, context.principal, None, task)
                if task.cancel.is_set():
                    raise Canceled
                return keep(link, file)

        return self._tasks.submit(Task(KIND, context.principal.id), work)

    @contextmanager
    def fetched(
        self, context: RequestContext, url: str, *, deadline: float | None = None
    ) -> Iterator[tuple[FetchedLink, BinaryIO]]:
        """Fetch a file and wait for it, until `deadline` (`time.monotonic`) at most; it is deleted
        on exit. Raise LinkRefused or MediaError if it can't be fetched, StorageError (disk full),
        and as `start`."""
        deadline = time.monotonic() + MAX_REQUEST_SECONDS if deadline is None else deadline
        text = _("There was no time left in this request to fetch the link.")
        late = QueueFull(text, hint=_("Send it again, in another request."))
        if time.monotonic() >= deadline:
            raise late
        with limits.taking(context), tempfile.TemporaryFile(prefix="unmask-") as file:
            task = Task(KIND, context.principal.id)
            self._tasks.submit(task, partial(_fetch, url, file, context.principal, deadline))
            if not self._tasks.wait(task, deadline - time.monotonic()):
                self._tasks.fail_waiting(task, late)
                self._tasks.wait(task)  # one that runs ends by its own time limit
            if task.state is not State.DONE:
                raise refusal(task)
            yield task.result, file


def _fetch(
    url: str, file: BinaryIO, principal: Principal, deadline: float | None, task: Task
) -> FetchedLink:
    rules = links.rules(limits.megabytes(principal, max_upload_mb()) * MEGABYTE)
    if deadline is not None:
        rules = replace(rules, seconds=min(deadline - time.monotonic(), rules.seconds))
    on_progress = partial(task.on_progress, stage="fetch")
    with full_disk_refused():
        return links.fetch(url, file, rules, on_progress=on_progress, cancel=task.cancel)


KIND = TaskKind(
    "fetch",
    Priority.INTERACTIVE,
    0.0,
    Task,
    max_running=MAX_AT_ONCE,
    refuse=bounded_line(
        MAX_WAITING, _("Several links are being fetched already."), _("Try again in a minute.")
    ),
    canceled=_("Stopped. Nothing of the file was kept."),
    interrupted=_("The server stopped. Nothing of the file was kept."),
    failed=_("Something went wrong here; the log says more."),
)


def refusal(task: Task) -> UnmaskError:
    """Return the error of a failed fetch."""
    kinds: dict[str, type[UnmaskError]] = {
        "busy": QueueFull,
        "disk_full": StorageError,
        "too_large": LinkRefused,
    }
    usual = LinkRefused if task.code.startswith("link") else MediaError
    ours = task.state is State.FAILED and not task.code
    kind = UnmaskError if ours else kinds.get(task.code, usual)
    return kind(task.error, code=task.code or "internal", hint=task.hint)
