"""How differences of neighboring pixels follow one another, in a face and around it.

What a camera, a sensor's demosaicing and an encoder leave in a picture shows in how one small
difference follows the next; what was drawn by a network and pasted shows otherwise than what
surrounds it. Differences of the first, second and third order, along rows and columns, are rounded
to five steps, and of four that lie in a row it is counted how often they come together: the
co-occurrences of Pevný, Bas & Fridrich (Steganalysis by Subtractive Pixel Adjacency Matrix, 2010)
and Fridrich & Kodovský (Rich Models for Steganalysis of Digital Images, 2012), over the face and
over its surroundings apart. One layer weighs the counts (`detector/training/layer.py`), so a score
is a sum over pixels, and its heatmap is exact: no gradient, nothing hidden and tried again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.layer import FACE, Layer, face_square
from detector.models.network import MappingModel
from detector.weights import load_state, load_strict

ORDERS = ((-1, 1), (1, -2, 1), (1, -3, 3, -1))
"""Differences of neighbors."""
SIZES = (1, 2)
"""How much smaller the picture is in which they are looked at."""
STEP = 2.0
"""gray levels: what a difference is rounded to"""
LARGEST = 2
"""steps: what is more counts as this"""
LEVELS = 2 * LARGEST + 1
RUN = 4
"""differences in a row"""
CODES = LEVELS**RUN
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


CLASSES = 169
FEATURES = len(SIZES) * len(ORDERS) * 2 * CLASSES


class Run(NamedTuple):
    """Codes of all runs of one difference along rows or columns."""

    codes: Tensor
    """int16 [N, h, w]; around the face they begin with `CODES`"""
    down: int
    """rows above the pixel that the first run belongs to"""
    across: int
    face: int
    """how many of a picture's lie in the face"""


class CooccurrenceNet(nn.Module):
    """Tables of what each code says, and one logit of P(fake).

    `forward` takes float [N, 3, S, S] in -1..1 (x / 127.5 - 1), S even, and gives [N].
    """

    table: Tensor
    """float [maps, 2 * CODES]: of each size and order, in the face, then around it"""
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(len(SIZES) * len(ORDERS), 2 * CODES))
        self.register_buffer("offset", torch.zeros(1))

    @property
    def describes(self) -> str:
        """What descriptions follow from."""
        return repr((ORDERS, SIZES, STEP, LARGEST, RUN, FACE))

    def forward(self, x: Tensor) -> Tensor:
        logits = self.offset
        for runs, table in zip(_maps(x), self.table, strict=True):
            for run, said in _said(runs, table):
                logits = logits + said[run.codes.int()].sum((1, 2))
        return logits

    def evidence(self, x: Tensor) -> Tensor:
        """Return what each pixel adds to the logit: [N, S, S]. With the offset they sum to it."""
        side = x.shape[-1]
        total = x.new_zeros(len(x), side, side)
        for number, (runs, table) in enumerate(zip(_maps(x), self.table, strict=True)):
            size = SIZES[number // len(ORDERS)]
            added = x.new_zeros(len(x), side // size, side // size)
            for run, said in _said(runs, table):
                height, width = run.codes.shape[1:]
                rows = slice(run.down, run.down + height)
                added[:, rows, run.across : run.across + width] += said[run.codes.int()]
            total += added.repeat_interleave(size, 1).repeat_interleave(size, 2) / size**2
        return total

    def embed(self, x: Tensor) -> Tensor:
        """Describe pictures: float [N, FEATURES], of each map the share of each class of runs, in
        the face, then around it."""
        same = torch.cat([classes(), classes() + CLASSES]).to(x.device)
        described = []
        for runs in _maps(x):
            counts = x.new_zeros(len(x), 2 * CLASSES)
            for run in runs:
                place = same[run.codes.int()].flatten(1)
                counts.scatter_add_(1, place, torch.ones_like(place, dtype=counts.dtype))
            apart = counts.unflatten(1, (2, CLASSES))
            described.append((apart / apart.sum(2, keepdim=True)).flatten(1))
        return torch.cat(described, 1)

    def settle(self, layer: Layer) -> None:
        """Take a layer without a bound over `embed`: each code says what its class weighs."""
        assert layer.bound is None  # `Recipe` holds this family to it
        weights = layer.weights * layer.scale
        of_class = weights.unflatten(0, (len(self.table), 2, CLASSES))
        self.table.copy_(of_class[..., classes()].flatten(1))
        self.offset.fill_(layer.offset - float(layer.center @ weights))


def _said(runs: list[Run], table: Tensor) -> Iterator[tuple[Run, Tensor]]:
    """Yield runs, and what each code of them adds to a logit: float [2 * CODES]."""
    face = sum(run.face for run in runs)
    every = sum(run.codes.shape[1] * run.codes.shape[2] for run in runs)
    count = torch.tensor([face, every - face], device=table.device).repeat_interleave(CODES)
    for run in runs:
        yield run, table / count


def _maps(x: Tensor) -> list[list[Run]]:
    """Return of each size and order the runs along rows and columns."""
    rgb = ((x.float() + 1) * 127.5).round()
    red, green, blue = (rgb[:, i] * weight for i, weight in enumerate(LUMA))
    luma = ((red + green + blue + 2**13) / 2**14).floor()
    found = []
    for size in SIZES:
        smaller = F.avg_pool2d(luma[:, None], size)[:, 0] if size > 1 else luma
        side = int(smaller.shape[-1])
        _, first, last, _ = face_square(side)
        outside = smaller.new_full((side, side), CODES, dtype=torch.int16)
        outside[first:last, first:last] = 0
        for order in ORDERS:
            reach = (len(order) + RUN - 2) // 2
            along, down = (_codes(smaller, order, axis) for axis in (2, 1))
            height, width = int(down.shape[1]), int(along.shape[2])
            narrow = min(last, reach + width) - max(first, reach)
            face = (last - first) * narrow  # the same along and down
            found.append([
                Run(along + outside.narrow(1, reach, width), 0, reach, face),
                Run(down + outside.narrow(0, reach, height), reach, 0, face),
            ])  # fmt: skip
    return found


def _codes(luma: Tensor, order: tuple[int, ...], axis: int) -> Tensor:
    """Return the code of each run along an axis of pictures [N, h, w]: int16."""
    count = luma.shape[axis] - len(order) + 1
    difference = sum(weight * luma.narrow(axis, place, count) for place, weight in enumerate(order))
    steps = (difference / STEP).round().clamp(-LARGEST, LARGEST).to(torch.int16) + LARGEST
    count -= RUN - 1
    code = steps.narrow(axis, 0, count)
    for place in range(1, RUN):
        code = code * LEVELS + steps.narrow(axis, place, count)
    return code


class CooccurrenceModel(MappingModel):
    """Scores single crops, and shows what each place adds."""

    def own_map(self, x: Tensor) -> Tensor:
        """See `MappingModel.own_map`: what places of a sixteenth of the side add for "fake"."""
        assert isinstance(self.network, CooccurrenceNet)
        said = F.avg_pool2d(self.network.evidence(x)[:, None], x.shape[-1] // 16)[:, 0]
        above = said.clamp_min(0)
        return above / above.amax((1, 2), keepdim=True).clamp_min(torch.finfo(said.dtype).tiny)


def build(state: dict[str, Any], name: str = "grain") -> CooccurrenceNet:
    """Return a network in evaluation mode with these tables.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = CooccurrenceNet()
    load_strict(network, state, name)  # fp16 in the file becomes fp32 here
    network.eval()
    return network


def load(spec: ModelSpec, files: Files, device: str) -> CooccurrenceModel:
    """Load one .safetensors file."""
    network, side = build(load_state(files[0]), spec.id).to(device), spec.crop.size
    # The counts are whole numbers: the same in any order, and by any backend.
    run = runtime.compile(network, torch.zeros(2, 3, side, side, device=device), device)
    return CooccurrenceModel(spec, network, device, run=run)
