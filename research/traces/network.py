"""The network whose trunk is wanted, and what it is asked so that the trunk learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models import lite
from detector.models.families.texture import DEPTHS, _statistics
from detector.models.layer import face_square
from detector.training.precision import in_fp32
from research.traces.pictures import WORN

CHANNELS = {depth: lite.STAGES[depth][3] for depth in DEPTHS}
"""of the stages that are described"""
PLACES = 32
"""of the map that says where, across and down"""


class TraceNet(nn.Module):
    """`forward` takes float [N, 3, S, S] in -1..1 and gives the logit of an edit at each place,
    [N, 1, 32, 32], over the picture, [N], and how it was worn, [N, len(WORN)]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = lite.EarlyLite()
        in_fp32(self.features.conv_stem)  # bf16 would round the grain away
        told = 4 * sum(CHANNELS.values())
        self.narrow = nn.ModuleList([nn.Conv2d(n, 32, 1) for n in CHANNELS.values()])
        self.where = nn.Sequential(
            nn.Conv2d(2 * 32 * len(CHANNELS), 96, 1), nn.ReLU(),
            nn.Conv2d(96, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 1, 1),
        )  # fmt: skip
        self.even = nn.BatchNorm1d(told, affine=False)
        self.edited = nn.Linear(told, 1)
        self.worn = nn.Sequential(nn.Linear(told, 64), nn.ReLU(), nn.Linear(64, len(WORN)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = self.features(x)
        maps = [seen[depth] for depth in DEPTHS]
        described = [
            torch.cat(_statistics(one.float(), face_square(one.shape[-1])), 1) for one in maps
        ]
        told = self.even(torch.cat(described, 1))
        return self._where(maps), self.edited(told)[:, 0], self.worn(told)

    def _where(self, maps: list[Tensor]) -> Tensor:
        """Look at what a place has apart from the picture's mean, and at that mean."""
        narrow = []
        for one, layer in zip(maps, self.narrow, strict=True):
            less = layer(one)
            side = less.shape[-1]
            if side > PLACES:
                less = F.avg_pool2d(less, side // PLACES)
            elif side < PLACES:
                less = F.interpolate(less, (PLACES, PLACES), mode="bilinear")
            narrow.append(less)
        together = torch.cat(narrow, 1)
        mean = together.mean((2, 3), keepdim=True)
        out: Tensor = self.where(torch.cat([together - mean, mean.expand_as(together)], 1)).float()
        return out


def loss(
    said: tuple[Tensor, Tensor, Tensor], edit: Tensor, touched: Tensor, done: Tensor
) -> Tensor:
    """Return the loss of originals and what was made of them, in this order, N each.

    Parameters
    ----------
    edit : float [N, 1, 32, 32]
        Where what was made differs; `touched`, bool [N]: whether it does.
    done : float [N, len(WORN)]
    """
    where, logit, worn = said
    count, counted = len(touched), touched.float()
    truth = torch.cat([torch.zeros_like(edit), edit])
    three = torch.tensor(3.0, device=edit.device)
    place = F.binary_cross_entropy_with_logits(where, truth, pos_weight=three)
    first, second = logit[:count], logit[count:]
    most = counted.sum().clamp_min(1)
    told = (F.softplus(first).mean() + (F.softplus(-second) * counted).sum() / most) / 2
    order = (F.softplus(first - second) * counted).sum() / most
    past = F.smooth_l1_loss(worn, done.repeat(2, 1))
    return place + 0.5 * (told + order) + 0.3 * past
