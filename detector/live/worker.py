"""A thread for one kind of a live session's work."""

import logging
import threading
from collections.abc import Callable

from detector import runtime

log = logging.getLogger(__name__)


class LiveWorker:
    """Does work whenever it is woken, until nothing waits: in a thread of its own, or in `run`.

    `work` does one piece and returns whether there was one; it is never called twice at once.
    """

    def __init__(self, work: Callable[[], bool], *, threaded: bool) -> None:
        self._work = work
        self._woken, self._closed = threading.Event(), False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._serve, name="unmask-live", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Say that something may wait."""
        self._woken.set()

    def run(self) -> bool:
        """Do what waits, in the caller's thread; return whether there was anything."""
        did = False
        while not self._closed and self._step():
            did = True
        return did

    def close(self) -> None:
        """End after the current piece. Never waits."""
        self._closed = True
        self.wake()

    def join(self) -> None:
        """Wait for the thread, if there is one, to end."""
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
