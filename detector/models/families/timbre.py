"""Timbre: how two networks answer to a voice over time, read by a linear layer.

The first stages of EfficientNet-Lite0 (Tan and Le 2019; Apache-2.0), which know pictures, on three
spectrograms: short frames show the pulses of a voice one by one, long ones its harmonics. The first
layers of the encoder of Whisper tiny.en (Radford et al. 2022, arXiv:2212.04356; MIT), which know
how speech is spoken. And the modulation spectrum, how fast each band changes. The networks stay as
they were published; only the layer that reads statistics of them was learned (`unmask train
voice`).
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.families.texture_cnn import EarlyLite
from detector.models.network import TorchSoundModel
from detector.weights import load_state, load_strict, whole_numbers

HOP = 160
"""Samples from one frame to the next, 10 ms at 16 kHz."""
LONG_FRAME = 400  # Samples of a frame of Whisper's and of the modulation spectrum, 25 ms
MELS, WIDTH, HEADS, DEPTH = 80, 384, 6, 3
STEPS = 200  # Steps of 20 ms that Whisper's positions are kept for, 4 s
BANDS = 8
MODULATIONS = (1, 5, 10, 20, 40, 80, 150, 256)
"""Edges in bins of 0.195 Hz: 0.2, 1, 2, 4, 8, 16, 29 and 50 Hz."""
TRANSFORM = 512  # Points of the transform of a frame, and of that over time


class Spectrogram(NamedTuple):
    """A spectrogram as a picture: samples of a frame and from one to the next, and the stages of
    EfficientNet-Lite0 whose output is read, counted from 0."""

    frame: int
    hop: int
    stages: tuple[int, int]


SPECTROGRAMS = (
    Spectrogram(512, HOP, (1, 4)), Spectrogram(256, 64, (3, 4)), Spectrogram(128, 32, (3, 4)),
)  # fmt: skip
CHANNELS = (16, 24, 40, 80, 112)
"""of each stage"""
MAPS = 4  # Bands that the output of a stage is averaged to
SIZES = (
    *(3 * MAPS * CHANNELS[stage] for picture in SPECTROGRAMS for stage in picture.stages),
    *[3 * WIDTH] * 2,
    BANDS * (len(MODULATIONS) - 1),
)
PARTS = tuple(slice(a, b) for a, b in pairwise(accumulate(SIZES, initial=0)))
"""Statistics of two stages for each spectrogram, of two layers of Whisper, and the modulation
spectrum."""


def moments(x: Tensor) -> Tensor:
    """Return mean, spread and change over time: [N, T, C] -> [N, 3 C]."""
    return torch.cat([x.mean(1), x.std(1), x.diff(dim=1).std(1)], 1)


def triangles(edges: Tensor, frequencies: Tensor) -> Tensor:
    """Return triangular filters between every third of `edges`: [len(edges) - 2, frequencies]."""
    rising = (frequencies - edges[:-2, None]) / edges.diff()[:-1, None]
    falling = (edges[2:, None] - frequencies) / edges.diff()[1:, None]
    return torch.minimum(rising, falling).clamp_min(0)


def mel_filters() -> Tensor:
    """Return Slaney's mel filters, each of area 1: float32 [80, 201]."""
    step = torch.log(torch.tensor(6.4, dtype=torch.float64)) / 27
    top = 15 + torch.log(torch.tensor(8.0, dtype=torch.float64)) / step
    mels = torch.linspace(0, float(top), MELS + 2, dtype=torch.float64)
    edges = torch.where(mels < 15, mels * 200 / 3, 1000 * torch.exp((mels - 15) * step))
    frequencies = torch.linspace(0, 8000, LONG_FRAME // 2 + 1, dtype=torch.float64)
    areas = 2 / (edges[2:] - edges[:-2])
    return (triangles(edges, frequencies) * areas[:, None]).float()


class PictureStages(nn.Module):
    """Spectrogram [N, frame / 2, steps] -> maps of its two stages, averaged to four bands, the
    lowest first: [N, C, 4, T]."""

    def __init__(self, trunk: EarlyLite, kind: Spectrogram) -> None:
        super().__init__()
        self.trunk, self.kind = trunk, kind

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        stages = self.trunk(picture[:, None].expand(-1, 3, -1, -1))
        return tuple(stages[number].unflatten(2, (MAPS, -1)).mean(3) for number in self.kind.stages)

    def picture(self, samples: Tensor) -> Tensor:
        """Return the logarithmic spectrogram, each frequency less its mean, so that microphone and
        channel count little: float [N, n] of peak 1 -> [N, frame / 2, n / hop]."""
        frame, hop, _stages = self.kind
        magnitude = _power(samples, frame, hop=hop, center=True)[:, :-1, :-1].sqrt()
        levels = (TRANSFORM / frame * magnitude + 1e-4).log()
        levels = levels - levels.mean(2, keepdim=True)
        return (levels / (2 * levels.std((1, 2), keepdim=True) + 1e-6)).clamp(-1.5, 1.5)


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
        self.register_buffer("filters", mel_filters(), persistent=False)

    def forward(self, mels: Tensor) -> tuple[Tensor, ...]:
        x = F.gelu(self.second(F.gelu(self.first(mels)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        steps = []
        for layer in self.layers:
            x = layer(x)
            steps.append(x)
        return tuple(steps[-2:])

    def mels(self, samples: Tensor) -> Tensor:
        """Return Whisper's log-mel spectrum: float [N, n] of peak 1 -> [N, 80, n / 160]."""
        power = _power(samples, LONG_FRAME, center=True)[..., :-1]
        mels = (self.filters @ power).clamp_min(1e-10).log10()
        return (torch.maximum(mels, mels.amax((1, 2), keepdim=True) - 8) + 4) / 4


class Modulation(nn.Module):
    """float [N, n] -> of each of 8 bands, how its level changes is spread over speeds: [N, 56]."""

    def __init__(self) -> None:
        super().__init__()
        bins = torch.arange(TRANSFORM // 2 + 1.0)
        filters = triangles(torch.linspace(0, TRANSFORM / 2 + 1, BANDS + 2), bins)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        levels = (self.filters @ (_power(samples, LONG_FRAME, TRANSFORM) + 1e-9)).log()
        levels = levels - levels.mean(2, keepdim=True)
        window = torch.hann_window(levels.shape[2], periodic=False, device=levels.device)
        power = torch.fft.rfft(levels * window, TRANSFORM).abs() ** 2
        bands = [power[..., a:b].sum(2) for a, b in pairwise(MODULATIONS)]
        shares = torch.stack(bands, 1) / (power[..., 1:].sum(2)[:, None] + 1e-9)
        return (shares + 1e-6).log().flatten(1)


def _power(
    samples: Tensor, frame: int, points: int = 0, *, hop: int = HOP, center: bool = False
) -> Tensor:
    """Return the power spectrum: [N, n] -> [N, points / 2 + 1, n / hop]."""
    window = torch.hann_window(frame, device=samples.device)
    if not points:
        values = torch.stft(samples, frame, hop, window=window, center=center, return_complex=True)
        return values.abs() ** 2
    frames = samples.unfold(1, frame, hop) * window
    return (torch.fft.rfft(frames, points).abs() ** 2).transpose(1, 2)


class Timbre(nn.Module):
    """float [N, 64000] at 16 kHz -> one logit of "made by a machine", [N, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.encoder, self.modulation = EarlyLite(), WhisperEncoder(), Modulation()
        self.head = nn.Linear(sum(SIZES), 1)

    def statistics(self, samples: Tensor) -> Tensor:
        """Return what a last layer reads: [N, 8600]."""
        samples = _peak_one(samples)
        return self.collected(
            samples, *(part(x) for part, x in zip(self.parts(), self.inputs(samples), strict=True))
        )

    def pictures(self) -> list[PictureStages]:
        """Return the stages of each spectrogram; they share one trunk."""
        return [PictureStages(self.trunk, kind) for kind in SPECTROGRAMS]

    def parts(self) -> list[nn.Module]:
        """Return the networks, in the order of their statistics."""
        return [*self.pictures(), self.encoder]

    def inputs(self, samples: Tensor) -> list[Tensor]:
        """Return the input of each of the networks, of samples of peak 1."""
        return [*(part.picture(samples) for part in self.pictures()), self.encoder.mels(samples)]

    def collected(self, samples: Tensor, *outputs: Sequence[Tensor]) -> Tensor:
        """Return the statistics of samples of peak 1 and of the outputs of each network."""
        rows = [x.flatten(1, -2).transpose(1, 2) if x.dim() == 4 else x for y in outputs for x in y]
        return torch.cat([*map(moments, rows), self.modulation(samples)], 1)

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.head(self.statistics(samples))
        return logits


def _peak_one(samples: Tensor) -> Tensor:
    return samples / samples.abs().amax(1, keepdim=True).clamp_min(1e-6)


class TimbreModel(TorchSoundModel):
    """The network with its compiled parts, a window at a time, so that maps stay cached."""

    network: Timbre

    def __init__(self, spec: ModelSpec, network: Timbre, device: str) -> None:
        super().__init__(spec, network, device)
        assert spec.sound
        silence = torch.zeros(2, spec.sound.samples, device=device)
        with torch.inference_mode():
            examples = network.inputs(silence)
        self._parts = [
            runtime.compile(part, x.clone(), device)
            for part, x in zip(network.parts(), examples, strict=True)
        ]

    def statistics(self, batch: Tensor) -> Tensor:
        """Return what the last layer reads, as `Timbre.statistics`."""
        with torch.inference_mode():
            return torch.cat([self._of_one(samples) for samples in batch.to(self.device).split(1)])

    def _of_one(self, samples: Tensor) -> Tensor:
        loud = _peak_one(samples)
        outputs = (
            [torch.from_numpy(y).to(self.device) for y in run(x.cpu().numpy())]
            for run, x in zip(self._parts, self.network.inputs(loud), strict=True)
        )
        return self.network.collected(loud, *outputs)

    def _infer(self, batch: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.network.head(self.statistics(batch))
            return logits


def load(spec: ModelSpec, files: Files, device: str) -> TimbreModel:
    """Load the network; large tensors are stored as bytes (`whole_numbers`)."""
    network = Timbre()
    load_strict(network, whole_numbers(load_state(files[0], spec)), spec.id)
    network.eval().requires_grad_(False)
    return TimbreModel(spec, network.to(device), device)
