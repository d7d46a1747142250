"""MobileNetV2 on single face crops (Sandler et al. 2018).

The network has torchvision's names, so its published state dicts fit, but pads as TensorFlow does
on stride-2 convolutions ("SAME": bottom and right), since the trunk it starts from was trained so.
Written out here rather than taken from torchvision because of that padding.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel
from detector.weights import load_state, load_strict

# expansion, channels, repeats, stride: table 2 of the paper
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FEATURES = 1280
MIDDLE = 14
"""`features[:MIDDLE]` ends with the last stage at 1/16 of the input."""
MIDDLE_CHANNELS = 96

N = TypeVar("N", bound=nn.Module)


class SamePad(nn.Module):
    """Zeros at the bottom and right, as TensorFlow's "SAME" for a 3 x 3 kernel of stride 2."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        # An odd side needs one pixel on both ends, an even one only after.
        return F.pad(x, (width % 2, 1, height % 2, 1))


class SameConv(nn.Conv2d):
    """A 3 x 3 convolution, padded as TensorFlow pads it."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1) -> None:
        padding = 0 if stride == 2 else 1
        super().__init__(inputs, outputs, 3, stride, padding, groups=groups, bias=False)
        self.same = SamePad() if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.same(x))


def unit(conv: nn.Conv2d) -> nn.Sequential:
    """Return a convolution with its norm and activation."""
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU6(inplace=True))


def init_weights(network: N) -> N:
    """Draw convolutions whose signal survives 53 layers, unlike torch's default."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return network


class InvertedResidual(nn.Module):
    """Expand, filter per channel, project; with a short cut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(unit(nn.Conv2d(inputs, hidden, 1, bias=False)))
        layers += [
            unit(SameConv(hidden, hidden, stride, groups=hidden)),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.short = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.short else self.conv(x)


class MobileNetV2(nn.Module):
    """The trunk and one logit of P(fake).

    `forward` takes float [N, 3, S, S] in -1..1 (x / 127.5 - 1) and gives [N].
    """

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = [unit(SameConv(3, 32, 2))]
        channels = 32
        for expansion, outputs, repeats, stride in STAGES:
            for index in range(repeats):
                layers.append(
                    InvertedResidual(channels, outputs, stride if index == 0 else 1, expansion)
                )
                channels = outputs
        layers.append(unit(nn.Conv2d(channels, FEATURES, 1, bias=False)))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(FEATURES, 1))
        init_weights(self.features)

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Pooled features: [N, 1280]."""
        return self.features(x).mean((2, 3))

    def judge(self, features: Tensor) -> Tensor:
        """Logits of pooled features: [N]."""
        return self.classifier(features).squeeze(1)


def fuse(network: N) -> N:
    """Fold each batch norm into the convolution before it: the same function, a fifth faster."""
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            conv, norm = module[index], module[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(conv, norm)
                module[index + 1] = nn.Identity()
    return network


def build(state: dict[str, Any], name: str = "mobilenet") -> MobileNetV2:
    """Return a network with these weights in evaluation mode; raise WeightsError."""
    network = MobileNetV2()
    load_strict(network, state, name)  # fp16 in the file becomes fp32 here
    network.eval().requires_grad_(False)
    return network


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a trained MobileNetV2 (one .safetensors file)."""
    network = fuse(build(load_state(files[0]), spec.id)).to(device)
    # On a CPU channels_last takes half the time.
    network = network.to(memory_format=torch.channels_last)
    side = spec.crop.size
    run = runtime.compile(network, torch.zeros(2, 3, side, side, device=device), device)
    # The stage at 1/16 is finer than the last one (5 x 5 cells), where a face is hardly resolved.
    model = TorchFrameModel(spec, network, device, network.features[MIDDLE - 1], run)
    if device == "cpu":
        model.BATCH = 4  # the maps of more are in no cache: 16 are a seventh slower
    return model
