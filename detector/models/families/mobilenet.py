"""MobileNetV2 on single face crops (Sandler et al. 2018), torchvision's, but padded as TensorFlow
pads convolutions of stride 2 ("SAME": bottom and right): the trunk that it starts from was trained
so.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel
from detector.weights import load_state, load_strict

MIDDLE, MIDDLE_CHANNELS = 14, 96
"""`features[:MIDDLE]` ends with the last stage at 1/16 of the input."""

N = TypeVar("N", bound=nn.Module)


class SameConv(nn.Conv2d):
    """A 3 x 3 convolution of stride 2, padded as TensorFlow pads it."""

    def __init__(self, inputs: int, outputs: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, 3, 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        # An odd side needs one pixel on both ends, an even one only after.
        return super().forward(F.pad(x, (width % 2, 1, height % 2, 1)))


class MobileNetV2(torchvision.models.MobileNetV2):
    """float [N, 3, S, S] in -1..1 (x / 127.5 - 1) -> one logit of P(fake), [N]."""

    def __init__(self) -> None:
        super().__init__(num_classes=1)
        for unit in [part for part in self.modules() if isinstance(part, nn.Sequential)]:
            if isinstance(theirs := unit[0], nn.Conv2d) and theirs.stride == (2, 2):
                unit[0] = SameConv(theirs.in_channels, theirs.out_channels, theirs.groups)
                unit[0].weight = theirs.weight

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze(1)


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
