"""What waits for other threads and processes, however busy the machine."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENT = 100.0
"""s for what takes a moment on an idle machine: it only ends a test that would hang."""


def until(condition: Callable[[], object], every: float = 0.01) -> None:
    """Wait for something to become true; to ask `every` so many seconds is for what costs the one
    who is asked, such as a server that is at work."""
    deadline = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(every)
