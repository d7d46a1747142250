"""How the stages of a run are joined: bounded queues that can be left at any time."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from detector.errors import CancellationToken
from detector.media import Frame

T = TypeVar("T")
POLL_SECONDS = 0.1  # s between two looks at whether the run still goes on


class StageCancelled(Exception):
    """Another stage ended early, or the caller canceled."""


class BoundedQueue(Generic[T]):
    """A queue whose both ends give up with `StageCancelled` when the run has stopped."""

    def __init__(self, length: int, stop: CancellationToken) -> None:
        self._queue: queue.Queue[T] = queue.Queue(length)
        self._stop = stop

    def put(self, item: T) -> None:
        """Wait for a place."""
        while not self._stop.is_set():
            with suppress(queue.Full):
                return self._queue.put(item, timeout=POLL_SECONDS)
        raise StageCancelled

    def take(self) -> T:
        """Wait for an item."""
        while not self._stop.is_set():
            with suppress(queue.Empty):
                return self._queue.get(timeout=POLL_SECONDS)
        raise StageCancelled


class Worker(threading.Thread):
    """A stage in its own thread. What goes wrong in it stops the run and is kept in `error`."""

    def __init__(self, work: Callable[[], None], stop: CancellationToken) -> None:
        super().__init__(daemon=True)
        self._work, self._halt = work, stop
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except StageCancelled:
            pass
        except BaseException as error:  # handed to the caller's thread by AnalysisRun.execute
            self.error = error
            self._halt.set()


@contextmanager
def timed(table: dict[str, float], key: str) -> Iterator[None]:
    """Add the time spent inside to a table, in seconds."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        table[key] = table.get(key, 0.0) + time.perf_counter() - begun


def with_timestamps(
    frames: BoundedQueue[Frame | None], times: Sequence[float]
) -> Iterator[tuple[Frame, tuple[float, ...]]]:
    """Yield each frame, up to None, with all the planned times that fall on it (several, at a low
    frame rate). `times`: ascending, s; `Frame.index` counts in them."""
    while (frame := frames.take()) is not None:
        last = frame.index if frame.last is None else frame.last
        yield frame, tuple(times[frame.index : last + 1])
        del frame  # before the next one is there
