"""Texture as a graph, and what it shares with the network of `families/texture_cnn.py`, which
describes what it computes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from detector.models.graphs import layers, lite
from detector.models.graphs.layers import Node, State

FACE = 0.6  # of the side is the face: 0.9 of its box in a crop of 1.5
DEPTHS = {1: 4, 2: 8, 4: 16}
"""Stages whose output is described, 24, 40 and 112 channels, and their strides."""
SCALES = (1, 2, 4)  # How much smaller the picture is in which high-pass filters look
FILTERS = (
    ((0, 0, 0), (0, -1, 1), (0, 0, 0)),
    ((0, 0, 0), (1, -2, 1), (0, 0, 0)),
    ((0, 1, 0), (0, -2, 0), (0, 1, 0)),
    ((-1, 2, -1), (2, -4, 2), (-1, 2, -1)),
    (
        (-1, 2, -2, 2, -1),
        (2, -6, 8, -6, 2),
        (-2, 8, -12, 8, -2),
        (2, -6, 8, -6, 2),
        (-1, 2, -2, 2, -1),
    ),
)
YCC = ((0.299, 0.587, 0.114), (0.5, -0.418688, -0.081312), (-0.168736, -0.331264, 0.5))
"""Luma, red and blue difference of RGB (ITU-R BT.601, full range)."""
FAINT = 0.05  # of 255: smaller residuals are rounding


class FaceSquare(NamedTuple):
    """Position of the face in a picture of `side` px: first and end px, and its fraction of the
    area."""

    side: int
    first: int
    last: int
    share: float

    @property
    def step(self) -> int:
        """Return 2 if one place of the convolution may compute 2 x 2 pixels: a third less time than
        one each."""
        return 1 if self.first % 2 or self.side % 2 else 2


def face_square(side: int) -> FaceSquare:
    """Return the position of the face in a picture of this side."""
    first = math.ceil(side * (1 - FACE) / 2 - 0.5)
    return FaceSquare(side, first, side - first, (1 - 2 * first / side) ** 2)


def margin(side: int) -> int:
    """Return the pixels at each edge of a crop outside the face that is enlarged."""
    return round(side * (1 - FACE) / 2)


def filters(step: int) -> np.ndarray:
    """Return the filters for RGB of -1..1: [3 * filters * step * step, 3, 4 + step, 4 + step]."""
    size = 4 + step
    made = np.zeros((3, len(FILTERS), step, step, 3, size, size), np.float32)
    for number, values in enumerate(FILTERS):
        filter = np.array(values, np.float32)
        filter = np.pad(filter, (5 - len(filter)) // 2)
        of_rgb = np.float32(127.5) * np.array(YCC, np.float32)[:, :, None, None] * filter
        for down in range(step):
            for across in range(step):
                made[:, number, down, across, :, down : down + 5, across : across + 5] = of_rgb
    return made.reshape(-1, 3, size, size)


def graph(state: State, side: int) -> Any:
    """Return the network: float [N, 3, side, side] in -1..1 -> one logit, [N]."""
    x = layers.parameter(-1, 3, side, side)
    described = layers.ops().concat(_embedded(x, state, side), 1)
    bound = float(state["bound"])
    scaled = layers.multiply(layers.subtract(described, state["center"]), state["scale"] / bound)
    bounded = layers.multiply(layers.ops().tanh(scaled), bound)
    logits = layers.linear(bounded, state, "classifier")
    return layers.model([layers.ops().squeeze(logits, layers.axes(1))], x)


def _embedded(x: Node, state: State, side: int) -> list[Node]:
    ops, edge = layers.ops(), margin(side)
    near = ops.interpolate(
        _inside(x, edge, side - edge), layers.axes(side, side),
        mode="linear_onnx", shape_calculation_mode="sizes", axes=layers.axes(2, 3),
        coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    described = []
    for depth, maps in enumerate(lite.stages(x, state, "features")):
        if depth in DEPTHS:
            described += _of_face_and_rest(maps, face_square(side // DEPTHS[depth]))
    for depth, maps in enumerate(lite.stages(near, state, "features")):
        if depth in DEPTHS:
            apart, mean = _apart(maps)
            described += [mean, _deviation(layers.mean(_squared(apart), 2, 3))]
    for scale in SCALES:
        described += _grain(x, scale, face_square(side // scale - 4))
    return described


def _of_face_and_rest(maps: Node, face: FaceSquare) -> list[Node]:
    """Return mean and deviation of maps [N, C, h, h] over the face, then the rest: [N, C] each."""
    apart, mean = _apart(maps)
    near = _inside(apart, face.first, face.last)
    off, of_face = layers.mean(near, 2, 3), layers.mean(_squared(near), 2, 3)
    square = layers.mean(_squared(apart), 2, 3)
    # Deviations from the mean sum to zero, so the rest has the negative of the face's.
    around = layers.multiply(off, -face.share / (1 - face.share))
    of_rest = layers.subtract(square, layers.multiply(of_face, face.share))
    of_rest = layers.multiply(of_rest, 1 / (1 - face.share))
    found = []
    for shift, both in ((off, of_face), (around, of_rest)):
        variance = layers.subtract(both, _squared(shift))
        found += [layers.add(mean, shift), _deviation(layers.ops().relu(variance))]
    return found


def _grain(x: Node, scale: int, face: FaceSquare) -> list[Node]:
    """Return each residual's log mean and log(RMS / mean), for the face, then the rest."""
    ops, step = layers.ops(), face.step
    if scale > 1:
        sides, none = [scale, scale], [0, 0]
        x = ops.avg_pool(x, sides, none, none, sides, False, "floor", "explicit")
    left = layers.convolve(x, filters(step), step)
    near = _inside(left, face.first // step, face.last // step)
    pixels = face.side**2 * face.share
    parts = []
    for absolute in (True, False):
        whole, inner = (_sums(part, step, absolute=absolute) for part in (left, near))
        parts.append((inner, layers.subtract(whole, inner)))
    found = []
    for one, two, count in (
        (parts[0][0], parts[1][0], pixels),
        (parts[0][1], parts[1][1], face.side**2 - pixels),
    ):
        mean = layers.add(layers.multiply(one, 1 / count), FAINT)
        rms = layers.add(ops.sqrt(ops.relu(layers.multiply(two, 1 / count))), FAINT)
        found += [ops.log(mean), ops.log(layers.divide(rms, mean))]
    return found


def _sums(maps: Node, step: int, *, absolute: bool) -> Node:
    """Return the sum of absolute values or of squares of each residual: [N, 3 * filters]."""
    ops = layers.ops()
    if absolute:
        sums = ops.reduce_l1(maps, layers.axes(2, 3), False)
    else:
        sums = _squared(ops.reduce_l2(maps, layers.axes(2, 3), False))
    return ops.reduce_sum(layers.reshape(sums, 0, -1, step**2), layers.axes(2), False)


def _apart(maps: Node) -> tuple[Node, Node]:
    """Return maps less their mean, and the mean [N, C]."""
    mean = layers.mean(maps, 2, 3, keep=True)
    return layers.subtract(maps, mean), layers.ops().squeeze(mean, layers.axes(2, 3))


def _squared(x: Node) -> Node:
    return layers.multiply(x, x)


def _deviation(variance: Node) -> Node:
    return layers.ops().sqrt(layers.add(variance, 1e-12))


def _inside(maps: Node, first: int, last: int) -> Node:
    return layers.cut(layers.cut(maps, 2, first, last), 3, first, last)
