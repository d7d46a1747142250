"""Distance of an input from the material behind the limits, in the features of a model.

For some blocks of a model's features a Gaussian was fitted to that material (`python -m
lab.bench.fit_unlike`): a mean, the axes of most variance, and one variance for all that is beyond
them. The log distances to all blocks, each in standard deviations, are added up; the limit leaves
out 2 of 100 files of sources left out. A linear layer on the same features of a whole picture tells
drawings and graphics from photographs, film and paintings.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

from detector import weights

Measured = tuple[float | None, float | None]
"""`Segment.unlike` and `Segment.graphic`"""


class Gaussian(NamedTuple):
    """One block of features: float arrays of D features, K axes."""

    start: int  # of its D features
    mean: np.ndarray  # [D]
    scale: np.ndarray  # [D], that features are multiplied by
    axes: np.ndarray  # [K, D], divided by the standard deviation along each
    rest: float  # sum of the variances beyond the axes
    center: float  # mean of the log distance
    spread: float  # its standard deviation

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Return the mean of the squared distances along an axis and beyond all, [N], of all
        features, [N, …]."""
        own = features[:, self.start : self.start + len(self.mean)]
        apart = (own - self.mean) * self.scale
        along = apart @ self.axes.T
        lengths = np.linalg.norm(self.axes, axis=1)
        beyond = np.square(apart).sum(1) - np.square(along / lengths).sum(1)
        return (np.square(along).mean(1) + beyond / self.rest) / 2

    def standing(self, features: np.ndarray) -> np.ndarray:
        """Return the log distance in standard deviations from the mean, [N]."""
        return (np.log(self.distance(features)) - self.center) / self.spread


class Reference(NamedTuple):
    """The tested material in the features of one model."""

    blocks: tuple[Gaussian, ...]
    limit: float
    graphic: np.ndarray | None = None  # [1 + D]: offset and weights of the layer
    at: int = 0  # first of the D features that the layer reads

    def unlike(self, features: np.ndarray) -> np.ndarray:
        """Return `Segment.unlike`, [N]."""
        return np.sum([block.standing(features) for block in self.blocks], 0) - self.limit

    def graphics(self, features: np.ndarray) -> np.ndarray:
        """Return `Segment.graphic`, [N]."""
        assert self.graphic is not None
        offset, layer = self.graphic[0], self.graphic[1:]
        return features[:, self.at : self.at + len(layer)] @ layer + offset


def measure(id: str, features: np.ndarray) -> list[Measured]:
    """Return the measures of each item by the features of a model, float [N, features]; none of a
    model without a reference or features."""
    known = _references().get(id) if features.size else None
    if known is None:
        return []
    far = known.unlike(features).astype(float).round(3).tolist()
    if known.graphic is None:
        return [(one, None) for one in far]
    return list(zip(far, known.graphics(features).astype(float).round(3).tolist(), strict=True))


@lru_cache(maxsize=1)
def _references() -> dict[str, Reference]:
    (path,) = weights.resolve(weights.auxiliary()["unlike"])
    return parse(load_file(path))


def parse(tensors: Mapping[str, np.ndarray]) -> dict[str, Reference]:
    """Return the references of a file by model, whose tensors `store` named."""
    known = {name: value.astype(np.float32) for name, value in tensors.items()}
    found = {}
    for id in sorted({name.split("/")[0] for name in known}):
        own = {name.removeprefix(f"{id}/"): x for name, x in known.items() if name.startswith(id)}
        blocks = tuple(
            Gaussian(int(start), mean, scale, axes, float(rest), float(center), float(spread))
            for mean, scale, axes, (start, rest, center, spread) in zip(
                own["mean"], own["scale"], own["axes"], own["numbers"], strict=True
            )
        )
        at = int(own["at"][0]) if "at" in own else 0
        found[id] = Reference(blocks, float(own["limit"][0]), own.get("graphic"), at)
    return found


def store(references: Mapping[str, Reference]) -> dict[str, np.ndarray]:
    """Return the tensors of a file."""
    out = {}
    for id, known in references.items():
        numbers = [[b.start, b.rest, b.center, b.spread] for b in known.blocks]
        out[f"{id}/mean"] = np.stack([b.mean for b in known.blocks]).astype(np.float16)
        out[f"{id}/scale"] = np.stack([b.scale for b in known.blocks]).astype(np.float16)
        out[f"{id}/axes"] = np.stack([b.axes for b in known.blocks]).astype(np.float16)
        out[f"{id}/numbers"] = np.array(numbers, np.float32)
        out[f"{id}/limit"] = np.array([known.limit], np.float32)
        if known.graphic is not None:
            out[f"{id}/graphic"] = known.graphic.astype(np.float32)
            out[f"{id}/at"] = np.array([known.at], np.float32)
    return out
