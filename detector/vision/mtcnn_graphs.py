"""MTCNN's networks as OpenVINO graphs, from the weights in facenet-pytorch's wheel."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from detector.models.graphs import layers
from detector.models.graphs.layers import Node, State

POOLS: dict[str, tuple[int, ...]] = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}
"""Side of the pooling after each of the first convolutions, with a stride of 2"""
OUTPUTS = {
    "pnet": ("conv4_2", "conv4_1"),
    "rnet": ("dense5_2", "dense5_1"),
    "onet": ("dense6_2", "dense6_3", "dense6_1"),
}
"""Last layers, in the order of the original's outputs; the last of them ends in softmax"""
SIDES = {"pnet": -1, "rnet": 24, "onet": 48}
"""of the pictures that each is shown, px; -1: any"""


def graph(name: str) -> Any:
    """Return P-Net ("pnet"), R-Net or O-Net: pictures 0..255, float [N, side, side, 3] -> the
    original's outputs."""
    state, side = weights(shipped(name)), SIDES[name]
    x = layers.parameter(-1, side, side, 3)
    maps = layers.transpose(x, 0, 3, 1, 2)
    maps = layers.multiply(layers.subtract(maps, 127.5), 0.0078125)
    layer = 1
    while f"conv{layer}.weight" in state:
        maps = _last(maps, state, f"conv{layer}")
        maps = _prelu(maps, state, layer)
        if layer <= len(POOLS[name]):
            maps = _pooled(maps, POOLS[name][layer - 1])
        layer += 1
    if (dense := state.get(f"dense{layer}.weight")) is not None:
        flat = layers.transpose(maps, 0, 3, 2, 1)
        maps = layers.linear(layers.reshape(flat, -1, dense.shape[1]), state, f"dense{layer}")
        maps = _prelu(maps, state, layer)
    found = [_last(maps, state, part) for part in OUTPUTS[name]]
    found[-1] = layers.ops().softmax(found[-1], 1)
    return layers.model(found, x)


def _prelu(x: Node, state: State, layer: int) -> Node:
    return layers.ops().prelu(x, layers.constant(state[f"prelu{layer}.weight"]))


def _pooled(x: Node, side: int) -> Node:
    pooled = layers.ops().max_pool(
        x, [2, 2], [1, 1], [0, 0], [0, 0], [side, side], "ceil", "explicit"
    )
    return pooled.output(0)


def _last(x: Node, state: State, name: str) -> Node:
    if state[f"{name}.weight"].ndim == 2:
        return layers.linear(x, state, name)
    maps = layers.convolve(x, state[f"{name}.weight"])
    return layers.add(maps, layers.channels(state[f"{name}.bias"]))


def shipped(name: str) -> Path:
    """Return a weight file of the wheel, whose package is not imported: it imports PyTorch."""
    found = find_spec("facenet_pytorch")
    assert found and found.submodule_search_locations
    return Path(found.submodule_search_locations[0], "data", f"{name}.pt")


def weights(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file that `torch.save` wrote before it made archives: pickles, then
    the values. Raise UnpicklingError for anything but float32 tensors."""
    with path.open("rb") as stream:
        for _header in range(3):
            _TensorReader(stream).load()
        reader = _TensorReader(stream)
        tensors, keys = reader.load(), _TensorReader(stream).load()
        values = {key: _values(stream) for key in keys}
    return {name: tensor.of(values[tensor.storage]) for name, tensor in tensors.items()}


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides in values."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, values: np.ndarray) -> np.ndarray:
        steps = [values.itemsize * stride for stride in self.strides]
        return np.ndarray(self.shape, values.dtype, values, values.itemsize * self.offset, steps)


def _values(stream: BinaryIO) -> np.ndarray:
    count = int.from_bytes(stream.read(8), "little")
    return np.frombuffer(stream.read(4 * count), "<f4")


class _TensorReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
            ("torch", "FloatStorage"): None,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a float32 tensor")
        return known[module, name]

    def persistent_load(self, pid: Any) -> str:
        _kind, _storage, key, *_rest = pid
        return str(key)


def _rebuilt(storage: str, offset: int, shape: Any, strides: Any, *_rest: object) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))
