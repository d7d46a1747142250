"""NPR: the first half of a ResNet-50 on neighboring pixel relationships left by upsampling.

Tan et al., "Rethinking the Up-Sampling Operations in CNN-based Generative Network", CVPR 2024,
arXiv:2312.10461; github.com/chuangchuangtan/NPR-DeepfakeDetection (no license file).

For fully generated pictures, not for face swaps."""

import timm
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel, load_network


class Npr(nn.Module):
    """float [N, 3, H, W] -> one logit of P(fake), [N, 1]. An odd side loses its last pixel."""

    def __init__(self) -> None:
        super().__init__()
        whole = timm.create_model("resnet50", pretrained=False)
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1, self.maxpool = whole.bn1, whole.maxpool
        self.layer1, self.layer2 = whole.layer1, whole.layer2
        self.fc1 = nn.Linear(512, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
        # Nearest-neighbor down- and upsampling by two leaves the differences of neighbors.
        coarse = F.interpolate(x[..., ::2, ::2], scale_factor=2, mode="nearest")
        x = self.bn1(self.conv1((x - coarse) * 2 / 3)).relu()
        x = self.layer2(self.layer1(self.maxpool(x)))
        return self.fc1(x.mean((2, 3)))


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load `NPR.pth` or `model_epoch_last_3090.pth`."""
    network = load_network(Npr(), spec, files)
    return TorchFrameModel(spec, network, device, network.layer2)
