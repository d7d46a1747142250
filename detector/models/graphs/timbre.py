"""Timbre as a graph, and the sizes that it shares with the network of `families/timbre.py`, which
describes what it computes."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import prod
from typing import Any

from detector.models.graphs import layers, lite
from detector.models.graphs.layers import Node, State
from detector.models.sounds import SHAPES

WIDTH, HEADS, DEPTH = 384, 6, 3
STEPS = 200  # Steps of 20 ms that Whisper's positions are kept for, 4 s
STAGES = ((1, 4), (3, 4), (3, 4))
"""of EfficientNet-Lite0 whose output is read of each spectrogram, counted from 0"""
MAPS = 4  # Bands that the output of a stage is averaged to
TOLD = 2
"""The part of the statistics by which `detector.models.unlike` tells speech unlike all that was
tested"""


def graph(state: State) -> Any:
    """Return the network: spectra of a window, float [N, n] -> one logit, [N, 1], and the
    statistics `TOLD`."""
    x = layers.parameter(-1, sum(map(prod, SHAPES)))
    *pictures, mels, modulation = (
        layers.reshape(layers.cut(x, 1, start, stop), 0, *shape)
        for (start, stop), shape in zip(
            pairwise(accumulate(map(prod, SHAPES), initial=0)), SHAPES, strict=True
        )
    )
    rows = [
        rows
        for picture, stages in zip(pictures, STAGES, strict=True)
        for rows in _rows(picture, stages, state)
    ]
    described = [_moments(part) for part in [*rows, *_encoded(mels, state)]]
    logit = layers.linear(layers.ops().concat([*described, modulation], 1), state, "head")
    return layers.model([logit, described[TOLD]], x)


def _rows(picture: Node, stages: tuple[int, ...], state: State) -> list[Node]:
    """Return the output of some stages, averaged to bands: [N, T, C * MAPS] each."""
    ops = layers.ops()
    gray = ops.unsqueeze(picture, layers.axes(1))
    found = lite.stages(ops.concat([gray] * 3, 1), state, "trunk")
    rows = []
    for stage in stages:
        _n, channels, high, wide = (d.get_length() if d.is_static else 0
                                    for d in found[stage].get_output_partial_shape(0))  # fmt: skip
        bands = layers.mean(layers.reshape(found[stage], 0, channels, MAPS, high // MAPS, wide), 3)
        rows.append(layers.transpose(layers.reshape(bands, 0, channels * MAPS, wide), 0, 2, 1))
    return rows


def _moments(x: Node) -> Node:
    """Return mean, spread and change over time: [N, T, C] -> [N, 3 C]."""
    length = x.get_output_partial_shape(0)[1].get_length()
    changes = layers.subtract(layers.cut(x, 1, 1, length), layers.cut(x, 1, 0, length - 1))
    parts = [layers.mean(x, 1), _spread(x, length), _spread(changes, length - 1)]
    return layers.ops().concat(parts, 1)


def _spread(x: Node, length: int) -> Node:
    """Return the standard deviation over time, as of a sample."""
    apart = layers.subtract(x, layers.mean(x, 1, keep=True))
    square = layers.mean(layers.multiply(apart, apart), 1)
    return layers.ops().sqrt(layers.multiply(square, length / (length - 1)))


def _encoded(mels: Node, state: State) -> list[Node]:
    """Return the steps after Whisper's second and third layer, [N, T / 2, 384] each."""
    ops = layers.ops()
    x = mels
    for name, stride in (("first", 1), ("second", 2)):
        maps = layers.convolve(x, state[f"encoder.{name}.weight"], stride, pad=1)
        bias = layers.channels(state[f"encoder.{name}.bias"], 1)
        x = ops.gelu(layers.add(maps, bias), "erf")
    x = layers.transpose(x, 0, 2, 1)
    length = x.get_output_partial_shape(0)[1].get_length()
    x = layers.add(x, state["encoder.positions"][None, :length])
    found = []
    for number in range(DEPTH):
        x = _layer(x, state, f"encoder.layers.{number}")
        found.append(x)
    return found[-2:]


def _layer(x: Node, state: State, name: str) -> Node:
    """Return the steps after one of Whisper's layers."""
    normal = layers.layer_norm(x, state, f"{name}.attention_norm")
    joined = layers.linear(normal, state, f"{name}.inwards")
    split = layers.transpose(layers.reshape(joined, 0, 0, 3, HEADS, WIDTH // HEADS), 2, 0, 3, 1, 4)
    attended = layers.attend(*(layers.pick(split, 0, number) for number in range(3)))
    attended = layers.reshape(layers.transpose(attended, 0, 2, 1, 3), 0, 0, WIDTH)
    x = layers.add(x, layers.linear(attended, state, f"{name}.outwards"))
    wide = layers.linear(layers.layer_norm(x, state, f"{name}.linear_norm"), state, f"{name}.wide")
    return layers.add(x, layers.linear(layers.ops().gelu(wide, "erf"), state, f"{name}.narrow"))
