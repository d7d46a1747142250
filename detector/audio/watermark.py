"""Perth watermark detection: the inaudible mark of Resemble AI's voice generators (Chatterbox).

Perth (github.com/resemble-ai/Perth, version 1.0.1, MIT): one network changes speech below 2 kHz
inaudibly, a second one, implemented here, returns its confidence that the change is present."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import weights
from detector.audio.recording import Recording
from detector.schema.origin import GeneratorMark

FRAME, HOP = 1024, 160
"""Samples of a frame of the spectrum, 64 ms, and from one to the next, at 16 kHz."""
BINS, HIDDEN = 128, 256
SPEEDS = {"slow": 1.25, "normal": 1.0, "fast": 0.75}
"""Speeds at which the mark is looked for, as lengths of the spectrogram."""
QUIET = 0.05
"""share of the loudest frame's sum of levels up to which a frame is not looked at"""
WINDOW, WINDOWS = 4.0, 3
"""s of speech that are looked at in one go, and how many times at most"""
SHORTEST = 2.0
"""s of speech, all together, that are needed"""
LIMIT = 0.95
"""Mean confidence from which the mark counts as found: docs/experiments.md"""


class PerthDecoder(nn.Module):
    """Levels [N, 513, T] -> confidence that the mark is there, [N], about 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({speed: _branch() for speed in SPEEDS})

    def forward(self, levels: Tensor) -> Tensor:
        sums = levels.sum(1)
        loud = (sums > QUIET * sums.amax(1, keepdim=True)).float()[:, None]
        answers = []
        for speed, factor in SPEEDS.items():
            length = int(levels.shape[2] * factor)
            stretched = F.interpolate(
                levels[:, :BINS], size=length, mode="linear", align_corners=True
            )
            mask = F.interpolate(loud, size=length)
            found = self.branches[speed](stretched)
            answers.append((found * mask).sum(2) / mask.sum(2))
        attention, confidence = torch.stack(answers).unbind(2)
        return (attention.softmax(0) * confidence).sum(0)


def _branch() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv1d(BINS, HIDDEN, 1)]
    for _ in range(5):
        layers += [nn.LeakyReLU(), nn.Conv1d(HIDDEN, HIDDEN, 7, padding=3)]
    return nn.Sequential(*layers, nn.LeakyReLU(), nn.Conv1d(HIDDEN, 2, 1))


def levels(samples: Tensor) -> Tensor:
    """Return the input of the decoder, -180 to 15 dB as 0 to 1: [N, n] at 16 kHz -> [N, 513, T].

    Perth hears at 32 kHz in frames of 2,048 samples: the same frequencies and times, with twice the
    amplitude.
    """
    window = torch.hann_window(FRAME, device=samples.device)
    spectrum = torch.stft(samples, FRAME, HOP, window=window, return_complex=True)
    return (20 * (2 * spectrum.abs()).clamp_min(1e-9).log10() + 180) / 195


@lru_cache(maxsize=1)
def _network() -> PerthDecoder:
    network = PerthDecoder()
    (path,) = weights.resolve(weights.auxiliary()["perth"])
    weights.load_strict(network, weights.whole_numbers(weights.load_state(path)), path.name)
    network.eval().requires_grad_(False)
    return network


def confidence(samples: np.ndarray) -> float:
    """Return how sure the network is of the mark, about 0 to 1: float32 [n] at 16 kHz."""
    with torch.inference_mode():
        return float(_network()(levels(torch.from_numpy(samples)[None])))


def found(recording: Recording) -> list[GeneratorMark]:
    """Return the mark in the voice of a recording, if it is there."""
    if recording.speech_seconds < SHORTEST:
        return []
    windows = recording.windows(WINDOW, WINDOWS)
    score = sum(confidence(recording.samples(span)) for span in windows) / max(len(windows), 1)
    if not score >= LIMIT:  # of silence it is no number
        return []
    return [
        GeneratorMark(
            name="Chatterbox",
            maker="Resemble AI",
            place="voice",
            score=round(min(score, 1.0), 3),
            certain=True,
        )
    ]
