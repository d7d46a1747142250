"""MesoNet (Afchar et al., WIFS 2018) as github.com/SCLBD/DeepfakeBench trained it anew
(CC BY-NC 4.0): two outputs, norms shared by two convolutions each, and in the inception blocks no
ReLU at all. The authors' own networks are in `mesonet`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec, option
from detector.models.network import Rule, TorchFrameModel, load_network


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding="same", dilation=dilation, bias=False)


class Meso4(nn.Module):
    """float [N, 3, 256, 256] -> logits of the classes (real, fake), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(3, 8, 3), nn.BatchNorm2d(8)
        self.conv2 = _conv(8, 8, 5)
        self.conv3, self.bn2 = _conv(8, 16, 5), nn.BatchNorm2d(16)
        self.conv4 = _conv(16, 16, 5)
        self.fc1, self.fc2 = nn.Linear(1024, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.bn1(self.conv1(x).relu()), 2)
        x = F.max_pool2d(self.bn1(self.conv2(x).relu()), 2)
        x = F.max_pool2d(self.bn2(self.conv3(x).relu()), 2)
        x = F.max_pool2d(self.bn2(self.conv4(x).relu()), 4)
        return self.fc2(F.leaky_relu(self.fc1(x.flatten(1)), 0.1))


class MesoInception4(nn.Module):
    """float [N, 3, 256, 256] -> logits of the classes (real, fake), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        # "Incption" is how the file spells it.
        self.Incption1 = BenchInception(3, (1, 4, 4, 2))
        self.Incption2 = BenchInception(11, (2, 4, 4, 2))
        self.conv1, self.bn1 = _conv(12, 16, 5), nn.BatchNorm2d(16)
        self.conv2 = _conv(16, 16, 5)
        self.fc1, self.fc2 = nn.Linear(1024, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.Incption2(F.max_pool2d(self.Incption1(x), 2)), 2)
        x = F.max_pool2d(self.bn1(self.conv1(x).relu()), 2)
        x = F.max_pool2d(self.bn1(self.conv2(x).relu()), 4)
        return self.fc2(F.leaky_relu(self.fc1(x.flatten(1)), 0.1))


class BenchInception(nn.Module):
    """Four branches side by side, then one norm."""

    def __init__(self, inputs: int, outputs: tuple[int, int, int, int]) -> None:
        super().__init__()
        first, second, third, fourth = outputs
        self.conv1 = _conv(inputs, first, 1)
        self.conv2_1, self.conv2_2 = _conv(inputs, second, 1), _conv(second, second, 3)
        self.conv3_1, self.conv3_2 = _conv(inputs, third, 1), _conv(third, third, 3, 2)
        self.conv4_1, self.conv4_2 = _conv(inputs, fourth, 1), _conv(fourth, fourth, 3, 3)
        self.bn = nn.BatchNorm2d(sum(outputs))

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.conv1(x),
            self.conv2_2(self.conv2_1(x)),
            self.conv3_2(self.conv3_1(x)),
            self.conv4_2(self.conv4_1(x)),
        ]
        return self.bn(torch.cat(branches, 1))


RULES: tuple[Rule, ...] = (
    (r"backbone\.Incption1_", "Incption1."),
    (r"backbone\.Incption2_", "Incption2."),
    (r"backbone\.", ""),
)
VARIANTS: dict[str, tuple[type[nn.Module], str]] = {
    "meso4": (Meso4, "conv4"),
    "mesoinception4": (MesoInception4, "conv2"),
}
"""A network, and its convolution at 32 x 32, before the last pooling."""


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load `meso4_best.pth` or `meso4Incep_best.pth` (`options.variant`)."""
    network_class, target = option(spec, "variant", VARIANTS)
    network = load_network(network_class(), spec, files, RULES)
    return TorchFrameModel(spec, network, device, getattr(network, target))
