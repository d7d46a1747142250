"""What vision transformers share: CLIP's vision half, and a picture of what raised a score.

Where a model looked is Grad-CAM (Selvaraju et al. 2017) on the tokens in front of its last block.
Gradients are taken of what follows alone, so a network of a gigabyte needs no copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from detector.models.base import check_batch
from detector.models.network import (
    EXPLAINED,
    TorchClipModel,
    TorchFrameModel,
    TorchModel,
    forward_hook,
    scaled,
)

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
    """CLIP ViT-L/14's vision half."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(CLIPVisionConfig(**CLIP_L14))


class _Explained(TorchModel):
    """A network of tokens; `target_layer` is the block before the last."""

    BATCH = 4  # a block's maps of ViT-L take 20 MB an item

    def explain(self, batch: np.ndarray) -> np.ndarray | None:
        """Grad-CAM towards "fake" on the output of the target block.

        float32 [N, g, g], g patches a side (a clip model [N, t, g, g], t tubelets), 0..1; all
        zeros where nothing spoke for "fake".
        """
        check_batch(batch, self.spec)
        if self.target_layer is None or not len(batch):
            return None
        clip = self.spec.kind == "clip"
        maps = []
        for start in range(0, len(batch), 1 if clip else EXPLAINED):
            items = batch[start : start + (1 if clip else EXPLAINED)]
            x = torch.stack([self.preprocess(item) for item in items])
            tokens, gradient = self._slope(x.to(self.device))
            maps.append(scaled(_laid_out(tokens, gradient, self.spec.clip_frames if clip else 0)))
        return np.concatenate(maps)

    def _slope(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the target block gave, and how the log odds rise with it."""
        assert self.target_layer is not None
        seen: list[Tensor] = []

        def keep(output: Tensor) -> Tensor:
            # A leaf: gradients go to it alone, so nothing shared is written.
            seen.append(output.detach().requires_grad_(True))
            return seen[-1].clone()

        with forward_hook(self.target_layer, keep), torch.enable_grad():
            odds = self.log_odds(self.network(x))
        (gradient,) = torch.autograd.grad(odds.sum(), seen[0])
        return seen[0].detach(), gradient


def _laid_out(tokens: Tensor, gradient: Tensor, frames: int) -> Tensor:
    """What spoke for "fake" in tokens [N, n, C] or maps [N, C, h, w]: [N, (t,) g, g]."""
    if tokens.dim() == 4:
        return (gradient.mean((2, 3), keepdim=True) * tokens).sum(1).clamp_min(0)
    prefix, steps, side = layout(tokens.shape[1], frames or 1)
    gradient, tokens = gradient[:, prefix:], tokens[:, prefix:]
    maps = (gradient.mean(1, keepdim=True) * tokens).sum(2).clamp_min(0)
    return maps.unflatten(1, (steps, side, side) if frames else (side, side))


def layout(count: int, frames: int) -> tuple[int, int, int]:
    """How many of `count` tokens stand in front (class, registers), and how the others lie: steps
    in time (tubelets of one or more of the frames; the most that leave squares), and a side."""
    for prefix in range(count):
        for steps in range(frames, 0, -1):
            side = math.isqrt((count - prefix) // steps)
            if steps * side * side == count - prefix:
                return prefix, steps, side
    raise ValueError(f"{count} tokens are no picture")


class TokenModel(_Explained, TorchFrameModel):
    """A vision transformer on single pictures."""


class TokenClipModel(_Explained, TorchClipModel):
    """A vision transformer on clips."""

    BATCH = 1


class _Unfilled(TorchFunctionMode):
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
def unfilled() -> Iterator[None]:
    """Build a network without drawing its random weights, which takes seconds for nothing when all
    of them are loaded strictly. Of this thread alone."""
    with _Unfilled():
        yield
