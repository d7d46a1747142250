"""What a stream out of a worker is made of."""

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
