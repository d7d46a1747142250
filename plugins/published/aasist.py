"""AASIST and AASIST-L: spectro-temporal graph attention on raw audio.

Jung et al.: "AASIST: Audio Anti-Spoofing using Integrated Spectro-Temporal Graph Attention
Networks", ICASSP 2022, arXiv:2110.01200; weights from github.com/clovaai/aasist (MIT), trained on
ASVspoof 2019 LA. The sinc filters of its first layer are computed, not loaded.

The published network normalizes the input of its later blocks and then convolves the unnormalized
one; these norms are loaded and, as there, not used."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.network import TorchSoundModel, load_network

SAMPLE_RATE, FILTERS, TAPS = 16_000, 70, 129
NODES, TIMES = 23, 29  # Places in frequency and in time that the encoder leaves
ATTENTION, MIXED_ATTENTION = 2.0, 100.0  # Temperatures of the softmax

VARIANTS: dict[str, tuple[int, int, tuple[float, float, float]]] = {
    "aasist": (64, 64, (0.5, 0.7, 0.5)),
    "aasist-l": (24, 24, (0.4, 0.5, 0.7)),
}
"""Channels of the encoder and of the first graphs; fractions of nodes kept in the spectral,
temporal and mixed graphs."""
MIXED = 32  # Channels of the mixed graph


def filters() -> Tensor:
    """Return windowed band-pass filters between points of the mel scale: float32 [70, 1, 129]."""
    mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), FILTERS + 1)
    edges = 700 * (10 ** (mel / 2595) - 1) * 2 / SAMPLE_RATE
    taps = np.arange(TAPS) - (TAPS - 1) / 2
    low_pass = edges[:, None] * np.sinc(edges[:, None] * taps)
    bands = np.diff(low_pass, axis=0) * np.hamming(TAPS)
    return torch.tensor(bands, dtype=torch.float32)[:, None]


class SpectroTemporalBlock(nn.Module):
    """A residual block, then max pooling over time by `pool`."""

    def __init__(self, inputs: int, outputs: int, *, first: bool, pool: int = 3) -> None:
        super().__init__()
        self._pool = pool
        if not first:
            self.bn1 = nn.BatchNorm2d(inputs)  # in the file, without effect
        self.conv1 = nn.Conv2d(inputs, outputs, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, (2, 3), padding=(0, 1))
        if inputs != outputs:
            self.conv_downsample = nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1))
        self._widens = inputs != outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.selu(self.bn2(self.conv1(x))))
        return F.max_pool2d(y + (self.conv_downsample(x) if self._widens else x), (1, self._pool))


def _pairs(nodes: Tensor) -> Tensor:
    """Return the product of each two of nodes [N, n, C]: [N, n, n, C]."""
    return nodes[:, :, None] * nodes[:, None]


def _normalized(norm: nn.BatchNorm1d, nodes: Tensor) -> Tensor:
    return F.selu(norm(nodes.flatten(0, 1)).view_as(nodes))


class GraphAttention(nn.Module):
    """Graph attention: nodes [N, n, inputs] -> [N, n, outputs]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.att_proj = nn.Linear(inputs, outputs)
        self.att_weight = nn.Parameter(torch.zeros(outputs, 1))
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.tanh(self.att_proj(_pairs(x))) @ self.att_weight
        attention = (logits / ATTENTION).softmax(-2)[..., 0]
        return _normalized(self.bn, self.proj_with_att(attention @ x) + self.proj_without_att(x))


class MixedAttention(nn.Module):
    """Heterogeneous attention over temporal and spectral nodes in one graph, with a summary
    node."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj_type1, self.proj_type2 = nn.Linear(inputs, inputs), nn.Linear(inputs, inputs)
        self.att_proj, self.att_projM = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)
        for kind in ("11", "22", "12", "M"):
            setattr(self, f"att_weight{kind}", nn.Parameter(torch.zeros(outputs, 1)))
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.proj_with_attM = nn.Linear(inputs, outputs)
        self.proj_without_attM = nn.Linear(inputs, outputs)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, time: Tensor, spectrum: Tensor, master: Tensor) -> list[Tensor]:
        n = time.shape[1]
        x = torch.cat([self.proj_type1(time), self.proj_type2(spectrum)], 1)
        products = torch.tanh(self.att_proj(_pairs(x)))
        logits = products @ self.att_weight12
        logits[:, :n, :n] = products[:, :n, :n] @ self.att_weight11
        logits[:, n:, n:] = products[:, n:, n:] @ self.att_weight22
        attention = (logits / MIXED_ATTENTION).softmax(-2)[..., 0]
        summing = torch.tanh(self.att_projM(x * master)) @ self.att_weightM
        summing = (summing / MIXED_ATTENTION).softmax(-2).transpose(1, 2)
        master = self.proj_with_attM(summing @ x) + self.proj_without_attM(master)
        y = _normalized(self.bn, self.proj_with_att(attention @ x) + self.proj_without_att(x))
        return [y[:, :n], y[:, n:], master]


class GraphPool(nn.Module):
    """Top-k pooling: the fraction `keep` of the nodes with the highest scores, weighted by them."""

    def __init__(self, keep: float, channels: int, nodes: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, 1)
        self.kept = max(int(nodes * keep), 1)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.proj(x).sigmoid()
        best = scores.topk(self.kept, dim=1).indices
        return (x * scores).gather(1, best.expand(-1, -1, x.shape[2]))


def encoder(top: int, pool: int) -> nn.Sequential:
    """Return the six residual blocks, from one channel to `top`."""
    widths = [1, 32, 32, top, top, top, top]
    return nn.Sequential(
        *(
            nn.Sequential(SpectroTemporalBlock(inputs, outputs, first=not number, pool=pool))
            for number, (inputs, outputs) in enumerate(pairwise(widths))
        )
    )


class Graphs(nn.Module):
    """Spectral and temporal nodes -> logits [N, 2] of spoof and bona fide. `shares`: fractions of
    nodes kept in the spectral, temporal and mixed graphs."""

    def __init__(
        self, top: int, graph: int, shares: tuple[float, float, float], nodes: int, times: int
    ) -> None:
        super().__init__()
        in_spectrum, in_time, in_both = shares
        self.pos_S = nn.Parameter(torch.zeros(1, nodes, top))
        self.GAT_layer_S, self.GAT_layer_T = GraphAttention(top, graph), GraphAttention(top, graph)
        self.pool_S = GraphPool(in_spectrum, graph, nodes)
        self.pool_T = GraphPool(in_time, graph, times)
        for way in "12":
            setattr(self, f"master{way}", nn.Parameter(torch.zeros(1, 1, graph)))
            setattr(self, f"HtrgGAT_layer_ST{way}1", MixedAttention(graph, MIXED))
            setattr(self, f"HtrgGAT_layer_ST{way}2", MixedAttention(MIXED, MIXED))
            setattr(self, f"pool_hS{way}", GraphPool(in_both, MIXED, self.pool_S.kept))
            setattr(self, f"pool_hT{way}", GraphPool(in_both, MIXED, self.pool_T.kept))
        self.out_layer = nn.Linear(5 * MIXED, 2)

    def summed(self, spectrum: Tensor, time: Tensor) -> Tensor:
        """Return the input of the last layer, [N, 160], from nodes [N, n, C]."""
        spectrum = self.pool_S(self.GAT_layer_S(spectrum + self.pos_S))
        time = self.pool_T(self.GAT_layer_T(time))
        ways = zip(self._way("1", time, spectrum), self._way("2", time, spectrum), strict=True)
        time, spectrum, master = (torch.maximum(*both) for both in ways)
        summed = (part for x in (time, spectrum) for part in (x.abs().amax(1), x.mean(1)))
        return torch.cat([*summed, master[:, 0]], 1)

    def _way(self, way: str, time: Tensor, spectrum: Tensor) -> list[Tensor]:
        time, spectrum, master = getattr(self, f"HtrgGAT_layer_ST{way}1")(
            time, spectrum, getattr(self, f"master{way}")
        )
        first = [getattr(self, f"pool_hT{way}")(time), getattr(self, f"pool_hS{way}")(spectrum)]
        second = getattr(self, f"HtrgGAT_layer_ST{way}2")(*first, master)
        return [a + b for a, b in zip([*first, master], second, strict=True)]


class Aasist(Graphs):
    """float [N, 64600] in -1..1, 16 kHz -> logits [N, 2] of spoof and bona fide."""

    def __init__(self, variant: str) -> None:
        top, graph, shares = VARIANTS[variant]
        super().__init__(top, graph, shares, NODES, TIMES)
        self.register_buffer("filters", filters(), persistent=False)
        self.first_bn = nn.BatchNorm2d(1)
        self.encoder = encoder(top, 3)

    def maps(self, x: Tensor) -> Tensor:
        """Return [N, C, 23, 29]: frequency, low first, by time."""
        bands = F.conv1d(x[:, None], self.filters)[:, None].abs()
        return self.encoder(F.selu(self.first_bn(F.max_pool2d(bands, 3))))

    def hidden(self, maps: Tensor) -> Tensor:
        """Return the input of the last layer, [N, 160]."""
        x = maps.abs()
        return self.summed(x.amax(3).transpose(1, 2), x.amax(2).transpose(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.out_layer(self.hidden(self.maps(x)))


def load(spec: ModelSpec, files: Files, device: str) -> TorchSoundModel:
    """Load the variant that the spec's options name."""
    network = load_network(Aasist(str(spec.options["variant"])), spec, files).eval().to(device)
    assert spec.sound
    example = torch.randn(2, spec.sound.samples, generator=torch.Generator().manual_seed(0))
    run = runtime.compile(network, example.to(device), device)
    return TorchSoundModel(spec, network, device, run=run)
