"""MesoNet (Afchar et al., WIFS 2018) as github.com/SCLBD/DeepfakeBench retrained it (CC BY-NC 4.0):
two outputs, norms shared by two convolutions each, and inception blocks without ReLU.

`mesonet` has the authors' own networks."""

from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec, option
from detector.models.network import Rule, TorchFrameModel, load_network
from published.mesonet import Inception


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding="same", dilation=dilation, bias=False)


def _inception(inputs: int, outputs: tuple[int, int, int, int]) -> nn.Sequential:
    return nn.Sequential(Inception(inputs, outputs, _conv), nn.BatchNorm2d(sum(outputs)))


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
        self.inception1 = _inception(3, (1, 4, 4, 2))
        self.inception2 = _inception(11, (2, 4, 4, 2))
        self.conv1, self.bn1 = _conv(12, 16, 5), nn.BatchNorm2d(16)
        self.conv2 = _conv(16, 16, 5)
        self.fc1, self.fc2 = nn.Linear(1024, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.inception2(F.max_pool2d(self.inception1(x), 2)), 2)
        x = F.max_pool2d(self.bn1(self.conv1(x).relu()), 2)
        x = F.max_pool2d(self.bn1(self.conv2(x).relu()), 4)
        return self.fc2(F.leaky_relu(self.fc1(x.flatten(1)), 0.1))


RULES: tuple[Rule, ...] = (
    # The file's own spelling. The first branch is one convolution, the others are two.
    (r"backbone\.Incption(\d)_bn\.", lambda match: f"inception{match[1]}.1."),
    (r"backbone\.Incption(\d)_conv1\.", lambda match: f"inception{match[1]}.0.branches.0."),
    (
        r"backbone\.Incption(\d)_conv(\d)_(\d)\.",
        lambda m: f"inception{m[1]}.0.branches.{int(m[2]) - 1}.{int(m[3]) - 1}.",
    ),
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
