"""Worker threads of live sessions."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from detector import runtime
from detector.errors import ModelError, UnmaskError
from detector.sentences import _
from detector.threads import Supervised

log = logging.getLogger(__name__)

MAX_FAILURES = 25  # frames in a row, a second of video, after which the session ends
JOIN_SECONDS = 60.0  # for a worker that loads a network


class WorkerGroup:
    """One worker for each of several functions; all start at once. With `threaded` each has a
    thread that works after each `wake`; otherwise `drain` works in the caller's.

    A function does one piece of work and returns whether there was any; calls of one never overlap.
    The group ends with `failure` if one raises before `loaded` has a result, or for `MAX_FAILURES`
    pieces in a row.
    """

    def __init__(self, *works: Callable[[], bool], threaded: bool) -> None:
        self.loaded: Future[None] = Future()
        """Done when the models are loaded, or can't be: then it carries `failure`."""
        self.failure: UnmaskError | None = None
        self._closed = False
        self._workers = [_Worker(self, work) for work in works]
        try:
            for worker in self._workers if threaded else ():
                worker.start()
        except BaseException:  # no thread is left for one
            self.close()
            raise
        self.wake()

    @property
    def ready(self) -> bool:
        """Return whether the models are loaded."""
        return self.loaded.done() and not self.loaded.cancelled() and self.failure is None

    def wake(self) -> None:
        """Announce new work to every worker."""
        for worker in self._workers:
            worker.woken.set()

    def drain(self) -> bool:
        """Do all waiting work in the caller's thread; return whether there was any."""
        return sum(worker.run() for worker in self._workers) > 0

    def close(self) -> None:
        """End the workers after their current piece of work, without waiting for them."""
        self._closed = True
        for worker in self._workers:
            worker.close()
        self.loaded.cancel()

    def join(self) -> None:
        """Wait for the threads to end, after `close`."""
        for worker in self._workers:
            if worker.thread is not None:
                worker.thread.wait(JOIN_SECONDS)

    def fail(self, error: BaseException) -> None:
        """End the group with an error, which `loaded` passes on if the models are not loaded."""
        if self._closed:  # its models were taken away from under it
            return
        if not isinstance(error, UnmaskError):
            text = _("The live analysis stopped by a failure of ours: {error}.")
            error = ModelError(text.format(error=type(error).__name__), code="live_failed")
        self.failure = self.failure or error
        with suppress(InvalidStateError):
            self.loaded.set_exception(error)
        self.close()


class _Worker:
    """Runs a function until it returns False: after each wake in its thread, or in `run`."""

    def __init__(self, group: WorkerGroup, work: Callable[[], bool]) -> None:
        self._group, self._work = group, work
        self._failures, self._closed = 0, False
        self.woken = threading.Event()
        self.thread: Supervised[None] | None = None

    def start(self) -> None:
        group = self._group
        thread = Supervised(
            "unmask-live", self._serve, owner=group, stop=group.close, on_error=group.fail
        )
        self.thread = thread.start()

    def run(self) -> bool:
        """Do all waiting work in the caller's thread; return whether there was any."""
        did = False
        while not self._closed and self._step():
            did = True
        return did

    def close(self) -> None:
        self._closed = True
        self.woken.set()

    def _serve(self) -> None:
        while not self._closed:
            self.woken.wait()
            self.woken.clear()
            self.run()

    def _step(self) -> bool:
        if self.thread is not None:
            runtime.without_helpers()  # each time: the piece before may have loaded torch
        try:
            did = self._work()
        except Exception as error:  # one frame's failure must not end the session
            self._failures += 1
            if self._failures == 1:
                log.exception("live: a frame failed")
            if self._failures >= MAX_FAILURES or not self._group.loaded.done():
                self._group.fail(error)
            return False
        self._failures = 0 if did else self._failures
        return did
