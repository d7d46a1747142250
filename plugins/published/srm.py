"""SRM (Luo, Zhang, Yan and Liu, "Generalizing Face Forgery Detection with High-frequency Features",
CVPR 2021, arXiv:2103.12376) as github.com/SCLBD/DeepfakeBench publishes it (CC BY-NC 4.0).

Two Xception streams, of the picture and of its noise residual (three fixed filters of the
steganalysis rich model), joined by cross-attention at two depths."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec
from detector.models.network import Rule, TorchFrameModel, load_network
from published import xception

RULES: tuple[Rule, ...] = (
    (r"backbone_(rgb|srm)\.adjust_channel\.", None),
    (r"backbone_srm\.last_linear\.", None),
    (r"backbone_rgb\.last_linear\.", "head."),
    (r"backbone_rgb\.", "rgb."),
    (r"backbone_srm\.", "noise."),
    (r"blur\.", None),  # a smoothing used in training
)
CELLS = 16 * 16  # Positions of the attention maps: 16 x 16, so 256 px


class Srm(nn.Module):
    """float [N, 3, 256, 256] -> logits of the classes (real, fake), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.noise = _stream(), _stream()
        self.srm_conv0 = Filters()
        self.srm_conv1, self.srm_conv2 = ChannelFilters(32), ChannelFilters(64)
        self.srm_sa = NoiseAttention()
        self.srm_sa_post = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU())
        self.dual_cma0, self.dual_cma1 = CrossAttention(), CrossAttention()
        self.fusion = AttentionFusion()
        self.head = nn.Linear(2048, 2)

    def forward(self, x: Tensor) -> Tensor:
        rgb, noise = self.rgb, self.noise
        filtered = self.srm_conv0(x)
        x = rgb.bn1(rgb.conv1(x)).relu()
        y = (noise.bn1(noise.conv1(filtered)).relu() + self.srm_conv1(x)).relu()
        x = rgb.bn2(rgb.conv2(x)).relu()
        y = (noise.bn2(noise.conv2(y)).relu() + self.srm_conv2(x)).relu()
        x = self.srm_sa_post(x * self.srm_sa(filtered) + x)
        x, y = _blocks(rgb, x, 1, 3), _blocks(noise, y, 1, 3)
        x, y = self.dual_cma0(x, y)
        x, y = _blocks(rgb, x, 4, 7), _blocks(noise, y, 4, 7)
        x, y = self.dual_cma1(x, y)
        x, y = _blocks(rgb, x, 8, 12), _blocks(noise, y, 8, 12)
        return self.head(self.fusion(_exit(rgb, x), _exit(noise, y)).mean((2, 3)))


def _stream() -> nn.Module:
    trunk = xception.trunk(0)
    trunk.global_pool = nn.Identity()
    return trunk


def _blocks(trunk: nn.Module, x: Tensor, first: int, last: int) -> Tensor:
    for number in range(first, last + 1):
        x = getattr(trunk, f"block{number}")(x)
    return x


def _exit(trunk: nn.Module, x: Tensor) -> Tensor:
    return trunk.bn4(trunk.conv4(trunk.bn3(trunk.conv3(x)).relu()))


class Filters(nn.Module):
    """The three SRM filters over all channels; they are part of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(3, 3, 5, 5))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, padding=2).clamp(-3, 3)


class ChannelFilters(nn.Module):
    """The SRM filters on each channel, then a pointwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(3 * channels, 1, 5, 5))
        self.out_conv = nn.Sequential(
            nn.Conv2d(3 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        filtered = F.conv2d(x, self.kernel, padding=2, groups=x.shape[1])
        return self.out_conv(filtered.clamp(-3, 3))


class NoiseAttention(nn.Module):
    """Spatial attention from the filtered noise: [N, 3, S, S] -> [N, 1, h, w] in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.srm = Filters()
        self.conv = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        )
        self.pa = nn.ModuleDict({"conv": nn.Conv2d(2, 1, 7, padding=3, bias=False)})

    def forward(self, noise: Tensor) -> Tensor:
        maps = self.conv(self.srm(noise))
        both = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)
        return self.pa["conv"](both).sigmoid()


class CrossAttention(nn.Module):
    """Cross-attention between the two streams."""

    def __init__(self) -> None:
        super().__init__()
        channels, keys = 728, 91
        self.key_conv1, self.key_conv2 = nn.Conv2d(channels, keys, 1), nn.Conv2d(channels, keys, 1)
        self.key_conv_share = nn.Conv2d(keys, keys, 1)
        self.linear1, self.linear2 = nn.Linear(CELLS, CELLS), nn.Linear(CELLS, CELLS)
        self.value_conv1 = nn.Conv2d(channels, channels, 1)
        self.value_conv2 = nn.Conv2d(channels, channels, 1)
        self.gamma1, self.gamma2 = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        keys_x = self.key_conv_share(self.key_conv1(x)).flatten(2)
        keys_y = self.key_conv_share(self.key_conv2(y)).flatten(2)
        alike = keys_x.transpose(1, 2) @ keys_y  # [N, cells of x, cells of y]
        on_x = self.linear1(alike).softmax(-1)
        on_y = self.linear2(alike.transpose(1, 2)).softmax(-1)
        for_x = self.value_conv2(y).flatten(2) @ on_x.transpose(1, 2)
        for_y = self.value_conv1(x).flatten(2) @ on_y.transpose(1, 2)
        return self.gamma1 * for_x.view_as(x) + x, self.gamma2 * for_y.view_as(y) + y


class AttentionFusion(nn.Module):
    """Fusion of both streams with channel attention."""

    def __init__(self) -> None:
        super().__init__()
        self.convblk = nn.Sequential(
            nn.Conv2d(4096, 2048, 1, bias=False), nn.BatchNorm2d(2048), nn.ReLU()
        )
        mix = nn.Sequential(
            nn.Conv2d(2048, 128, 1, bias=False), nn.ReLU(), nn.Conv2d(128, 2048, 1, bias=False)
        )
        self.ca = nn.ModuleDict({"sharedMLP": mix})

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        maps = self.convblk(torch.cat([x, y], 1))
        mix = self.ca["sharedMLP"]
        weights = mix(maps.mean((2, 3), keepdim=True)) + mix(maps.amax((2, 3), keepdim=True))
        return maps * weights.sigmoid()


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load `srm_best.pth`."""
    network = load_network(Srm(), spec, files, RULES)
    return TorchFrameModel(spec, network, device, network.fusion)
