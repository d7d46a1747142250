"""Where tasks run. Which may start, and when, is the scheduler's business (`scheduler`)."""

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from detector.cluster import ClusterAnalyzer, ClusterOptions
from detector.media import isolated
from service.config import get_config

NICENESS = 5  # of a task's threads: three times the processor time to one that draws a page


class ThreadExecutor:
    """A daemon thread for each task, so that a stopping server need not wait for them. Runs at once
    what it is given, however much that is."""

    cluster: ClusterAnalyzer | None = None  # Where analyses run, unless in this process

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def start(self, name: str, call: Callable[[], None]) -> None:
        """Run a call in a thread of its own, which gives way to those that draw pages; raise
        RuntimeError if it can't be started."""

        def work() -> None:
            _give_way()
            call()

        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        with self._lock:
            self._threads = {one for one in self._threads if one.is_alive()} | {thread}

    def close(self, timeout: float) -> None:
        """Wait for all threads, s at most in all."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _give_way() -> None:
    """Lower the priority of this thread and its children, which only Linux can."""
    if sys.platform == "linux":
        own = os.PRIO_PROCESS, threading.get_native_id()
        with suppress(OSError):
            os.setpriority(*own, min(os.getpriority(*own) + NICENESS, 19))


class ClusterExecutor(ThreadExecutor):
    """A thread for each task, which waits while a worker of a Ray cluster analyzes.

    Only the analysis travels: who may see a task, how far it is and what is kept of it stay with
    the server that answers for it in the records."""

    def __init__(self, cluster: ClusterAnalyzer) -> None:
        super().__init__()
        self.cluster: ClusterAnalyzer = cluster

    def close(self, timeout: float) -> None:
        """Wait for all threads, s at most in all, and end this server's workers."""
        super().close(timeout)
        self.cluster.close()


def open_executor() -> ThreadExecutor:
    """Return UNMASK_RAY_ADDRESS's executor, or threads; raise UsageError or ClusterError."""
    if not get_config().ray_address:
        return ThreadExecutor()
    options = ClusterOptions.configured(isolate=isolated())
    assert options is not None
    return ClusterExecutor(ClusterAnalyzer(options))
