"""The network of Silero VAD, with the weights of its package: `detector.audio.speech` asks it.

Silero Team, github.com/snakers4/silero-vad (MIT), version 6. It stands here, since the package's
own holds its state in itself (one recording at a time) and sets the number of threads of whoever
imports it.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

PADDING = 64
"""samples, reflected, after a chunk: the last frame of its spectrum reaches beyond it"""

State = tuple[Tensor, Tensor]


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

    def forward(self, chunks: Tensor, state: State | None) -> tuple[Tensor, State]:
        x = self.stft_conv(F.pad(chunks, (0, PADDING), mode="reflect")[:, None])
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


def listen(chunks: np.ndarray, state: State | None) -> tuple[list[float], State]:
    """Return the probability of speech in each chunk, float32 [T, 64 + 512], and the next state."""
    with torch.inference_mode():
        heard, state = network()(torch.from_numpy(chunks), state)
    return heard.tolist(), state
