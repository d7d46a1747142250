"""How small steps between values that lie in a row follow one another, in a face and around it.

Values of a plane (a picture's luma, or what one frame leaves of the next) are rounded to five
steps, and of four that lie in a row it is counted how often they come together: the co-occurrences
of Pevný, Bas & Fridrich (Steganalysis by Subtractive Pixel Adjacency Matrix, 2010) and Fridrich &
Kodovský (Rich Models for Steganalysis of Digital Images, 2012), over the face and over its
surroundings apart. One layer weighs the counts (`detector/training/layer.py`), so a score is a sum
over pixels, and its heatmap is exact: no gradient, nothing hidden and tried again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.layer import FACE, Layer

LARGEST = 2
"""steps: what is more counts as this"""
LEVELS = 2 * LARGEST + 1
RUN = 4
"""values in a row"""
CODES = LEVELS**RUN
CLASSES = 169
LUMA = (4899, 9617, 1868)
"""of R, G, B, in parts of 2^14: BT.601 in whole numbers, so that every backend counts alike"""


@lru_cache
def classes() -> Tensor:
    """Return which codes count as one: int64 [CODES], 0 to 168. A run read backwards, and a run of
    the opposite signs, are the same texture turned or seen in a negative."""

    def code(run: tuple[int, ...]) -> int:
        return sum(step * LEVELS**place for place, step in enumerate(reversed(run)))

    first: list[int] = []
    for run in product(range(LEVELS), repeat=RUN):
        negative = tuple(LEVELS - 1 - step for step in run)
        same = (run, run[::-1], negative, negative[::-1])
        first.append(min(code(one) for one in same))
    return torch.tensor(first).unique(return_inverse=True)[1]


class Run(NamedTuple):
    """Codes of all runs of one difference along rows or columns."""

    codes: Tensor
    """int16 [N, h, w]; around the face they begin with `CODES`"""
    down: int
    """rows above the pixel that the first run belongs to"""
    across: int


class RunTables(nn.Module):
    """Tables of what each code says, and one logit of P(fake).

    `forward` takes float [N, ...], frames of -1..1 (x / 127.5 - 1), and gives [N]: the mean over an
    item's planes.
    """

    ORDERS: ClassVar[tuple[tuple[int, ...], ...]]
    """What is taken of neighbors: differences, or (1,): the values themselves."""
    SIZES: ClassVar[tuple[int, ...]]
    """How much smaller the plane is in which they are looked at."""
    STEP: ClassVar[float]
    """gray levels: what a value is rounded to"""

    table: Tensor
    """float [maps, 2 * CODES]: of each size and order, in the face, then around it"""
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(len(self.SIZES) * len(self.ORDERS), 2 * CODES))
        self.register_buffer("offset", torch.zeros(1))

    @abstractmethod
    def planes(self, x: Tensor) -> Tensor:
        """Return the planes of each item, gray levels: float [N, P, S, S]."""

    @property
    def describes(self) -> str:
        """What descriptions follow from."""
        return repr((self.ORDERS, self.SIZES, self.STEP, LARGEST, RUN, FACE))

    @property
    def features(self) -> int:
        """Count the numbers of a description."""
        return len(self.table) * 2 * CLASSES

    def forward(self, x: Tensor) -> Tensor:
        planes = self.planes(x)
        logits = self.offset.expand(planes.shape[:2].numel())
        for runs, table in zip(self._maps(planes.flatten(0, 1)), self.table, strict=True):
            for run, said in _said(runs, table):
                logits = logits + said[run.codes.int()].sum((1, 2))
        return logits.unflatten(0, planes.shape[:2]).mean(1)

    def evidence(self, x: Tensor) -> Tensor:
        """Return what each pixel of each plane adds to the logit of that plane: [N, P, S, S]. With
        the offset they sum to it."""
        planes = self.planes(x)
        side = planes.shape[-1]
        total = planes.new_zeros(planes.shape).flatten(0, 1)
        maps = self._maps(planes.flatten(0, 1))
        for number, (runs, table) in enumerate(zip(maps, self.table, strict=True)):
            size = self.SIZES[number // len(self.ORDERS)]
            added = total.new_zeros(len(total), side // size, side // size)
            for run, said in _said(runs, table):
                height, width = run.codes.shape[1:]
                rows = slice(run.down, run.down + height)
                added[:, rows, run.across : run.across + width] += said[run.codes.int()]
            total += added.repeat_interleave(size, 1).repeat_interleave(size, 2) / size**2
        return total.unflatten(0, planes.shape[:2])

    def embed(self, x: Tensor) -> Tensor:
        """Describe items: float [N, features], of each map the share of each class of runs, in the
        face, then around it."""
        planes = self.planes(x)
        flat = planes.flatten(0, 1)
        same = torch.cat([classes(), classes() + CLASSES]).to(x.device)
        described = []
        for runs in self._maps(flat):
            counts = flat.new_zeros(len(flat), 2 * CLASSES)
            for run in runs:
                place = same[run.codes.int()].flatten(1)
                counts.scatter_add_(1, place, torch.ones_like(place, dtype=counts.dtype))
            apart = counts.unflatten(1, (2, CLASSES))
            described.append((apart / apart.sum(2, keepdim=True)).flatten(1))
        return torch.cat(described, 1).unflatten(0, planes.shape[:2]).mean(1)

    def settle(self, layer: Layer) -> None:
        """Take a layer over `embed`: each code says what its class weighs."""
        weights = layer.weights * layer.scale
        of_class = weights.unflatten(0, (len(self.table), 2, CLASSES))
        self.table.copy_(of_class[..., classes()].flatten(1))
        self.offset.fill_(layer.offset - float(layer.center @ weights))

    def _maps(self, planes: Tensor) -> Iterator[list[Run]]:
        """Yield of each size and order the runs along rows and columns of planes [N, S, S]."""
        for size in self.SIZES:
            smaller = F.avg_pool2d(planes[:, None], size)[:, 0] if size > 1 else planes
            outside = (~_inside(smaller.shape[-1], planes.device)).to(torch.int16) * CODES
            for order in self.ORDERS:
                reach = (len(order) + RUN - 2) // 2
                along, down = (_codes(smaller, order, self.STEP, axis) for axis in (2, 1))
                height, width = down.shape[1], along.shape[2]
                yield [
                    Run(along + outside.narrow(1, reach, width), 0, reach),
                    Run(down + outside.narrow(0, reach, height), reach, 0),
                ]


def luma(x: Tensor) -> Tensor:
    """Return the luma of frames of -1..1, whole gray levels: [..., 3, S, S] -> [..., S, S]."""
    rgb = ((x.float() + 1) * 127.5).round()
    red, green, blue = (rgb[..., i, :, :] * weight for i, weight in enumerate(LUMA))
    return ((red + green + blue + 2**13) / 2**14).floor()


def heat(evidence: Tensor) -> Tensor:
    """Return what places add for "fake", 0..1: [N, S, S] -> [N, 16, 16]."""
    said = F.avg_pool2d(evidence[:, None], evidence.shape[-1] // 16)[:, 0]
    above = said.clamp_min(0)
    return above / above.amax((1, 2), keepdim=True).clamp_min(torch.finfo(said.dtype).tiny)


def _said(runs: list[Run], table: Tensor) -> Iterator[tuple[Run, Tensor]]:
    """Yield runs, and what each code of them adds to a logit: float [2 * CODES]."""
    face = sum((run.codes[0] < CODES).sum() for run in runs)
    every = sum(run.codes[0].numel() for run in runs)
    count = torch.stack([face, every - face]).repeat_interleave(CODES)
    for run in runs:
        yield run, table / count


def _codes(plane: Tensor, order: tuple[int, ...], step: float, axis: int) -> Tensor:
    """Return the code of each run along an axis of planes [N, h, w]: int16."""
    count = plane.shape[axis] - len(order) + 1
    difference = sum(
        weight * plane.narrow(axis, place, count) for place, weight in enumerate(order)
    )
    steps = (difference / step).round().clamp(-LARGEST, LARGEST).to(torch.int16) + LARGEST
    count -= RUN - 1
    code = steps.narrow(axis, 0, count)
    for place in range(1, RUN):
        code = code * LEVELS + steps.narrow(axis, place, count)
    return code


def _inside(side: int, device: torch.device) -> Tensor:
    """Return where the face is: bool [side, side]."""
    near = ((torch.arange(side, device=device) + 0.5) / side - 0.5).abs() < FACE / 2
    return near[:, None] & near
