"""Embed faces of one person close to each other, by MobileFaceNet (Chen et al. 2018).

Layers have the names of github.com/foamliu/MobileFaceNet, whose published weights are used; its
blocks are those of MobileNetV2.
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.ops import Conv2dNormActivation

from detector import runtime, weights
from detector.weights.entry import AuxiliaryModel, WeightFile

SIDE = 112  # px of an aligned face, as it takes it
WEIGHTS = AuxiliaryModel(
    id="mobilefacenet",
    title="MobileFaceNet",
    files=[
        WeightFile(
            path="mobilefacenet/mobilefacenet.pt",
            sha256="90a00ba1d8b0b688af3deb731ed53dca582e6106805d1bc3cfdef55f570493f4",
            size=4135271,
            url="https://raw.githubusercontent.com/foamliu/MobileFaceNet/"
            "a6cc9032a659b615f477833e1a70b5e7931bcccc/weights/mobilefacenet.pt",
        )
    ],
    license_weights="Apache-2.0; trained on MS-Celeb-1M, which its makers have withdrawn",
    source="Chen et al. 2018, MobileFaceNets, arXiv:1804.07573; github.com/foamliu/MobileFaceNet",
)
DOWNLOADED = {WEIGHTS.id: WEIGHTS}
"""Downloads that the lab adds to `unmask fetch`."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# expansion, channels, repeats, stride
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class MobileFaceNet(nn.Module):
    """float [N, 3, 112, 112], ImageNet's mean and deviation -> [N, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv2dNormActivation(3, 64, 3, 2, activation_layer=nn.ReLU6)
        self.dw_conv = nn.Sequential(
            OrderedDict(
                depthwise=nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False),
                bn1=nn.BatchNorm2d(64),
                relu1=nn.ReLU(),
                pointwise=nn.Conv2d(64, 64, 1, bias=False),
                bn2=nn.BatchNorm2d(64),
                relu2=nn.ReLU(),
            )
        )
        blocks, channels = [], 64
        for expansion, outputs, repeats, stride in STAGES:
            for place in range(repeats):
                step = stride if place == 0 else 1
                blocks.append(InvertedResidual(channels, outputs, step, expansion))
                channels = outputs
        self.features = nn.Sequential(*blocks)
        self.conv2 = Conv2dNormActivation(channels, 512, 1, activation_layer=nn.ReLU6)
        # One 7 x 7 filter a channel: a weighted mean over the places of a face.
        whole = nn.Conv2d(512, 512, 7, groups=512, bias=False)
        self.gdconv = nn.Sequential(OrderedDict(depthwise=whole, bn=nn.BatchNorm2d(512)))
        self.conv3 = nn.Conv2d(512, 128, 1)
        self.bn = nn.BatchNorm2d(128)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.features(self.dw_conv(self.conv1(x))))
        return self.bn(self.conv3(self.gdconv(x))).flatten(1)


class Embedder:
    """Compiled network. Thread-safe. Raise WeightsError."""

    def __init__(self) -> None:
        (path,) = weights.resolve(WEIGHTS)
        network = MobileFaceNet()
        weights.load_strict(network, weights.load_state(path), WEIGHTS.id)
        network = network.eval().requires_grad_(False)
        self._run = runtime.compile(network, torch.zeros(2, 3, SIDE, SIDE), "cpu")

    def __call__(self, faces: Sequence[np.ndarray]) -> np.ndarray:
        """Return embeddings, float32 [N, 128] of length 1, of faces, uint8 [112, 112, 3] RGB."""
        x = (np.stack(faces).astype(np.float32) / 255 - MEAN) / np.array(STD)
        (vectors,) = self._run(x.transpose(0, 3, 1, 2).astype(np.float32))
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
