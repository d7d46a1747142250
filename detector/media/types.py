"""The two things this room hands out besides `Media`: a decoded picture and a plan of times."""

from __future__ import annotations

from dataclasses import dataclass

from detector.isolation import Frame

__all__ = ["Frame", "Plan"]


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
