"""What is done about the memory of a process that analyzes."""

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD, _TRIM_THRESHOLD = (-3, 8 * 1024**2), (-1, 16 * 1024**2)
"""bytes from which glibc gives freed memory back at once, by their numbers for `mallopt`: by itself
it keeps up to 64 MB for each thread, which would count as a run's (`detector.pipeline.budget`)"""


def give_back_freed() -> None:
    """Have glibc return large freed blocks to the system from here on; called once, where a process
    starts. Do nothing without glibc."""
    with suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            libc.mallopt(*option)


def return_freed() -> None:
    """Return blocks that were freed in between others, in 5 to 15 ms. Do nothing without glibc."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
