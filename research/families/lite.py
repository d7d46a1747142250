"""EfficientNet-Lite on single face crops, trained by `detector.training`.

The trunk is timm's `tf_efficientnet_lite0` and its sisters: EfficientNet (Tan & Le 2019) without
squeeze-and-excitation and with ReLU6, as Google made it for small devices. It pads as TensorFlow
does, as its published weights want it (`python -m research.training.trunks`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from detector import runtime
from detector.errors import ModelError
from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel
from detector.weights import load_state, load_strict

TRUNKS = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")
FINE = 4
"""Stages at 1/16 of the input or finer end with the fifth: what a heatmap shows."""


class LiteNet(nn.Module):
    """The trunk and one logit of P(fake).

    `forward` takes float [N, 3, S, S] in -1..1 (x / 127.5 - 1) and gives [N].

    Parameters
    ----------
    frozen : int
        So many stages of the trunk, and what comes before them, stay as they begin while it learns;
        and all of its batch statistics, which a step of a few pairs would tell badly. 0: nothing.

    Raises
    ------
    ModelError
        There is no such trunk.
    """

    def __init__(self, trunk: str = TRUNKS[0], dropout: float = 0.2, frozen: int = 0) -> None:
        super().__init__()
        if trunk not in TRUNKS:
            raise ModelError(f"There is no trunk {trunk!r}: {', '.join(TRUNKS)}.")
        import timm

        self.features = timm.create_model(trunk, pretrained=False, num_classes=0)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.features.num_features, 1)
        )
        self.frozen = frozen
        if frozen:
            for module in (self.features.conv_stem, self.features.bn1, *self._kept()):
                module.requires_grad_(False)

    def _kept(self) -> nn.Sequential:
        return self.features.blocks[: self.frozen]

    def train(self, mode: bool = True) -> LiteNet:
        """See `nn.Module.train`. What is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            for module in self.features.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Pooled features: [N, 1280]."""
        return self.features.forward_features(x).mean((2, 3))

    def judge(self, features: Tensor) -> Tensor:
        """Logits of pooled features: [N]."""
        return self.classifier(features).squeeze(1)


def build(state: dict[str, Any], name: str = "lite", trunk: str = TRUNKS[0]) -> LiteNet:
    """Return a network in evaluation mode with these weights.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = LiteNet(trunk)
    load_strict(network, state, name)  # fp16 in the file becomes fp32 here
    ready: LiteNet = network.eval().requires_grad_(False)
    return ready


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a trained EfficientNet-Lite (one .safetensors file); `options.trunk` says which."""
    trunk = str(spec.options.get("trunk", TRUNKS[0]))
    network = build(load_state(files[0]), spec.id, trunk).to(device)
    network = network.to(memory_format=torch.channels_last)
    side = spec.crop.size
    run = runtime.compile(network, torch.zeros(2, 3, side, side, device=device), device)
    return TorchFrameModel(spec, network, device, network.features.blocks[FINE], run)
