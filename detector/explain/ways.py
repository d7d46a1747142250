"""Which ways of looking into a model suit which kind of network; imports torch.

A family says nothing of methods: what it is made of decides. `KINDS` is the table.

Relevance shows through which places attention raised the answer "fake": each weight times the slope
of the log odds by it, summed over heads, layers and what attends. Weights are taken where PyTorch
computes them (`scaled_dot_product_attention`, which transformers and timm both call), in this
thread only, so families need not know of it.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from detector import runtime
from detector.models import registry
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


def methods_there(model_id: str) -> tuple[str, ...]:
    """Return `methods` of a model by its id, in the helper process."""
    return methods(_uncompiled(model_id))


def draw_there(method: str, model_id: str, batch: np.ndarray) -> np.ndarray | None:
    """Return `draw` of a model by its id, in the helper process."""
    return draw(method, _uncompiled(model_id), batch)


def _uncompiled(model_id: str) -> Model:
    """Return a model as PyTorch runs it, the only one in the process's memory."""
    for id, *_ in registry.loaded():
        if id != model_id:
            registry.unload(id)
    with runtime.uncompiled():
        return registry.load_model(model_id)


def methods(model: Model) -> tuple[str, ...]:
    """Return the ids of the ways that suit a model, the usual one first."""
    return KINDS[kind_of(model)]


def draw(method: str, model: Model, batch: np.ndarray) -> np.ndarray | None:
    """Look into a model by what PyTorch knows of it: uint8 [N, S, S, 3] (video models
    [N, T, S, S, 3]) -> float32 [N, h, w] ([N, T, h, w]) in 0..1, or None where this model can't
    show it."""
    model = model.whole()
    if method == "own":
        return model.explain(batch)
    if method == "relevance":
        return relevance(model, batch)
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
