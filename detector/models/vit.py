"""What vision transformers share. Their `target_layer` is the block before the last, so gradients
are taken of what follows alone and a network of a gigabyte needs no copy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from detector import runtime
from detector.models.network import TorchClipModel, TorchFrameModel, TorchModel

CLIP_L14 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
"""Radford et al. 2021, ViT-L/14, the vision half, as `openai/clip-vit-large-patch14` states it."""


def clip_vision() -> nn.Module:
    """Return CLIP ViT-L/14's vision half, without weights."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(CLIPVisionConfig(**CLIP_L14))


class _Transformer(TorchModel):
    """Score in bf16 where supported (weights/catalog/gend.md), else in float32; one that is
    compiled by itself."""

    def _infer(self, batch: Tensor) -> Tensor:
        if self.run is not None:
            return super()._infer(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=runtime.computes_in_bf16(self.device)):
            return self.forward(batch)


class TokenModel(_Transformer, TorchFrameModel):
    """A vision transformer on single pictures."""

    BATCH = 4  # a block's maps of ViT-L take 20 MB an item


class TokenClipModel(_Transformer, TorchClipModel):
    """A vision transformer on clips."""


class _SkipInit(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        if func in _RANDOM:
            # Not what memory held before: a truncated normal is drawn until all of it is in bounds.
            return args[0].zero_()
        return func(*args, **kwargs)


_DRAWING = ("torch.nn.init", "transformers.initialization")
"""The latter puts its own in the former's places while it builds a network."""
_RANDOM = frozenset({Tensor.uniform_, Tensor.normal_, Tensor.erfinv_})


@contextmanager
def skip_init() -> Iterator[None]:
    """Build a network in this thread without random weights, which take seconds for nothing."""
    with _SkipInit():
        yield
