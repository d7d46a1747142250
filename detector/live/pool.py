"""The threads that all viewers share, by fair scheduling.

A `Client` says which kinds of work wait and does one when told; a place holds the newest work only,
so nothing can pile up. The next turn goes to the client that has had the least time."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from detector import runtime

log = logging.getLogger(__name__)


class Client(Protocol):
    """One viewer, as the pool sees it. Called by any of its threads."""

    def waiting(self) -> Sequence[str]:
        """Kinds of work that can be done now, most urgent first. Quick, never waits."""
        ...

    def work(self, kind: str) -> None:
        """Do one piece. Never called twice at once for one kind."""
        ...


class Pool:
    """Worker threads that live while there are clients; with 0 `workers` there are none, and `step`
    does the work (tests, files that are read at any speed)."""

    def __init__(self, workers: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.workers = workers
        self._clock = clock
        self._wake = threading.Condition()
        self._spent: dict[Client, float] = {}
        self._weights: dict[Client, float] = {}
        self._busy: set[tuple[Client, str]] = set()
        self._threads: set[threading.Thread] = set()

    def add(self, client: Client, weight: float = 1.0) -> None:
        """Begin to serve a client. It starts level with the one that has had the least; `weight` is
        what it takes beside one that watches a camera."""
        with self._wake:
            self._weights[client] = weight
            self._spent[client] = min(self._spent.values(), default=0.0)
            while len(self._threads) < self.workers:
                name = f"unmask-live-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._threads.add(thread)
                thread.start()

    def remove(self, client: Client) -> None:
        """Stop serving a client; what is being done for it ends by itself. Never waits.

        The threads end with the last client.
        """
        with self._wake:
            self._spent.pop(client, None)
            self._weights.pop(client, None)
            self._wake.notify_all()

    def nudge(self) -> None:
        """Something waits now."""
        with self._wake:
            self._wake.notify()

    @property
    def clients(self) -> float:
        """Return how many are served, by their weights."""
        with self._wake:
            return sum(self._weights.values())

    def join(self, timeout: float | None = None) -> None:
        """Wait for the threads to end, after the last client was removed."""
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(timeout)

    def step(self) -> bool:
        """Do the next piece of work in the caller's thread; False when nothing waits."""
        with self._wake:
            turn = self._next()
        if turn is not None:
            self._do(*turn)
        return turn is not None

    def _serve(self) -> None:
        while True:
            with self._wake:
                while (turn := self._next()) is None:
                    if not self._spent:
                        self._threads.discard(threading.current_thread())
                        return
                    self._wake.wait()
            runtime.without_helpers()  # each time: a turn before may have been what loaded torch
            self._do(*turn)

    def _next(self) -> tuple[Client, str] | None:
        """Return whose turn it is, marked as busy. Called with the lock."""
        for client in sorted(self._spent, key=self._spent.__getitem__):
            for kind in client.waiting():
                if (client, kind) not in self._busy:
                    self._busy.add((client, kind))
                    return client, kind
        return None

    def _do(self, client: Client, kind: str) -> None:
        begun = self._clock()
        try:
            client.work(kind)
        except Exception:  # one viewer's failure must not end the thread that serves all
            log.exception("live: %s failed", kind)
        finally:
            took = self._clock() - begun
            with self._wake:
                self._busy.discard((client, kind))
                if client in self._spent:
                    self._spent[client] += took
                self._wake.notify()
