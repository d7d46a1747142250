"""Types of the sandbox: resource limits of a call, and decoded frames."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Limits:
    """Resource limits of one call, set by the program that uses the sandbox."""

    memory: int  # Bytes of address space. Not enforced on macOS, whose kernel ignores it.
    cpu: int  # Seconds of processor time, all threads together
    timeout: float  # Seconds without an answer after which the worker is taken to hang
    files: int  # Open files
    frame: int  # Bytes of the largest frame of a stream


@dataclass(frozen=True)
class Frame:
    """One decoded picture."""

    index: int
    """Index of the requested time; the first one if several have this picture."""
    time: float  # Real presentation time in seconds from the first frame of the file
    rgb: np.ndarray
    """uint8 [H, W, 3]. Upright: rotation, mirroring and pixel aspect ratio are applied."""
    last: int | None = None
    """Index of the last requested time with this picture; None: `index` is the only one"""
