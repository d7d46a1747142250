"""Which ways of looking into a model suit which kind of network; imports torch.

A family says nothing of methods: what it is made of decides. `KINDS` is the table.

Relevance shows through which places attention raised the answer "fake": each weight times the slope
of the log odds by it, summed over heads, layers and what attends. Weights are taken where PyTorch
computes them (`scaled_dot_product_attention`, which transformers and timm both call), in this
thread only, so families need not know of it.

Occlusion needs to know nothing of a model: a square of the crop is replaced by a strong blur of
itself; how much the log odds of "fake" fall is how much that place mattered.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from detector.models.base import Model, check_batch
from detector.models.network import TokenModel, TokenVideoModel, TorchModel, layout

KINDS: dict[str, tuple[str, ...]] = {
    "convolutions": ("gradcam", "gradcam++", "occlusion"),
    "tokens": ("relevance", "gradcam", "gradcam++", "occlusion"),
    "own map": ("own", "occlusion"),
    "own map over convolutions": ("own", "gradcam", "gradcam++", "occlusion"),
    "closed": ("occlusion",),
}
"""What suits which kind of network, the usual one first."""


def kind_of(model: Model) -> str:
    """Return what a model is made of: a key of `KINDS`."""
    model = model.whole()
    if isinstance(model, TokenModel | TokenVideoModel):
        return "tokens"
    watched = isinstance(model, TorchModel) and model.target_layer is not None
    if type(model).explain is not Model.explain:
        return "own map over convolutions" if watched else "own map"
    return "convolutions" if watched else "closed"


def methods(model: Model) -> tuple[str, ...]:
    """Return the ids of the ways that suit a model, the usual one first."""
    return KINDS[kind_of(model)]


def draw(
    method: str,
    model: Model,
    batch: np.ndarray,
    on_progress: Callable[[float], object] | None = None,
) -> np.ndarray | None:
    """Look into a model: uint8 [N, S, S, 3] (video models [N, T, S, S, 3]) -> float32 [N, h, w]
    ([N, T, h, w]) in 0..1, or None where this model can't show it."""
    model = model.whole()
    if method == "own":
        return model.explain(batch)
    if method == "relevance":
        return relevance(model, batch)
    if method == "occlusion":
        return occlude(model, batch, on_progress)
    from detector.explain import cam  # of the extra `report`; takes a second to import

    return cam.draw(model, batch, method)


class _Attention(TorchFunctionMode):
    """Keeps the weights of every attention that is computed inside, [N, heads, T, T], in the graph
    of gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention or kwargs.get("attn_mask") is not None:
            return func(*args, **kwargs)
        query, key, value = (
            args[:3] if len(args) > 2 else map(kwargs.get, ("query", "key", "value"))
        )
        scale = kwargs.get("scale") or query.shape[-1] ** -0.5
        weights = (query @ key.transpose(-2, -1) * scale).softmax(-1)
        self.layers.append(weights if weights.requires_grad else weights.requires_grad_())
        return weights @ value


def relevance(model: Model, batch: np.ndarray) -> np.ndarray | None:
    """Return the places through which a transformer's attention raised the log odds of "fake":
    uint8 [N, S, S, 3] (video models [N, T, S, S, 3]) -> float32 [N, g, g] ([N, T, g, g]) in 0..1;
    None without square attention over patches."""
    if not isinstance(model, TorchModel):
        return None
    check_batch(batch, model.spec)
    maps = []
    for x in model.batches(batch, 1):  # layers x tokens x tokens is a lot to keep
        with torch.enable_grad(), _Attention() as seen:
            answer = model.log_odds(model.network(x)).sum()
        layers = [w for w in seen.layers if w.shape[-1] == w.shape[-2]]
        layers = [w for w in layers if w.shape == layers[0].shape]
        if not layers:
            return None
        slopes = torch.autograd.grad(answer, layers, allow_unused=True)
        raised = sum(
            (w * s)[0].sum((0, 1)) for w, s in zip(layers, slopes, strict=True) if s is not None
        )
        values = _places(model, torch.as_tensor(raised).detach().float().cpu().clamp(min=0))
        maps.append((values / max(float(values.max()), 1e-12)).astype(np.float32))
    return np.stack(maps) if maps else None


def _places(model: TorchModel, tokens: Tensor) -> np.ndarray:
    """Lay out a number a token, [T], by place: [g, g], or [frames, g, g] for a video model."""
    frames = model.spec.clip_frames if model.spec.kind == "video" else 0
    prefix, steps, side = layout(len(tokens), frames or 1)
    places = tokens[prefix:].reshape(steps, side, side).numpy()
    return places[np.arange(frames) * steps // frames] if frames else places[0]


GRID = 7  # Places a side
PART = 2 / 7
"""Side of the hidden square, in sides of the crop: two places, so that neighbors overlap."""
BATCH = 8


def occlude(
    model: Model, batch: np.ndarray, on_progress: Callable[[float], object] | None = None
) -> np.ndarray:
    """Return where hiding a part lowers the score: uint8 [N, S, S, 3] (video models
    [N, T, S, S, 3], the same place in all frames) -> float32 [N, 7, 7] ([N, T, 7, 7]) in 0..1.
    `on_progress` gets the share done and may raise to stop."""
    clip = batch.ndim == 5
    maps = []
    for number, item in enumerate(batch):
        falls = np.zeros(GRID * GRID, np.float32)
        whole = float(model.score(item[None])[0])
        blurred = np.stack([_blurred(picture) for picture in item]) if clip else _blurred(item)
        step = 1 if clip else BATCH
        for start in range(0, len(falls), step):
            places = range(start, min(start + step, len(falls)))
            hidden = np.stack([_hide(item, blurred, *divmod(place, GRID)) for place in places])
            falls[start : start + step] = whole - model.score(hidden)
            if on_progress:
                done = min(start + step, len(falls)) / len(falls)
                on_progress((number + done) / len(batch))
        mattered = np.maximum(falls, 0).reshape(GRID, GRID)
        mattered = mattered / max(float(mattered.max()), 1e-9)
        maps.append(np.repeat(mattered[None], len(item), axis=0) if clip else mattered)
    return np.stack(maps) if maps else np.zeros((0, GRID, GRID), np.float32)


def _blurred(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), len(picture) / 10)


def _hide(item: np.ndarray, blurred: np.ndarray, row: int, column: int) -> np.ndarray:
    """Return one place blurred away in a picture, or in all pictures of a run."""
    out = item.copy()
    height, width = item.shape[-3:-1]
    top, left = (
        round((place + 0.5) / GRID * side - PART * side / 2)
        for place, side in ((row, height), (column, width))
    )
    bottom, right = top + round(PART * height), left + round(PART * width)
    part = (..., slice(max(top, 0), bottom), slice(max(left, 0), right), slice(None))
    out[part] = blurred[part]
    return out
