"""RECCE (Cao et al., "End-to-End Reconstruction-Classification Learning for Face Forgery
Detection", CVPR 2022) as github.com/SCLBD/DeepfakeBench publishes it (CC BY-NC 4.0).

An Xception whose middle features also reconstruct the face, trained on untouched ones. The
reconstruction error guides the attention of the second half, which also reads the decoder's
features."""

import torch
from timm.models.xception import Block, SeparableConv2d
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec
from detector.models.network import Rule, TorchFrameModel, load_network
from published import xception

RULES: tuple[Rule, ...] = (
    (r"backbone\.", None),  # a second Xception that the benchmark builds and never runs
    (r"model\.encoder\.fc\.", None),
    (r"model\.fc\.", "trunk.fc."),
    (r"model\.encoder\.", "trunk."),
    (r"model\.", ""),
)
WIDTH = 728  # Channels in the middle of Xception


class Recce(nn.Module):
    """float [N, 3, 256, 256] -> logits of the classes (real, fake), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = xception.trunk(2)
        self.attention = GuidedAttention()
        self.reasoning = Reasoning()
        self.decoder1 = _upscale(WIDTH, 256)
        self.decoder2 = Block(256, 256, 3, 1)
        self.decoder3 = _upscale(256, 128)
        self.decoder4 = Block(128, 128, 3, 1)
        self.decoder5 = _upscale(128, 64)
        self.decoder6 = nn.Sequential(nn.Conv2d(64, 3, 1, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        trunk = self.trunk
        middle = trunk.act1(trunk.bn1(trunk.conv1(x)))
        middle = trunk.act2(trunk.bn2(trunk.conv2(middle)))
        for block in (trunk.block1, trunk.block2, trunk.block3, trunk.block4):
            middle = block(middle)

        near = self.decoder2(self.decoder1(middle))
        far = self.decoder4(self.decoder3(near))
        reconstructed = self.decoder6(self.decoder5(far))
        reconstructed = F.interpolate(
            reconstructed, size=x.shape[-2:], mode="bilinear", align_corners=True
        )

        for block in (trunk.block5, trunk.block6, trunk.block7):
            middle = block(middle)
        middle = trunk.block8(middle + self.reasoning(middle, near, far))
        middle = self.attention((x - reconstructed).abs(), middle)
        for block in (trunk.block9, trunk.block10, trunk.block11, trunk.block12):
            middle = block(middle)
        middle = trunk.act3(trunk.bn3(trunk.conv3(middle)))
        middle = trunk.act4(trunk.bn4(trunk.conv4(middle)))
        return trunk.fc(trunk.global_pool(middle))


def _upscale(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.UpsamplingNearest2d(scale_factor=2),
        SeparableConv2d(inputs, outputs, 3, 1, 1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class GuidedAttention(nn.Module):
    """Attention guided by the reconstruction error."""

    def __init__(self) -> None:
        super().__init__()
        self.gated = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(3, 1, 1, bias=False),
            nn.Sigmoid(),
        )
        self.h = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()
        )

    def forward(self, difference: Tensor, features: Tensor) -> Tensor:
        size = features.shape[-2:]
        small = F.interpolate(difference, size=size, mode="bilinear", align_corners=True)
        return self.gated(small) * self.h(features) + features


class Reasoning(nn.Module):
    """Multi-scale graph reasoning: each encoder cell gathers the decoder cells at its position."""

    def __init__(self) -> None:
        super().__init__()
        self.va_embedding = nn.Sequential(
            nn.Conv2d(WIDTH, 256, 1, bias=False), nn.ReLU(), nn.Conv2d(256, 256, 1, bias=False)
        )
        self.va_gated_b = nn.Sequential(nn.Conv2d(WIDTH, 256, 1, bias=False), nn.Sigmoid())
        self.va_gated_c = nn.Sequential(nn.Conv2d(WIDTH, 256, 1, bias=False), nn.Sigmoid())
        self.vb_embedding = _embedding(256)
        self.vc_embedding = _embedding(128)
        self.reweight_ab = nn.Sequential(nn.Linear(512, 1, bias=False), nn.ReLU())
        self.reweight_ac = nn.Sequential(nn.Linear(512, 1, bias=False), nn.ReLU())
        self.reproject = nn.Sequential(
            nn.Conv2d(768, WIDTH, 1, bias=False), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 1, bias=False)
        )

    def forward(self, features: Tensor, near: Tensor, far: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        own = self.va_embedding(features)
        cells = own.flatten(2).transpose(1, 2)  # [N, cells, 256]
        near = _gather(self.vb_embedding(_under(near, 2)), cells, self.reweight_ab)
        far = _gather(self.vc_embedding(_under(far, 4)), cells, self.reweight_ac)
        near = near.unflatten(2, (height, width)) * (1 - self.va_gated_b(features))
        far = far.unflatten(2, (height, width)) * (1 - self.va_gated_c(features))
        return self.reproject(torch.cat([near, far, own], 1).sigmoid())


def _embedding(inputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 256, bias=False), nn.ReLU(), nn.Linear(256, 256, bias=False)
    )


def _under(maps: Tensor, ratio: int) -> Tensor:
    """Return the fine cells of each coarse cell: [N, C, H, W] -> [N, cells, ratio², C]."""
    parts = F.unfold(maps, ratio, stride=ratio)
    return parts.unflatten(1, (maps.shape[1], ratio * ratio)).permute(0, 3, 2, 1)


def _gather(parts: Tensor, cells: Tensor, weigh: nn.Module) -> Tensor:
    pairs = torch.cat([cells[:, :, None].expand_as(parts), parts], -1)
    return (weigh(pairs).softmax(2) * parts).sum(2).transpose(1, 2)


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load `recce_best.pth`."""
    network = load_network(Recce(), spec, files, RULES)
    return TorchFrameModel(spec, network, device, network.trunk.act4)
