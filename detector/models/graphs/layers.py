"""Layers of an OpenVINO graph, made from tensors in numpy: each returns the node of its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from detector import runtime

State = Mapping[str, np.ndarray]
"""Tensors of a network by name"""
Node = Any
"""Output of a layer"""


def ops() -> Any:
    """Return OpenVINO's operations."""
    return runtime.openvino().opset13


def constant(values: object, kind: type = np.float32) -> Node:
    """Return a constant; float16 and float64 become float32."""
    return ops().constant(np.asarray(values, kind, order="C"))


def axes(*values: int) -> Node:
    """Return axes or sizes."""
    return constant(values, np.int64)


def parameter(*shape: int) -> Node:
    """Return the input, float32; -1: of any size."""
    return ops().parameter(runtime.openvino().PartialShape(list(shape)), np.float32, name="x")


def model(outputs: Sequence[Node], x: Node) -> Any:
    """Return the network from its input to its outputs."""
    return runtime.openvino().Model([ops().result(node) for node in outputs], [x])


def add(a: Node, b: Node) -> Node:
    """Return a + b; a node, an array or a number each."""
    return ops().add(_node(a), _node(b))


def subtract(a: Node, b: Node) -> Node:
    """Return a - b."""
    return ops().subtract(_node(a), _node(b))


def multiply(a: Node, b: Node) -> Node:
    """Return a * b."""
    return ops().multiply(_node(a), _node(b))


def divide(a: Node, b: Node) -> Node:
    """Return a / b."""
    return ops().divide(_node(a), _node(b))


def _node(value: object) -> Node:
    return constant(value) if isinstance(value, np.ndarray | np.generic | float | int) else value


def linear(x: Node, state: State, name: str) -> Node:
    """Return x @ weight.T + bias."""
    product = ops().matmul(x, constant(state[f"{name}.weight"]), False, True)
    return add(product, state[f"{name}.bias"])


def layer_norm(x: Node, state: State | None = None, name: str = "", eps: float = 1e-5) -> Node:
    """Return the last axis with mean 0 and variance 1, with the weight and bias of a state."""
    normal = ops().mvn(x, axes(-1), True, eps, "inside_sqrt")
    if state is None:
        return normal
    return add(multiply(normal, state[f"{name}.weight"]), state[f"{name}.bias"])


def unit(x: Node) -> Node:
    """Return the last axis with length 1, as torch's `normalize`."""
    length = ops().reduce_l2(x, axes(-1), True)
    return divide(x, ops().maximum(length, constant(1e-12)))


def reshape(x: Node, *shape: int) -> Node:
    """Return another shape; 0: as it was, -1: the rest."""
    return ops().reshape(x, axes(*shape), True)


def transpose(x: Node, *order: int) -> Node:
    """Return the axes in another order."""
    return ops().transpose(x, axes(*order))


def cut(x: Node, axis: int, start: int, stop: int) -> Node:
    """Return a part along an axis."""
    return ops().slice(x, axes(start), axes(stop), axes(1), axes(axis))


def pick(x: Node, axis: int, place: int | Sequence[int]) -> Node:
    """Return one place along an axis, which ends, or several."""
    return ops().gather(x, constant(place, np.int64), constant(axis, np.int64))


def mean(x: Node, *along: int, keep: bool = False) -> Node:
    """Return the mean along axes."""
    return ops().reduce_mean(x, axes(*along), keep)


def attend(query: Node, key: Node, value: Node) -> Node:
    """Return scaled dot product attention, [N, heads, T, size]."""
    return ops().scaled_dot_product_attention(query, key, value)


def convolve(
    x: Node, weight: np.ndarray, stride: int = 1, *, pad: int = 0, same: bool = False
) -> Node:
    """Return a convolution in one or two dimensions; `same`: padded as TensorFlow does. A weight
    [channels, 1, …] of more than one channel is that of a depthwise convolution."""
    space = weight.ndim - 2
    steps, ends, ones = [stride] * space, [pad] * space, [1] * space
    padding = "same_upper" if same else "explicit"
    if weight.shape[1] == 1 and weight.shape[0] > 1:
        grouped = constant(weight[:, None])
        return ops().group_convolution(x, grouped, steps, ends, ends, ones, padding)
    return ops().convolution(x, constant(weight), steps, ends, ends, ones, padding)


def channels(values: np.ndarray, space: int = 2) -> np.ndarray:
    """Return a value for each channel, to add to maps [N, C, …]."""
    return values.reshape(1, -1, *[1] * space)
