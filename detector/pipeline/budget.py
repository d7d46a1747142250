"""Memory and time budgets of runs, watched from a thread beside each.

The system enforces the limits of sandboxed decoders (`detector.isolation`). Networks score in this
process, which shares them between files. So this process is measured during a run, and a run over
its budget is stopped by its cancellation token. A token is checked between two frames, not within
a library call: what one call may allocate is bounded where it is made.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from detector.errors import Canceled, CancellationToken, MediaError
from detector.models import registry
from detector.sentences import _
from detector.threads import Stopped, Supervised

MEMORY = 4 * 1024**3  # bytes that a run may take beside the models, as a sandboxed worker may
BESIDE = 1024**3  # further bytes for each concurrent run: an 8K video takes as many
TIMES, BUSY = 10.0, 10.0
"""Multiple of its estimated core seconds that a run may take; further multiple in wall time, since
a busy computer is not the file's fault (a run of 6 core seconds was seen to take 415)."""
LOOK_SECONDS = 0.1
MAX_LOOK_SECONDS = 1.0  # charged for one look: a later one is of a process that was stopped
_STATM = Path("/proc/self/statm")


class Crowded(Exception):
    """Raised when concurrent runs took too much memory together; each is then run alone."""


class RunBudget:
    """Consumption of one run. `seconds`: its estimate in core seconds, once known."""

    def __init__(self, stop: CancellationToken, *, alone: bool) -> None:
        self.seconds = math.inf
        self.alone = alone  # No other run went on meanwhile
        self._stop = stop
        self._spent = 0.0
        self._paused = False
        # Not the error itself: raised, it would hold the run's frames in a reference cycle.
        self._exceeded: Callable[[], Exception] | None = None

    def check(self) -> None:
        """Raise MediaError or Crowded if the budget is exceeded."""
        if self._exceeded is not None:
            raise self._exceeded()

    def look(self, memory: int, worked: float, waited: float, runs: int) -> None:
        """Stop the run if the bytes that `runs` take together, or its own time, exceed the budget.
        Each run is charged its part of the core seconds `worked` and the wall seconds `waited`
        since the last look, unless it is paused."""
        if not self._paused:
            self._spent += max(worked, min(waited, MAX_LOOK_SECONDS) / BUSY) / runs
        if memory > MEMORY + (runs - 1) * BESIDE:
            self._exceed(_memory if self.alone else Crowded)
        elif self._spent > TIMES * self.seconds:
            self._exceed(_time)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Charge the run no time meanwhile: others work, or it waits for a person."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def _exceed(self, error: Callable[[], Exception]) -> None:
        self._exceeded = self._exceeded or error
        self._stop.set()


class Budgets:
    """Budgets of the runs of one process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._runs: set[RunBudget] = set()
        self._exclusive = False
        self._at_rest = 0  # bytes before the first of these runs

    @contextmanager
    def watch(self, stop: CancellationToken, *, alone: bool = False) -> Iterator[RunBudget]:
        """Watch a run, which `stop` ends; with `alone` it excludes other runs. Raise MediaError
        ("analysis_memory", "analysis_timeout") or Crowded in place of the stop's own error;
        Canceled while waiting."""
        run = self._begin(stop, alone=alone)
        over = threading.Event()
        look = partial(self._look, run, over)
        watcher = Supervised("budget", look, owner=self, stop=stop.set).start()
        try:
            yield run
        except (Canceled, Stopped):
            run.check()
            raise
        finally:
            over.set()
            watcher.wait(MAX_LOOK_SECONDS)
            with self._changed:
                self._runs.remove(run)
                self._exclusive = self._exclusive and not alone
                self._changed.notify_all()
        run.check()

    def _begin(self, stop: CancellationToken, *, alone: bool) -> RunBudget:
        with self._changed:
            while self._exclusive or (alone and self._runs):
                if stop.is_set():
                    raise Canceled()
                self._changed.wait(LOOK_SECONDS)
            if not self._runs:
                self._at_rest = taken()
            run = RunBudget(stop, alone=not self._runs)
            for other in self._runs:
                other.alone = False
            self._exclusive = alone
            self._runs.add(run)
            return run

    def _look(self, run: RunBudget, over: threading.Event) -> None:
        last = time.process_time(), time.monotonic()
        while not over.wait(LOOK_SECONDS):
            now = time.process_time(), time.monotonic()
            # Memory taken while a model loads belongs to the model.
            memory = 0 if registry.loading() else taken() - self._at_rest
            run.look(memory, now[0] - last[0], now[1] - last[1], max(1, len(self._runs)))
            last = now


def taken() -> int:
    """Return this process's resident memory without its models, bytes; 0 on other systems than
    Linux."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError):
        return 0
    models = sum(size for _id, device, size in registry.loaded() if device == "cpu")
    return pages * os.sysconf("SC_PAGE_SIZE") - models


def _memory() -> MediaError:
    text = _("This file needs more memory than allowed.")
    hint = _("Use a smaller copy, or cut out the part that matters.")
    return MediaError(text, code="analysis_memory", hint=hint)


def _time() -> MediaError:
    text = _("This file needs more time than allowed.")
    hint = _("Use a smaller copy, or cut out the part that matters.")
    return MediaError(text, code="analysis_timeout", hint=hint)


budgets = Budgets()
