"""MobileNetV2 held against a coarse copy of its picture: what is said of both is taken off."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec
from detector.models.families import mobilenet
from detector.models.network import TorchFrameModel
from detector.weights import load_state, load_strict

COARSE = 4
"""Times that the side of a picture is divided by, for its coarse copy."""


class ReferenceNet(mobilenet.MobileNetV2):
    """The trunk and one logit of P(fake), less that of a coarse copy.

    `forward` takes float [N, 3, S, S] in -1..1 (x / 127.5 - 1) and gives [N].

    Parameters
    ----------
    reference : float
        0..1, of what is said of a coarse copy of the picture, that is taken off: person, light and
        camera are in both, the traces in one.
    """

    def __init__(self, dropout: float = 0.2, reference: float = 1.0) -> None:
        super().__init__(dropout)
        self.reference = reference

    def forward(self, x: Tensor) -> Tensor:
        coarse = F.interpolate(F.avg_pool2d(x, COARSE), x.shape[-2:], mode="bilinear")
        if self.training:  # in one batch, so that both are brought to the same statistics
            own, without = self.judge(self.embed(torch.cat([x, coarse]))).chunk(2)
        else:  # the picture last: what is heard of a layer last is what a heatmap shows
            without = self.judge(self.embed(coarse))
            own = self.judge(self.embed(x))
        return own - self.reference * without


def build(state: dict[str, Any], name: str = "reference", reference: float = 1.0) -> ReferenceNet:
    """Return a network in evaluation mode with these weights.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = ReferenceNet(reference=reference)
    load_strict(network, state, name)
    network.eval().requires_grad_(False)
    return network


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a trained network (one .safetensors file)."""
    reference = float(spec.options.get("reference", 1.0))
    network = mobilenet.fuse(build(load_state(files[0]), spec.id, reference)).to(device)
    return TorchFrameModel(spec, network, device, network.features[mobilenet.MIDDLE - 1])
