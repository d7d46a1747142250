"""How the stages of a run are joined: bounded queues that can be left at any time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from detector.media import Frame

T = TypeVar("T")
POLL_SECONDS = 0.1
"""s between two looks at whether the run still goes on."""


class StageCancelled(Exception):
    """Another stage ended early, or the caller canceled."""


class CancellationToken(threading.Event):
    """Set when any stage ends early, or when the caller's own event is."""

    def __init__(self, cancel: threading.Event) -> None:
        super().__init__()
        self._cancel = cancel

    def is_set(self) -> bool:
        return super().is_set() or self._cancel.is_set()


class BoundedQueue(Generic[T]):
    """A bounded queue whose both ends give up when the run has stopped."""

    def __init__(self, length: int, stop: CancellationToken) -> None:
        self._queue: queue.Queue[T] = queue.Queue(length)
        self._stop = stop

    def put(self, item: T) -> None:
        """Wait for a place. Stopped when the run ends before there is one."""
        while not self._stop.is_set():
            try:
                return self._queue.put(item, timeout=POLL_SECONDS)
            except queue.Full:
                continue
        raise StageCancelled

    def take(self) -> T:
        """Wait for an item. Stopped when the run ends before there is one."""
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
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


class Timer:
    """Adds the time spent inside to a table, in seconds."""

    def __init__(self, table: dict[str, float], key: str) -> None:
        self.table, self.key = table, key

    def __enter__(self) -> None:
        self.begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.table[self.key] = self.table.get(self.key, 0.0) + time.perf_counter() - self.begun


def with_timestamps(
    frames: BoundedQueue[Frame | None], wanted: Sequence[float], shown: float
) -> Iterator[tuple[Frame, tuple[float, ...]]]:
    """Each frame with all the wanted times that fall on it (several, at a low frame rate).

    Parameters
    ----------
    frames : BoundedQueue of Frame, None at the end
    wanted : ascending times in s; `Frame.index` counts in them
    shown : s that the last frame stays on screen: a damaged file may stop early, and later times
        fall on no picture
    """
    held = frames.take()
    while held is not None:
        following = frames.take()
        if following is not None:
            end = following.index
        else:
            on_it = [t for t in wanted[held.index :] if t - held.time < shown]
            end = held.index + max(1, len(on_it))
        yield held, tuple(wanted[held.index : end])
        held = following
