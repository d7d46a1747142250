"""Capsule-Forensics: ten small capsules over the features of a VGG-19.

Nguyen, Yamagishi and Echizen, ICASSP 2019, arXiv:1810.11215, and version 2, arXiv:1910.12467.
github.com/nii-yamagishilab/Capsule-Forensics-v2 (BSD-3-Clause) publishes the capsules alone, with
torchvision's VGG-19 of ImageNet in a file of its own; github.com/SCLBD/DeepfakeBench (CC BY-NC 4.0)
publishes both in one file.

Both take a softmax of a softmax, so that P(fake) is between 0.27 and 0.73."""

import torch
from torch import Tensor, nn

from detector.models.base import Files, ModelSpec
from detector.models.network import RenamedState, Rule, TorchFrameModel
from detector.weights import load_state, load_strict

CAPSULES = 10
ROUTINGS = 2
TRUNK = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0)
"""Channels of VGG-19 (Simonyan and Zisserman 2015) up to its third pooling; 0 pools."""

RULES: tuple[Rule, ...] = (
    (r"vgg_ext\.vgg_1\.", "trunk."),
    (r"fea_ext\.capsules\.", "capsules."),
    (r"routing_stats\.route_weights", "routes"),
)
TRUNK_RULES: tuple[Rule, ...] = (
    (r"features\.(?=(\d|1[0-8])\.)", "trunk."),
    (r"(features|classifier)\.", None),
)


class CapsuleNet(nn.Module):
    """float [N, 3, S, S] -> routed capsules: [N, 4, 2], four numbers for (real, fake) each."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential()
        inputs = 3
        for outputs in TRUNK:
            if outputs:
                self.trunk.extend([nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)])
                inputs = outputs
            else:
                self.trunk.append(nn.MaxPool2d(2))
        self.capsules = nn.ModuleList(_capsule() for _ in range(CAPSULES))
        self.routes = nn.Parameter(torch.zeros(2, CAPSULES, 4, 8))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.trunk(x)
        poses = torch.stack([capsule(maps)[:, 0] for capsule in self.capsules], -1)
        # The original squashes across the capsules.
        poses = _squash(poses, -1)  # [N, 8, capsules]
        votes = torch.einsum("ocij,njc->noci", self.routes, poses)
        agreement = torch.zeros_like(votes)
        for _ in range(ROUTINGS):
            routed = _squash((agreement.softmax(2) * votes).sum(2, keepdim=True), 3)
            agreement = agreement + votes * routed
        return routed[:, :, 0].transpose(1, 2)


class _Statistics(nn.Module):
    """Mean and deviation of each map: [N, C, h, w] -> [N, 2, C]."""

    def forward(self, maps: Tensor) -> Tensor:
        flat = maps.flatten(2)
        return torch.stack([flat.mean(2), flat.std(2)], 1)


def _capsule() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(256, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.Conv2d(64, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        _Statistics(),
        *(nn.Conv1d(2, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8)),
        *(nn.Conv1d(8, 1, 3, padding=1), nn.BatchNorm1d(1)),
    )


def _squash(x: Tensor, dim: int) -> Tensor:
    square = (x**2).sum(dim, keepdim=True)
    return square / (1 + square) * x / square.sqrt()


class CapsuleModel(TorchFrameModel):
    """Capsule-Forensics with the original's score."""

    def log_odds(self, logits: Tensor) -> Tensor:
        """See `Model.log_odds`; the second softmax is the sigmoid over this difference."""
        real, fake = logits.softmax(-1).mean(1).unbind(1)
        return fake - real


def load(spec: ModelSpec, files: Files, device: str) -> CapsuleModel:
    """Load the benchmark's one file, or the authors' capsules and torchvision's VGG-19."""
    network = CapsuleNet()
    state = RenamedState(load_state(files[0], spec), RULES)
    for trunk in files[1:]:
        state |= RenamedState(load_state(trunk, spec), TRUNK_RULES)
    load_strict(network, state, spec.id)
    return CapsuleModel(spec, network, device, network.trunk)
