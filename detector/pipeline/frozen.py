"""Whether a video shows one unmoving picture, as where a still was put under a sound."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

SIDE = 64
"""px that frames are averaged to"""
ALIKE = 6.0
"""gray levels at any of these px: an unmoving picture at CRF 20 reaches 2, at CRF 35 4 to 12"""
COARSE, COARSE_MEAN = 16.0, 0.3
"""gray levels at any of these px and on average that one reaches at CRF 51 (14.5 and 0.09); of 337
clips those that move the least reach 11.6 with 0.90, and 50 with 0.15"""
SPAN = 0.5
"""s between the first and the last frame, at least"""


class FrozenCheck:
    """Holds the sampled frames of a video against the first."""

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._moves = False

    def add(self, rgb: np.ndarray) -> None:
        """Take notice of a sampled frame, uint8 [H, W, 3]."""
        if self._moves:
            return
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
        small = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        if self._first is None:
            self._first = small
        differences = np.abs(small - self._first)
        most = ALIKE if differences.mean() > COARSE_MEAN else COARSE
        self._moves = bool(differences.max() > most)

    def holds(self, planned: Sequence[float]) -> bool:
        """Return True if all frames that were planned, at these s, are one picture."""
        wide = len(planned) > 1 and planned[-1] - planned[0] >= SPAN
        return wide and self._first is not None and not self._moves
