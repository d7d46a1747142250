"""Worker threads of live sessions."""

import logging
import threading
from collections.abc import Callable

from detector import runtime

log = logging.getLogger(__name__)


class LiveWorker:
    """Runs `work` after each `wake` until it returns False: in a thread of its own, or in `run`.

    `work` does one piece of work and returns whether there was any; calls never overlap.
    """

    def __init__(self, work: Callable[[], bool], *, threaded: bool) -> None:
        self._work = work
        self._woken, self._closed = threading.Event(), False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._serve, name="unmask-live", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Announce new work."""
        self._woken.set()

    def run(self) -> bool:
        """Do all waiting work in the caller's thread; return whether there was any."""
        did = False
        while not self._closed and self._step():
            did = True
        return did

    def close(self) -> None:
        """End after the current piece of work, without waiting for it."""
        self._closed = True
        self.wake()

    def join(self) -> None:
        """Wait for the thread to end, if there is one."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _serve(self) -> None:
        while not self._closed:
            self._woken.wait()
            self._woken.clear()
            self.run()

    def _step(self) -> bool:
        if self._thread is not None:
            runtime.without_helpers()  # each time: the piece before may have loaded torch
        try:
            return self._work()
        except Exception:  # one frame's failure must not end the session
            log.exception("live: a frame failed")
            return False


class WorkerGroup:
    """One worker for each of several functions; all start at once."""

    def __init__(self, *works: Callable[[], bool], threaded: bool) -> None:
        self._workers = [LiveWorker(work, threaded=threaded) for work in works]
        self.wake()

    def wake(self) -> None:
        """Announce new work to every worker."""
        for worker in self._workers:
            worker.wake()

    def drain(self) -> bool:
        """Do all waiting work in the caller's thread; return whether there was any."""
        return sum(worker.run() for worker in self._workers) > 0

    def close(self) -> None:
        """End the workers, without waiting for them."""
        for worker in self._workers:
            worker.close()

    def join(self) -> None:
        """Wait for the threads to end, after `close`."""
        for worker in self._workers:
            worker.join()
