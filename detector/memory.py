"""Return of freed memory from glibc to the system."""

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD, _TRIM_THRESHOLD = (-3, 8 * 1024**2), (-1, 16 * 1024**2)
"""`mallopt` options, in bytes: by default glibc retains up to 64 MB for each thread, which would
count as a run's memory (`detector.pipeline.budget`)"""


def give_back_freed() -> None:
    """Make glibc return large freed blocks to the system from now on; called once at the start of a
    process. Do nothing without glibc."""
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            libc.mallopt(*option)


def return_freed() -> None:
    """Return freed blocks between used ones, in 5 to 15 ms. Do nothing without glibc."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
