"""The first stages of EfficientNet-Lite0 (timm's `tf_efficientnet_lite0`) as a graph."""

from __future__ import annotations

import numpy as np

from detector.models.graphs import layers
from detector.models.graphs.layers import Node, State

STRIDES = (1, 2, 2, 2, 1)
"""of the first block of each stage"""
EPS = 1e-3


def stages(x: Node, state: State, name: str) -> list[Node]:
    """Return the output of each stage, [N, C, h, w], of pictures [N, 3, H, W]."""
    stem = state[f"{name}.conv_stem.weight"]
    x = _normal(layers.convolve(x, stem, 2, same=True), state, f"{name}.bn1")
    found = []
    for stage, stride in enumerate(STRIDES):
        number = 0
        while f"{name}.blocks.{stage}.{number}.conv_dw.weight" in state:
            x = _block(x, state, f"{name}.blocks.{stage}.{number}", 1 if number else stride)
            number += 1
        found.append(x)
    return found


def _block(x: Node, state: State, name: str, stride: int) -> Node:
    """Return an inverted residual; in the first stage, without widening."""
    depthwise = state[f"{name}.conv_dw.weight"]
    widened = f"{name}.conv_pwl.weight" in state
    out, norms = x, ("bn2", "bn3") if widened else ("bn1", "bn2")
    if widened:
        wide = layers.convolve(out, state[f"{name}.conv_pw.weight"])
        out = _normal(wide, state, f"{name}.bn1")
    pad = {"same": True} if stride > 1 else {"pad": depthwise.shape[-1] // 2}
    out = _normal(layers.convolve(out, depthwise, stride, **pad), state, f"{name}.{norms[0]}")
    narrow = state[f"{name}.conv_pwl.weight" if widened else f"{name}.conv_pw.weight"]
    out = _normal(layers.convolve(out, narrow), state, f"{name}.{norms[1]}", active=False)
    kept = stride == 1 and widened and narrow.shape[0] == state[f"{name}.conv_pw.weight"].shape[1]
    return layers.add(x, out) if kept else out


def _normal(x: Node, state: State, name: str, *, active: bool = True) -> Node:
    """Return batch normalization, and what ReLU6 makes of it."""
    part = {key: state[f"{name}.{key}"].astype(np.float32) for key in _PARTS}
    scale = part["weight"] / np.sqrt(part["running_var"] + EPS)
    shift = part["bias"] - part["running_mean"] * scale
    x = layers.add(layers.multiply(x, layers.channels(scale)), layers.channels(shift))
    return layers.ops().clamp(x, 0.0, 6.0) if active else x


_PARTS = ("weight", "bias", "running_mean", "running_var")
