"""A small VideoMAE over the feature maps of a MobileNetV2: does the face hold together over time?

VideoMAE (Tong et al. 2022, through `transformers`) needs far more clips than we have to learn from
pixels. As in the hybrid ViT (Dosovitskiy et al. 2021, section 3.1) it takes maps instead: those of
the trained frame model at 1/16 of the crop, 96 channels a frame, in patches of 2 x 2 cells and
tubelets of two frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector import runtime
from detector.models.base import ClipModel, Files, ModelSpec, check_batch
from detector.models.mobilenet import MIDDLE, MIDDLE_CHANNELS, MobileNetV2, fuse, to_input
from detector.weights import load_state, load_strict

STRIDE = 16
"""px of the crop a cell of the maps."""
TUBELET = 2
"""Frames in one token."""


class HybridVideoMae(nn.Module):
    """A frozen trunk, then VideoMAE with one logit of P(fake).

    `forward` takes float [N, T, 3, S, S] in -1..1 and gives [N].
    """

    def __init__(
        self,
        size: int = 160,
        frames: int = 16,
        hidden: int = 160,
        layers: int = 4,
        heads: int = 4,
        patch: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        from transformers import VideoMAEConfig, VideoMAEForVideoClassification

        self.trunk = MobileNetV2().features[:MIDDLE].eval().requires_grad_(False)
        # The maps have no fixed range; their statistics over the training clips give them one.
        self.register_buffer("mean", torch.zeros(MIDDLE_CHANNELS))
        self.register_buffer("std", torch.ones(MIDDLE_CHANNELS))
        self.mae = VideoMAEForVideoClassification(
            VideoMAEConfig(
                image_size=size // STRIDE,
                patch_size=patch,
                num_channels=MIDDLE_CHANNELS,
                num_frames=frames,
                tubelet_size=TUBELET,
                hidden_size=hidden,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                intermediate_size=2 * hidden,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
                num_labels=1,
                use_mean_pooling=True,
            )
        )

    def train(self, mode: bool = True) -> HybridVideoMae:
        """The trunk's statistics never follow the clips."""
        super().train(mode)
        self.trunk.eval()
        return self

    def maps(self, x: Tensor) -> Tensor:
        """[N, T, 3, S, S] -> [N, T, 96, S / 16, S / 16]."""
        n, t = x.shape[:2]
        return self.trunk(x.flatten(0, 1)).unflatten(0, (n, t))

    def judge(self, maps: Tensor) -> Tensor:
        """[N, T, 96, h, w] -> logits [N]."""
        shape = (1, 1, -1, 1, 1)
        scaled = (maps - self.mean.view(shape)) / self.std.view(shape)
        return self.mae(pixel_values=scaled).logits.squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.maps(x))


class VideoMae(ClipModel):
    """A trained hybrid."""

    def __init__(self, spec: ModelSpec, network: HybridVideoMae, device: str) -> None:
        super().__init__(spec)
        self._network = network
        self._device = device
        side = spec.crop.size
        example = torch.zeros(spec.clip_frames, 3, side, side, device=device)
        self._trunk = runtime.compile(network.trunk, example, device)

    def score(self, batch: np.ndarray) -> np.ndarray:
        """See `Model.score`. One clip at a time: memory does not grow with the batch."""
        check_batch(batch, self.spec)
        return np.array([self._judge(clip) for clip in batch], np.float32)

    def _judge(self, clip: np.ndarray) -> float:
        (maps,) = self._trunk(to_input(clip, self.spec, "cpu").numpy())
        with torch.inference_mode():
            return float(self._network.judge(torch.from_numpy(maps)[None].to(self._device))[0])

    def explain(self, batch: np.ndarray) -> np.ndarray:
        """Gradient times input on the maps, summed over channels, where it speaks for "fake".

        float32 [N, T, S / 16, S / 16] in 0..1, scaled a clip.
        """
        check_batch(batch, self.spec)
        side = self.spec.crop.size // STRIDE
        found = [np.zeros((0, self.spec.clip_frames, side, side), np.float32)]
        for clip in batch:
            with torch.no_grad():
                maps = self._network.maps(self._input(clip))
            # Gradients go to the maps alone, so nothing shared is written.
            maps = maps.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self._network.judge(maps).sum(), maps)
            speaks = (gradient * maps).sum(2).clamp_min(0).detach()
            top = speaks.max()
            found.append((speaks / top if top > 0 else speaks).float().cpu().numpy())
        return np.concatenate(found)

    def _input(self, clip: np.ndarray) -> Tensor:
        return to_input(clip, self.spec, self._device)[None]


def build(state: dict[str, Any], name: str = "videomae", **options: Any) -> HybridVideoMae:
    """A network in evaluation mode with these weights.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = HybridVideoMae(**options)
    load_strict(network, state, name)
    return network.eval().requires_grad_(False)


def load(spec: ModelSpec, files: Files, device: str) -> VideoMae:
    """Load a trained hybrid (one .safetensors file); `spec.options` gives its shape."""
    network = build(
        load_state(files[0]), spec.id, size=spec.crop.size, frames=spec.clip_frames, **spec.options
    )
    fuse(network.trunk).to(memory_format=torch.channels_last)
    return VideoMae(spec, network.to(device), device)
