"""Xception (Chollet 2017) as published detectors use it, on timm's trunk.

- Bonettini et al., ICPR 2020, arXiv:2004.07676; github.com/polimi-ispl/icpr2020dfdc (GPL-3.0).
- Yan et al., "DeepfakeBench", NeurIPS 2023, arXiv:2307.01426; github.com/SCLBD/DeepfakeBench
  (CC BY-NC 4.0): plain (Xception, and CORE of Ni et al. 2022, which differs in training alone), and
  behind a front: F3-Net (Qian et al. 2020), its frequency half only, and SPSL (Liu et al. 2021).
"""

from collections import OrderedDict
from dataclasses import dataclass

import timm
import torch
from torch import Tensor, nn

from detector.models.base import Files, ModelSpec, option
from detector.models.network import Rule, TorchFrameModel, load_network

SIDE = 256  # px. Side of the frequency front's input.


def trunk(outputs: int, channels: int = 3) -> nn.Module:
    """Return Xception without weights: float [N, channels, S, S] -> [N, outputs]."""
    return timm.create_model(
        "legacy_xception", pretrained=False, num_classes=outputs, in_chans=channels
    )


class FrequencyBands(nn.Module):
    """Frequency-aware decomposition (F3-Net): low, middle, high and all frequencies of a picture,
    with learned filters: [N, 3, 256, 256] -> [N, 12, 256, 256]. Bands and cosine transform are part
    of the weights."""

    channels = 12

    def __init__(self) -> None:
        super().__init__()
        self.cosines = nn.Parameter(torch.zeros(SIDE, SIDE))
        self.cosines_back = nn.Parameter(torch.zeros(SIDE, SIDE))
        self.bands = nn.ModuleList(_Band() for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        spectrum = self.cosines @ x @ self.cosines_back
        bands = [self.cosines_back @ band(spectrum) @ self.cosines for band in self.bands]
        return torch.cat(bands, 1)


class _Band(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.zeros(SIDE, SIDE))
        self.learnable = nn.Parameter(torch.zeros(SIDE, SIDE))

    def forward(self, spectrum: Tensor) -> Tensor:
        return spectrum * (self.base + (2 * self.learnable.sigmoid() - 1))


class PhaseChannel(nn.Module):
    """The picture and its phase-only reconstruction (SPSL): [N, 3, S, S] -> [N, 4, S, S]."""

    channels = 4

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(x.mean(1, keepdim=True))
        phases = torch.exp(1j * spectrum.angle())
        return torch.cat([x, torch.fft.ifft2(phases).real], 1)


@dataclass(frozen=True)
class XceptionLayout:
    """Layout and parameter names of one repository's network."""

    rules: tuple[Rule, ...]
    outputs: int = 2
    front: type[FrequencyBands] | type[PhaseChannel] | None = None


# The benchmark builds an adapter of features into every Xception and uses it in one network only.
_BENCH: tuple[Rule, ...] = (
    (r"backbone\.adjust_channel\.", None),
    (r"backbone\.last_linear\.", "trunk.fc."),
    (r"backbone\.", "trunk."),
)

LAYOUTS = {
    "ispl": XceptionLayout(
        ((r"xception\.last_linear\.", "trunk.fc."), (r"xception\.", "trunk.")), outputs=1
    ),
    "deepfakebench": XceptionLayout(_BENCH),
    "f3net": XceptionLayout(
        (
            (r"FAD_head\._DCT_all_T", "front.cosines_back"),
            (r"FAD_head\._DCT_all", "front.cosines"),
            (r"FAD_head\.filters\.", "front.bands."),
            # Behind a dropout, so it has a number.
            (r"backbone\.last_linear\.1\.", "trunk.fc."),
            *_BENCH,
        ),
        front=FrequencyBands,
    ),
    "spsl": XceptionLayout(_BENCH, front=PhaseChannel),
}


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a published file of the network in `options.layout`."""
    layout = option(spec, "layout", LAYOUTS)
    front = layout.front() if layout.front else nn.Identity()
    body = trunk(layout.outputs, layout.front.channels if layout.front else 3)
    network = nn.Sequential(OrderedDict(front=front, trunk=body))
    load_network(network, spec, files, layout.rules)
    return TorchFrameModel(spec, network, device, body.act4)
