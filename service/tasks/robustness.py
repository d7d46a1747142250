"""Robustness trials in the background: one file at a time, watched by the page that asked.

Plain objects; nothing is drawn here. Trials outlive the page; their outcome is kept with the
result.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from detector.errors import Canceled, UnmaskError
from detector.schema.analysis import Analysis, Robustness
from service.messages import _
from service.tasks.jobs import QueueFull

log = logging.getLogger(__name__)

WAITING = 6
"""files that may wait"""
KEPT = 100
"""outcomes remembered here; those of this server's own results are on disk with them too"""

Tell = Callable[[int, int, str], None]
Try = Callable[[Path, Analysis, Tell, threading.Event], Robustness]
"""Runs the trials of a file: `detector.perturbation.robustness.try_out`, with this server's
analyzer."""
Keep = Callable[[str, Robustness], None]


@dataclass(eq=False)
class RobustnessTask:
    """The trials of one file. Written by one worker, read by any page.

    Attributes
    ----------
    done, total : int
    title : str
        Of the trial that runs.
    found : Robustness or None
        At the end.
    fault : Exception or None
        Why there is none.
    """

    cancel: threading.Event = field(default_factory=threading.Event)
    active: bool = True
    done: int = 0
    total: int = 0
    title: str = ""
    found: Robustness | None = None
    fault: Exception | None = None
    started: float | None = None

    @property
    def error(self) -> str:
        """Why there is no outcome, for a person; empty while there may be one."""
        if self.fault is None:
            return ""
        if isinstance(self.fault, Canceled):
            return _("You stopped it.")
        if isinstance(self.fault, UnmaskError):
            return self.fault.message
        return _("It stopped. Your file is not at fault.")

    def seconds_left(self) -> float | None:
        """From the rate so far; None before the first trial is done."""
        if self.started is None or not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.total - self.done)


class RobustnessQueue:
    """Where trials are made, one after the other: they compete with analyses for the cores.

    Parameters
    ----------
    run : callable
    keep : callable
        Called with the key and the outcome, in the worker.
    """

    def __init__(self, run: Try, keep: Keep) -> None:
        self._run, self._keep = run, keep
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="trials")
        self._lock = threading.Lock()
        self._known: OrderedDict[str, RobustnessTask] = OrderedDict()

    def start(self, key: str, path: Path, analysis: Analysis) -> RobustnessTask:
        """Put a file's trials in line; the running ones where there are any.

        Raises
        ------
        Busy
            Too many files are waiting.
        """
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.active:
                return known
            if sum(t.active for t in self._known.values()) >= WAITING:
                raise QueueFull(_("Too many files are waiting. Try again in a few minutes."))
            trials = self._known[key] = RobustnessTask()
            self._known.move_to_end(key)
            idle = [k for k, t in self._known.items() if not t.active]
            for old in idle[: max(0, len(self._known) - KEPT)]:
                del self._known[old]
        self._pool.submit(self._work, key, trials, path, analysis)
        return trials

    def find(self, key: str) -> RobustnessTask | None:
        """The trials of a file, running or ended."""
        with self._lock:
            return self._known.get(key)

    def _work(self, key: str, trials: RobustnessTask, path: Path, analysis: Analysis) -> None:
        """In the worker: never raises, always ends inactive."""

        def tell(done: int, total: int, title: str) -> None:
            trials.done, trials.total, trials.title = done, total, title

        try:
            trials.started = time.monotonic()
            if trials.cancel.is_set():
                raise Canceled()
            found = self._run(path, analysis, tell, trials.cancel)
            self._keep(key, found)
            trials.found = found
        except UnmaskError as error:
            trials.fault = error
        except Exception as error:
            log.exception("robustness trials failed")
            trials.fault = error
        finally:
            trials.active = False
