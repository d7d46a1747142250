"""Downloads of weights in the background: one thread a model, shared by all sessions.

Plain objects that a fragment polls; nothing is drawn in here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from detector.errors import Canceled, UnmaskError
from service.messages import _

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
Work = Callable[[Progress], object]


@dataclass
class Download:
    """One download, running or ended.

    Attributes
    ----------
    done, total : int
        Bytes; total 0 until it is known.
    fault : Exception or None
        What it ended by without the file.
    """

    id: str
    done: int = 0
    total: int = 0
    began: float = field(default_factory=time.monotonic)
    first: int = 0
    active: bool = True
    fault: Exception | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def error(self) -> str:
        """Why it ended without the file, for a person; empty while it runs and when it came."""
        if self.fault is None:
            return ""
        if isinstance(self.fault, Canceled):
            return _("Stopped. What was received is kept, and the next download goes on there.")
        if self.code == "no_connection":
            return _("No connection.")
        if isinstance(self.fault, UnmaskError):
            return self.fault.message
        return _("Something went wrong here; the log says more.")

    @property
    def code(self) -> str:
        """Which error it was, where it was one that is known; else empty, also where a person
        stopped it."""
        fault = self.fault
        if not isinstance(fault, UnmaskError) or isinstance(fault, Canceled):
            return ""
        return fault.code

    @property
    def hint(self) -> str:
        """What to do about it; may be empty."""
        if self.code == "no_connection":
            return _("Try again when there is one.")
        return self.fault.hint if isinstance(self.fault, UnmaskError) else ""

    @property
    def fraction(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """From the rate so far; None in the first two seconds, when a rate means little."""
        elapsed = time.monotonic() - self.began
        got = self.done - self.first
        if elapsed < 2 or got <= 0 or not self.total:
            return None
        return (self.total - self.done) * elapsed / got


class Downloads:
    """The downloads of this server, by model id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Download] = {}

    def start(self, id: str, work: Work) -> Download:
        """Begin `work(progress)` in the background, unless it is under way."""
        with self._lock:
            known = self._known.get(id)
            if known is not None and known.active:
                return known
            one = self._known[id] = Download(id)
        threading.Thread(target=self._run, args=(one, work), name=f"get-{id}", daemon=True).start()
        return one

    def find(self, id: str) -> Download | None:
        return self._known.get(id)

    def active(self) -> list[Download]:
        return [one for one in self._known.values() if one.active]

    def forget(self, id: str) -> None:
        """Drop what is known of a download that has ended."""
        with self._lock:
            one = self._known.get(id)
            if one is not None and not one.active:
                del self._known[id]

    def _run(self, one: Download, work: Work) -> None:
        def progress(done: int, total: int) -> None:
            if one.stop.is_set():
                raise Canceled
            if not one.total:
                one.first = done  # a resumed file begins in the middle
            one.done, one.total = done, total

        try:
            work(progress)
        except Canceled as stopped:
            one.fault = stopped
        except UnmaskError as error:
            # What a person is told is one calm sentence; what the system said of it stands here.
            log.warning("%s did not come: %s", one.id, error.message, exc_info=error)
            one.fault = error
        except Exception as error:
            log.exception("a download failed")
            one.fault = error
        finally:
            one.active = False


downloads = Downloads()
