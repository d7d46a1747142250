"""One layer over what a network describes of a face and of its surroundings."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

FACE = 0.6
"""of the picture's side is the face: 0.9 of its box where 1.5 are shown"""


class Layer(NamedTuple):
    """A logit of P(fake) is ((description - center) * scale) @ weights + offset."""

    center: Tensor
    """float [features]"""
    scale: Tensor
    """float [features]"""
    weights: Tensor
    """float [features]"""
    offset: float
