"""One layer over what a network describes of a face and of its surroundings."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

FACE = 0.6  # of the picture's side is the face: 0.9 of its box where 1.5 are shown


class FaceSquare(NamedTuple):
    """Where `side` px show the face: first and end px, across and down, and its share."""

    side: int
    first: int
    last: int
    share: float


def face_square(side: int) -> FaceSquare:
    """Return where a picture of a side shows the face."""
    first = math.ceil(side * (1 - FACE) / 2 - 0.5)
    return FaceSquare(side, first, side - first, (1 - 2 * first / side) ** 2)


def held_in(deviations: Tensor, bound: Tensor | float) -> Tensor:
    """Return deviations of which none is farther out than `bound`; what is near stays as it is."""
    return bound * torch.tanh(deviations / bound)


class Layer(NamedTuple):
    """A logit of P(fake) is a weighted sum of how far a description is from usual."""

    center: Tensor  # float [features]
    scale: Tensor  # float [features], one over the deviation of each
    bound: float | None  # deviations, about, that a feature counts at most; None: all of them
    weights: Tensor  # float [features]
    offset: float

    def apart(self, described: Tensor) -> Tensor:
        """Return how far descriptions, float [..., features], are from usual, in deviations."""
        deviations = (described - self.center) * self.scale
        return deviations if self.bound is None else held_in(deviations, self.bound)

    def judge(self, described: Tensor) -> Tensor:
        """Return logits of descriptions, float [..., features]: float [...]."""
        return self.apart(described) @ self.weights + self.offset
