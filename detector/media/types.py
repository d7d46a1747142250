"""The two things this room hands out besides `Media`: a decoded picture and a plan of times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    Attributes
    ----------
    index : int
        Position among the times asked for; the first one when several fall on this picture.
    time : float
        Real presentation time in seconds from the first frame of the file.
    rgb : uint8 array [H, W, 3]
        Upright: rotation, mirroring and pixel aspect ratio are applied.
    """

    index: int
    time: float
    rgb: np.ndarray


@dataclass(frozen=True)
class Plan:
    """Which times to decode, in seconds from the first frame.

    Attributes
    ----------
    moments : tuple of float
        Ascending; faces are looked for here.
    windows : tuple of tuple of float
        Runs for clip models. Each starts at one of the moments.
    """

    moments: tuple[float, ...]
    windows: tuple[tuple[float, ...], ...] = ()
