"""What the clip models stand on: a frame model's trunk gives maps, a small network judges them.

We have far too few clips to learn seeing from. The trunk of a trained frame model (MobileNetV2,
`features[:MIDDLE]`, 96 channels at 1/16 of the crop) sees for them and stays as it is.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from detector import runtime
from detector.models.base import ModelSpec
from detector.models.families.mobilenet import MIDDLE, MIDDLE_CHANNELS, MobileNetV2, fuse
from detector.models.network import TorchClipModel

STRIDE = 16  # px of the crop a cell of the maps


class MapNetwork(nn.Module):
    """A frozen trunk and, in `decide`, one logit of P(fake).

    `forward` takes float [N, T, 3, S, S] in -1..1 and gives [N].
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trunk = MobileNetV2().features[:MIDDLE].eval().requires_grad_(False)
        # The maps have no fixed range; their statistics over the training clips give them one.
        self.register_buffer("mean", torch.zeros(MIDDLE_CHANNELS))
        self.register_buffer("std", torch.ones(MIDDLE_CHANNELS))

    def train(self, mode: bool = True) -> MapNetwork:
        """Keep the trunk as it is: its statistics never follow the clips."""
        super().train(mode)
        self.trunk.eval()
        return self

    def maps(self, x: Tensor) -> Tensor:
        """[N, T, 3, S, S] -> [N, T, 96, S / 16, S / 16]."""
        n, t = x.shape[:2]
        return self.trunk(x.flatten(0, 1)).unflatten(0, (n, t))

    def scale(self, maps: Tensor) -> Tensor:
        """Bring each channel to mean 0 and spread 1."""
        shape = (1, 1, -1, 1, 1)
        return (maps - self.mean.view(shape)) / self.std.view(shape)

    @abstractmethod
    def decide(self, maps: Tensor) -> Tensor:
        """Scaled maps [N, T, 96, h, w] -> logits [N]."""

    def judge(self, maps: Tensor) -> Tensor:
        """Judge maps of the trunk: [N, T, 96, h, w] -> logits [N]."""
        return self.decide(self.scale(maps))

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.maps(x))


class MapModel(TorchClipModel):
    """A trained network over maps."""

    network: MapNetwork

    def __init__(self, spec: ModelSpec, network: MapNetwork, device: str) -> None:
        fuse(network.trunk).to(memory_format=torch.channels_last)
        super().__init__(spec, network, device, network.trunk)
        side = spec.crop.size
        example = torch.zeros(spec.clip_frames, 3, side, side, device=device)
        self._trunk = runtime.compile(network.trunk, example, device)

    def _infer(self, batch: Tensor) -> Tensor:
        maps = [torch.from_numpy(self._trunk(clip.numpy())[0]) for clip in batch]
        with torch.inference_mode():
            return self.network.judge(torch.stack(maps).to(self.device))
