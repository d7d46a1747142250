"""Bounded queues and worker threads of a run's stages, which end when the run is stopped."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from detector.errors import CancellationToken
from detector.media import Frame

T = TypeVar("T")
POLL_SECONDS = 0.1  # s between two checks of the cancellation token


class StageCancelled(Exception):
    """Raised in a stage when another stage ended early, or the caller canceled."""


class BoundedQueue(Generic[T]):
    """A queue whose both ends raise `StageCancelled` when the run has stopped."""

    def __init__(self, length: int, stop: CancellationToken) -> None:
        self._queue: queue.Queue[T] = queue.Queue(length)
        self._stop = stop

    def put(self, item: T) -> None:
        """Append an item, waiting for room."""
        while not self._stop.is_set():
            with suppress(queue.Full):
                return self._queue.put(item, timeout=POLL_SECONDS)
        raise StageCancelled

    def take(self) -> T:
        """Return the next item, waiting for one."""
        while not self._stop.is_set():
            with suppress(queue.Empty):
                return self._queue.get(timeout=POLL_SECONDS)
        raise StageCancelled


class Worker(threading.Thread):
    """A stage in its own thread. An error in it stops the run and is stored in `error`."""

    def __init__(self, work: Callable[[], None], stop: CancellationToken) -> None:
        super().__init__(daemon=True)
        self._work, self._halt = work, stop
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except StageCancelled:
            pass
        except BaseException as error:  # raised in the caller's thread by AnalysisRun.execute
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
    """Yield each frame, up to None, with all planned times that fall on it (several, at a low frame
    rate). `times`: ascending, s; `Frame.index` is an index into them."""
    while (frame := frames.take()) is not None:
        last = frame.index if frame.last is None else frame.last
        yield frame, tuple(times[frame.index : last + 1])
        del frame  # before the next one is decoded
