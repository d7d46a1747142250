"""What waits for other threads and processes, however busy the machine."""

import time
from concurrent.futures import ThreadPoolExecutor

PATIENT = 100.0
"""s for what takes a moment on an idle machine: it only ends a test that would hang."""


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


def until(condition, every=0.01, patience=PATIENT):
    """Wait for something to become true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in {patience:g} s"
        time.sleep(every)


def at_once(work, given):
    """What comes of each of these, done all at the same time."""
    each = list(given)
    with ThreadPoolExecutor(len(each)) as pool:
        return list(pool.map(work, each))
