"""Where somebody speaks: Silero VAD over a stream of blocks.

Silero Team, github.com/snakers4/silero-vad (MIT), version 6: the weights and the rules of its
package. Its 16 kHz network stands here, since the package's own holds its state in itself (one
recording at a time) and sets the number of threads of whoever imports it. A block goes through the
convolutions at once, and only the recurrent cell goes chunk by chunk.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.audio.sound import SAMPLE_RATE, SoundBlock, Span

CHUNK = 512
"""Samples that the network answers for at a time, 32 ms."""
CONTEXT = 64
"""samples before a chunk that it is shown too."""
SPOKEN, QUIET = 0.5, 0.35
"""Probabilities at which speech begins and from which on it may end."""
MIN_SPEECH, MIN_SILENCE = 0.25, 0.3
"""s; shorter speech is a click, a shorter pause is a breath."""
PAD = 0.03
"""s by which speech is widened on both sides."""

_State = tuple[Tensor, Tensor]


class SileroVad(nn.Module):
    """Chunks float32 [T, 64 + 512] and a state -> probabilities [T] and the next state."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm = nn.LSTM(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, chunks: Tensor, state: _State | None) -> tuple[Tensor, _State]:
        x = self.stft_conv(F.pad(chunks, (0, CONTEXT), mode="reflect")[:, None])
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = conv(x).relu()
        x, state = self.lstm(x[:, :, 0], state)
        probability: Tensor = self.final_conv(x.relu()[:, :, None]).sigmoid()
        return probability[:, 0, 0], state


NAMES = {
    "stft.forward_basis_buffer": "stft_conv.weight",
    **{
        f"encoder.{n}.reparam_conv.{part}": f"conv{n + 1}.{part}"
        for n in range(4)
        for part in ("weight", "bias")
    },
    **{
        f"decoder.rnn.{part}_{side}": f"lstm.{part}_{side}_l0"
        for part in ("weight", "bias")
        for side in ("ih", "hh")
    },
    "decoder.decoder.2.weight": "final_conv.weight",
    "decoder.decoder.2.bias": "final_conv.bias",
}
"""The package's names -> ours. Its safetensors hold an older training; these do not."""


@lru_cache(maxsize=1)
def network() -> SileroVad:
    """Return the network with the weights that its package holds."""
    package = importlib.util.find_spec("silero_vad")
    assert package is not None and package.origin is not None
    packed = torch.jit.load(Path(package.origin).parent / "data/silero_vad.jit")
    vad = SileroVad()
    tensors = packed._model.state_dict()
    vad.load_state_dict({NAMES[name]: tensor for name, tensor in tensors.items()})
    vad.eval().requires_grad_(False)
    return vad


@dataclass
class SpeechDetector:
    """Fed with blocks, says where speech is. Blocks with a gap between them begin anew."""

    _runs: list[tuple[float, list[float]]] = field(default_factory=list)
    """(start, probability of each chunk)"""
    _waiting: np.ndarray = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))
    """what was seen last, then what is no chunk yet"""
    _state: _State | None = None
    _end: float = -1.0

    def feed(self, blocks: Iterator[SoundBlock]) -> Iterator[SoundBlock]:
        """Pass blocks through, listening."""
        for block in blocks:
            if abs(block.start - self._end) > CHUNK / SAMPLE_RATE:
                self._state = None
                self._runs.append((block.start, []))
                self._waiting = np.zeros(CONTEXT, np.float32)
            self._end = block.end
            self._listen(block.samples)
            yield block

    def _listen(self, samples: np.ndarray) -> None:
        joined = np.concatenate([self._waiting, samples])
        count = (len(joined) - CONTEXT) // CHUNK
        self._waiting = joined[count * CHUNK :]
        if count:
            windows = np.lib.stride_tricks.sliding_window_view(joined, CONTEXT + CHUNK)
            chunks = torch.from_numpy(windows[: count * CHUNK : CHUNK].copy())
            with torch.inference_mode():
                heard, self._state = network()(chunks, self._state)
            self._runs[-1][1].extend(heard.tolist())

    def segments(self) -> list[Span]:
        """Return where somebody speaks, s, ascending."""
        return [
            (start + first, start + last)
            for start, probabilities in self._runs
            for first, last in spoken(probabilities)
        ]


def spoken(probabilities: Sequence[float]) -> list[Span]:
    """Return the spans of speech in a run of chunks, s from its start, as the package's
    `get_speech_timestamps_from_probs` does."""
    chunk = CHUNK / SAMPLE_RATE
    spans: list[list[float]] = []
    begun = quiet = None
    for n, probability in enumerate(probabilities):
        now = n * chunk
        if probability >= SPOKEN:
            quiet = None
            begun = now if begun is None else begun
        elif probability < QUIET and begun is not None:
            quiet = now if quiet is None else quiet
            if now - quiet >= MIN_SILENCE:
                if quiet - begun > MIN_SPEECH:
                    spans.append([begun, quiet])
                begun = quiet = None
    end = len(probabilities) * chunk
    if begun is not None and end - begun > MIN_SPEECH:
        spans.append([begun, end])
    return [(max(0.0, a - PAD), min(end, b + PAD)) for a, b in spans]
