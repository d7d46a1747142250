"""Supervised threads, the bounded queue between them, and their end with the process.

Every thread of the product is a `Supervised` one, or of a pool of `concurrent.futures` that a
`with` block or its owner shuts down. It has a name, an owner that stops it, and a `Future` that
carries its result or error to every thread that waits.

A thread that the interpreter ends within native code aborts the process ("terminate called without
an active exception"). At exit the running ones are therefore stopped and waited for,
`EXIT_SECONDS` at most.
"""

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Generic, Protocol, Self, TypeVar, cast

log = logging.getLogger(__name__)

EXIT_SECONDS = 15.0  # for all threads together; loading a network takes some seconds
UNENDED = 70  # exit status if a thread did not end within it (EX_SOFTWARE)
POLL_SECONDS = 0.1  # between two looks at an event that can't notify a queue

T = TypeVar("T")
exiting = threading.Event()
"""Set when the process ends: long work without a `stop` looks at it between its steps."""


class Stopped(Exception):
    """Raised in a thread when its work was stopped, or its queue has ended. No error of it."""


class Supervised(Generic[T]):
    """A daemon thread that runs `work` once.

    Parameters
    ----------
    name : str
        Of the thread, in logs and debuggers.
    work : callable
        Returns the result. It may raise `Stopped` to end early.
    owner : object
        What starts and stops it; its class is named in the log.
    stop : callable
        Asks the work to end, from any thread, without waiting; also called at exit.
    on_error : callable, optional
        Called in the thread with an error, before any thread that waits sees the end. Without it
        the error is logged.
    niceness : int
        By which the priority of the thread is lowered, on Linux.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], T],
        *,
        owner: object,
        stop: Callable[[], object],
        on_error: Callable[[BaseException], object] | None = None,
        niceness: int = 0,
    ) -> None:
        self.name, self.owner, self.stop = name, type(owner).__name__, stop
        self.ended: Future[T] = Future()
        self._work, self._on_error, self._niceness = work, on_error or self._log, niceness
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Self:
        """Start the thread. Raise RuntimeError if the system refuses another one."""
        _running.add(self)
        try:
            self._thread.start()
        except BaseException as error:
            _running.discard(self)
            self.ended.set_exception(error)
            raise
        return self

    @property
    def alive(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._thread.is_alive()

    @property
    def current(self) -> bool:
        """Return whether the caller runs in it."""
        return self._thread is threading.current_thread()

    @property
    def error(self) -> BaseException | None:
        """Return the error that ended it; None while it runs, and without one."""
        return self.ended.exception() if self.ended.done() else None

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most so long; return whether it has ended. It can't wait for
        itself, nor for one that was never started."""
        if self._thread.ident is None or self.current:
            return not self.alive
        self._thread.join(max(0.0, seconds))
        return not self.alive

    def close(self, seconds: float) -> bool:
        """Stop it and wait; as `wait`. One that does not end in time is logged and left behind."""
        self.stop()
        if not (ended := self.wait(seconds)) and not self.current:
            log.warning("%s: the thread %s did not end within %g s", self.owner, self.name, seconds)
        return ended

    def _run(self) -> None:
        result: T = cast(T, None)  # of work that was stopped
        failure: BaseException | None = None
        try:
            self._lower_priority()
            result = self._work()
        except Stopped:
            pass
        except BaseException as error:  # carried to every thread that waits
            failure = error
            try:
                self._on_error(error)
            except Exception:
                log.exception("%s: the error of %s was not handled", self.owner, self.name)
        finally:
            _running.discard(self)
            # Breaks the cycles of an owner that holds its thread: memory is freed at once.
            self._work = self.stop = self._on_error = _nothing
            if failure is not None:
                self.ended.set_exception(failure)
            else:
                self.ended.set_result(result)

    def _lower_priority(self) -> None:
        if self._niceness and sys.platform == "linux":  # elsewhere threads have no priority
            own = os.PRIO_PROCESS, threading.get_native_id()
            with suppress(OSError):
                os.setpriority(*own, min(os.getpriority(*own) + self._niceness, 19))

    def _log(self, error: BaseException) -> None:
        log.error("%s: the thread %s failed", self.owner, self.name, exc_info=error)


def _nothing(*_: object) -> Any: ...


class BoundedQueue(Generic[T]):
    """A queue between threads that `end` ends, for both sides: the reader takes what is left, and
    then either side gets `Stopped`. So it does at once when `stop` is set, an event of the run.
    Iterable: yields the items up to the end."""

    def __init__(self, length: int, stop: threading.Event | None = None) -> None:
        self._items: deque[T] = deque()
        self._length, self._stop, self._ended = length, stop, False
        self._changed = threading.Condition()
        # An event can't notify a condition.
        self._patience = None if stop is None else POLL_SECONDS

    def put(self, item: T) -> None:
        """Append an item, waiting for room. Raise Stopped."""
        while not self.offer(item):
            with self._changed:
                if len(self._items) >= self._length and not self._ended:
                    self._changed.wait(self._patience)

    def offer(self, item: T) -> bool:
        """Append an item without waiting; return False if there is no room. Raise Stopped."""
        with self._changed:
            if self._ended or self._stopped():
                raise Stopped
            if len(self._items) >= self._length:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self) -> T:
        """Return the next item, waiting for one. Raise Stopped after the last one."""
        with self._changed:
            while not self._stopped():
                if self._items:
                    self._changed.notify_all()
                    return self._items.popleft()
                if self._ended:
                    break
                self._changed.wait(self._patience)
        raise Stopped

    def end(self) -> None:
        """Append nothing more. Idempotent, from either side; never waits."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return self.take()
        except Stopped:
            if self._stopped():
                raise
        raise StopIteration

    def _stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()


class _Running(Protocol):
    name: str
    owner: str
    stop: Callable[[], object]

    def wait(self, seconds: float) -> bool: ...


class _Visit:
    """Work of the library in a thread of its caller."""

    def __init__(self, name: str, stop: Callable[[], object]) -> None:
        self.name, self.owner, self.stop = name, "caller", stop
        self._over = threading.Event()
        self._thread = threading.current_thread()

    def wait(self, seconds: float) -> bool:
        return self._thread is threading.current_thread() or self._over.wait(max(0.0, seconds))

    def end(self) -> None:
        self._over.set()


_running: set[_Running] = set()
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_running.clear)  # the child has none of these threads


@contextmanager
def visit(name: str, stop: Callable[[], object] = exiting.set) -> Iterator[None]:
    """Supervise a block of native work that runs in a thread of the caller: at exit it is stopped
    and waited for as a `Supervised` thread."""
    here = _Visit(name, stop)
    _running.add(here)
    try:
        yield
    finally:
        _running.discard(here)
        here.end()


def running() -> list[str]:
    """Return the names of the running threads, as "owner: name", sorted."""
    return sorted(f"{one.owner}: {one.name}" for one in _running.copy())


@atexit.register
def end_all(seconds: float = EXIT_SECONDS) -> None:
    """Stop all threads and wait for them. End the process at once if some don't end in time."""
    exiting.set()
    threads = _running.copy()
    for thread in threads:
        try:
            thread.stop()
        except Exception:
            log.exception("%s: %s could not be stopped", thread.owner, thread.name)
    deadline = time.monotonic() + seconds
    late = [thread for thread in threads if not thread.wait(deadline - time.monotonic())]
    if late:
        names = ", ".join(f"{thread.owner}: {thread.name}" for thread in late)
        log.warning("the process ended before these threads: %s", names)
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(UNENDED)
