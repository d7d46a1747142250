"""Timbre: how two networks answer to a voice over time, read by a linear layer.

The first stages of EfficientNet-Lite0 (Tan and Le 2019; Apache-2.0), which know pictures, on three
spectrograms: short frames show the pulses of a voice one by one, long ones its harmonics. The first
layers of the encoder of Whisper tiny.en (Radford et al. 2022, arXiv:2212.04356; MIT), which know
how speech is spoken. And the modulation spectrum, how fast each band changes. The networks stay as
they were published; only the layer that reads statistics of them was learned (`unmask train
voice`).
"""

from itertools import accumulate, pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.families.texture_cnn import EarlyLite
from detector.models.graphs.timbre import DEPTH, HEADS, MAPS, STAGES, STEPS, TOLD, WIDTH
from detector.models.network import TorchSoundModel
from detector.models.sounds import MELS, SHAPES
from detector.weights import dequantized, load_state, load_strict

CHANNELS = (16, 24, 40, 80, 112)
"""of each stage"""
SIZES = (
    *(3 * MAPS * CHANNELS[stage] for stages in STAGES for stage in stages),
    *[3 * WIDTH] * 2,
    *SHAPES[-1],
)
PARTS = tuple(slice(a, b) for a, b in pairwise(accumulate(SIZES, initial=0)))
"""Statistics of two stages for each spectrogram, of two layers of Whisper, and the modulation
spectrum."""


def moments(x: Tensor) -> Tensor:
    """Return mean, spread and change over time: [N, T, C] -> [N, 3 C]."""
    return torch.cat([x.mean(1), x.std(1), (x[:, 1:] - x[:, :-1]).std(1)], 1)


class WhisperLayer(nn.Module):
    """One of Whisper's: attention, then two linear layers, each added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.linear_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.inwards, self.outwards = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.inwards(self.attention_norm(x)).unflatten(-1, (3, HEADS, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.outwards(attended.transpose(1, 2).flatten(2))
        changed: Tensor = x + self.narrow(F.gelu(self.wide(self.linear_norm(x))))
        return changed


class WhisperEncoder(nn.Module):
    """Log-mel spectrum [N, 80, T] -> steps after Whisper's second and third layer, [N, T / 2, 384]
    each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(STEPS, WIDTH))
        self.layers = nn.ModuleList(WhisperLayer() for _ in range(DEPTH))

    def forward(self, mels: Tensor) -> tuple[Tensor, ...]:
        x = F.gelu(self.second(F.gelu(self.first(mels)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        steps = []
        for layer in self.layers:
            x = layer(x)
            steps.append(x)
        return tuple(steps[-2:])


class Timbre(nn.Module):
    """Spectra of a window, float [N, n] (`sounds.spectra`) -> one logit of "made by a machine",
    [N, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.encoder = EarlyLite(), WhisperEncoder()
        self.head = nn.Linear(sum(SIZES), 1)

    def statistics(self, spectra: Tensor) -> Tensor:
        """Return what the last layer reads: [N, 8600]."""
        parts = spectra.split([prod(shape) for shape in SHAPES], 1)
        *pictures, mels, modulation = (
            part.unflatten(1, shape) for part, shape in zip(parts, SHAPES, strict=True)
        )
        rows = [
            maps.unflatten(2, (MAPS, -1)).mean(3).flatten(1, 2).transpose(1, 2)
            for picture, stages in zip(pictures, STAGES, strict=True)
            for maps in self._maps(picture, stages)
        ]
        return torch.cat([*map(moments, [*rows, *self.encoder(mels)]), modulation], 1)

    def _maps(self, picture: Tensor, stages: tuple[int, ...]) -> list[Tensor]:
        maps = self.trunk(picture[:, None].expand(-1, 3, -1, -1))
        return [maps[stage] for stage in stages]

    def forward(self, spectra: Tensor) -> Tensor:
        logits: Tensor = self.head(self.statistics(spectra))
        return logits


class _WithStatistics(nn.Module):
    """The logit, and the statistics `TOLD`."""

    def __init__(self, network: Timbre) -> None:
        super().__init__()
        self.network = network

    def forward(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        statistics = self.network.statistics(spectra)
        return self.network.head(statistics), statistics[:, PARTS[TOLD]]


def load(spec: ModelSpec, files: Files, device: str) -> TorchSoundModel:
    """Load the network; large tensors are stored as bytes (`dequantized`)."""
    network = Timbre()
    load_strict(network, dequantized(load_state(files[0], spec)), spec.id)
    network.eval().requires_grad_(False).to(device)
    example = torch.zeros(2, sum(map(prod, SHAPES)), device=device)
    run = runtime.compile(_WithStatistics(network).eval(), example, device)
    model = TorchSoundModel(spec, network, device, run=run)
    if device == "cpu":
        model.BATCH = 1  # the maps of more are in no cache
    return model
