"""What one call in a sandboxed worker may take. The program that uses the sandbox says how much."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one call.

    Attributes
    ----------
    memory : int
        Bytes of address space. Not held on macOS, whose kernel ignores it.
    cpu : int
        Seconds of processor time, all threads together.
    timeout : float
        Seconds without an answer after which the worker is taken to hang.
    files : int
        Open files.
    frame : int
        Bytes of the largest frame of a stream.
    """

    memory: int
    cpu: int
    timeout: float
    files: int
    frame: int
