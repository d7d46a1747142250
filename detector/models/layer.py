"""One layer over what a network describes of a face and of its surroundings."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

FACE = 0.6
"""of the picture's side is the face: 0.9 of its box where 1.5 are shown"""


class FaceSquare(NamedTuple):
    """Where a picture, or maps, of `side` pixels show the face: its first pixel across and down,
    the one after its last, and its share of all."""

    side: int
    first: int
    last: int
    share: float


def face_square(side: int) -> FaceSquare:
    """Return where a picture of a side shows the face."""
    first = math.ceil(side * (1 - FACE) / 2 - 0.5)
    return FaceSquare(side, first, side - first, (1 - 2 * first / side) ** 2)


class Layer(NamedTuple):
    """A logit of P(fake) is ((description - center) * scale) @ weights + offset."""

    center: Tensor
    """float [features]"""
    scale: Tensor
    """float [features]"""
    weights: Tensor
    """float [features]"""
    offset: float
