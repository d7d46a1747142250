"""MobileNetV2 with a second look, at the noise of the picture, trained by `detector.training`.

What high-pass filters leave of a picture goes through a few depthwise-separable blocks of its own,
and is pooled beside the features of the trunk (late fusion, as the noise stream of Zhou et al.,
CVPR 2018). Either can be had alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.families import mobilenet
from detector.models.families.mobilenet import InvertedResidual, SameConv, init_weights, unit
from detector.models.network import TorchFrameModel
from detector.signals.noise import SQUARE_5
from detector.weights import load_state, load_strict

# channels, stride: the picture's side is halved before the first of them
BLOCKS = ((24, 1), (48, 2), (48, 1), (96, 2), (96, 1), (96, 2))
FEATURES = 128
LIMIT = 4.0
"""Grey levels at which what the filters leave is cut off: edges of the content would drown the
noise otherwise."""

SQUARE_3 = np.pad(np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], np.float32) / 4, 1)
LINE = np.pad(np.array([[1, -2, 1]], np.float32) / 2, ((2, 2), (1, 1)))
"""Second difference along a row."""
BANK = np.stack([SQUARE_5, SQUARE_3, LINE])
"""float32 [3, 5, 5]: the three that two-stream networks look through (Zhou et al., Learning Rich
Features for Image Manipulation Detection, CVPR 2018)."""


class NoiseResiduals(nn.Module):
    """What the filters leave of each color: [N, 3, S, S] in -1..1 -> [N, 9, S, S] in -1..1."""

    bank: Tensor

    def __init__(self) -> None:
        super().__init__()
        bank = torch.from_numpy(np.tile(BANK, (3, 1, 1)))[:, None]
        self.register_buffer("bank", bank, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # Half the bits would round away what is looked for.
        with torch.autocast(x.device.type, enabled=False):
            levels = F.pad(127.5 * x.float(), (2, 2, 2, 2), mode="replicate")
            return F.conv2d(levels, self.bank, groups=3).clamp(-LIMIT, LIMIT) / LIMIT


def branch() -> nn.Sequential:
    """float [N, 3, S, S] in -1..1 -> maps [N, 128, S / 16, S / 16]."""
    channels = BLOCKS[0][0]
    layers: list[nn.Module] = [NoiseResiduals(), unit(SameConv(9, channels, 2))]
    for outputs, stride in BLOCKS:
        layers.append(InvertedResidual(channels, outputs, stride, expansion=2))
        channels = outputs
    layers.append(unit(nn.Conv2d(channels, FEATURES, 1, bias=False)))
    return init_weights(nn.Sequential(*layers))


class ResidualNet(nn.Module):
    """The trunk, the branch, and one logit of P(fake) over both.

    `forward` takes float [N, 3, S, S] in -1..1 (x / 127.5 - 1), S a multiple of 32, and gives [N].

    Parameters
    ----------
    trunk : bool
        False: the branch alone.
    frozen : bool
        In training the trunk stays as it is, its statistics too.
    """

    def __init__(self, trunk: bool = True, frozen: bool = False, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = mobilenet.MobileNetV2().features if trunk else None
        self.residual = branch()
        self.joined = nn.Identity()
        width = FEATURES + (mobilenet.FEATURES if trunk else 0)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, 1))
        self.frozen = frozen
        if frozen and self.features is not None:
            self.features.requires_grad_(False)

    def train(self, mode: bool = True) -> ResidualNet:
        super().train(mode)
        if self.frozen and self.features is not None:
            self.features.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Pooled features: [N, 1408], of the trunk first; [N, 128] of the branch alone."""
        maps = self.residual(x)
        if self.features is not None:
            # On one grid, so that one heatmap shows what either saw.
            content = F.interpolate(self.features(x), maps.shape[-2:])
            maps = torch.cat([content, maps], 1)
        return self.joined(maps).mean((2, 3))

    def judge(self, features: Tensor) -> Tensor:
        """Logits of pooled features: [N]."""
        return self.classifier(features).squeeze(1)


def build(state: dict[str, Any], name: str = "residual") -> ResidualNet:
    """Return a network in evaluation mode with these weights, with a trunk if they hold one.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = ResidualNet(trunk=any(key.startswith("features.") for key in state))
    load_strict(network, state, name)
    ready: ResidualNet = network.eval().requires_grad_(False)
    return ready


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a trained network (one .safetensors file)."""
    network = mobilenet.fuse(build(load_state(files[0]), spec.id)).to(device)
    network = network.to(memory_format=torch.channels_last)
    side = spec.crop.size
    run = runtime.compile(network, torch.zeros(2, 3, side, side, device=device), device)
    return TorchFrameModel(spec, network, device, network.joined, run)
