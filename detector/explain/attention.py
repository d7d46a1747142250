"""Attention rollout: what a transformer's answer was put together from.

Attention weights are taken where PyTorch computes them (`scaled_dot_product_attention`, which
transformers and timm both call), in this thread only, so families need not know of it. Each layer's
weights, with its skip connection as an identity, are multiplied through. It shows where information
came from, not whether it spoke for "fake".
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from detector.models.base import Model, check_batch
from detector.models.network import TorchModel, layout


class _Attention(TorchFunctionMode):
    """Keeps the weights of every attention that is computed inside, mean over heads."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[Tensor] = []

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            query, key = args[:2] if len(args) > 1 else (kwargs["query"], kwargs["key"])
            scale = kwargs.get("scale") or query.shape[-1] ** -0.5
            self.layers.append((query @ key.transpose(-2, -1) * scale).softmax(-1).mean(1))
        return func(*args, **kwargs)


def roll(layers: list[Tensor]) -> Tensor:
    """Multiply attention of all layers, [N, T, T] each: row i is token i's parts, summing to 1."""
    tokens = layers[0].shape[-1]
    identity = torch.eye(tokens)
    rolled = identity.expand(len(layers[0]), tokens, tokens)
    for weights in layers:
        rolled = (0.5 * weights.float().cpu() + 0.5 * identity) @ rolled
    return rolled


def rollout(model: Model, batch: np.ndarray) -> np.ndarray | None:
    """Return what a transformer attended to, over all its layers: uint8 [N, S, S, 3] (clip models
    [N, T, S, S, 3]) -> float32 [N, g, g] ([N, T, g, g]) in 0..1; None without square attention over
    patches."""
    if not isinstance(model, TorchModel):
        return None
    check_batch(batch, model.spec)
    maps = []
    for x in model.batches(batch, 1):  # layers x tokens x tokens is a lot to keep
        with torch.no_grad(), _Attention() as seen:
            model.network(x)
        layers = [w for w in seen.layers if w.shape[-1] == w.shape[-2]]
        layers = [w for w in layers if w.shape == layers[0].shape]
        if not layers:
            return None
        values = _places(model, roll(layers)[0])
        low, high = values.min(), values.max()
        maps.append(((values - low) / max(float(high - low), 1e-12)).astype(np.float32))
    return np.stack(maps) if maps else None


def _places(model: TorchModel, rolled: Tensor) -> np.ndarray:
    """Return what the answer is made of, by place: [g, g], or [T, g, g] for a clip model."""
    frames = model.spec.clip_frames if model.spec.kind == "clip" else 0
    prefix, steps, side = layout(len(rolled), frames or 1)
    # The class token answers where there is one, else the mean of all.
    row = rolled[0] if prefix else rolled.mean(0)
    places = row[prefix:].reshape(steps, side, side).numpy()
    shown: np.ndarray = places[np.arange(frames) * steps // frames] if frames else places[0]
    return shown
