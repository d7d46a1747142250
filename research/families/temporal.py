"""Small recurrent networks over the feature maps of a MobileNetV2, one class a head.

All take the same maps (`detector.models.maps`) and differ in how they go through time. They are
trained by recipes of their own names (`detector/training/recipes/`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from detector.errors import WeightsError
from detector.models.base import Files, ModelSpec
from detector.models.families.mobilenet import MIDDLE_CHANNELS
from detector.models.maps import STRIDE, MapModel, MapNetwork
from detector.weights import load_state, load_strict


class FrameEncoder(nn.Module):
    """Two convolutions and the mean over places: [N, T, C, h, w] -> [N, T, hidden]."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, stride=2, padding=1),
            nn.GroupNorm(4, hidden),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, stride=2, padding=1),
            nn.GELU(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        n, t = maps.shape[:2]
        return self.layers(maps.flatten(0, 1)).mean((2, 3)).unflatten(0, (n, t))


class Lrcn(nn.Module):
    """Features of each frame, then an LSTM; the answer is the mean over its steps.

    Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015.
    """

    def __init__(self, side: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.encoder = FrameEncoder(MIDDLE_CHANNELS, hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, 1)

    def forward(self, maps: Tensor) -> Tensor:
        steps, _ = self.lstm(self.dropout(self.encoder(maps)))
        return self.out(self.dropout(steps)).mean((1, 2))


class TwoLrcn(nn.Module):
    """Two LRCN streams whose features are fused: how the face looks, how its mouth changes.

    The second stream sees the lower half of the maps, where the mouth is, as the difference from
    frame to frame: what stands still is not in it.
    """

    def __init__(self, side: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.look = FrameEncoder(MIDDLE_CHANNELS, hidden)
        self.change = FrameEncoder(MIDDLE_CHANNELS, hidden)
        self.look_lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.change_lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.out = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        mouth = maps[..., maps.shape[-2] // 2 :, :]
        looks, _ = self.look_lstm(self.look(maps))
        changes, _ = self.change_lstm(self.change(mouth[:, 1:] - mouth[:, :-1]))
        return self.out(torch.cat([looks.mean(1), changes.mean(1)], 1)).squeeze(1)


class ConvLstm(nn.Module):
    """An LSTM whose state is a map: each place remembers what was there.

    Shi et al., Convolutional LSTM Network, NeurIPS 2015.
    """

    def __init__(self, side: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.reduce = nn.Conv2d(MIDDLE_CHANNELS, hidden, 1)
        self.gates = nn.Conv2d(2 * hidden, 4 * hidden, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * hidden, 1)

    def forward(self, maps: Tensor) -> Tensor:
        n, t, _, height, width = maps.shape
        frames = self.reduce(maps.flatten(0, 1)).unflatten(0, (n, t))
        state = memory = frames.new_zeros(n, self.hidden, height, width)
        for frame in frames.unbind(1):
            keep, write, show, new = self.gates(torch.cat([frame, state], 1)).chunk(4, 1)
            memory = keep.sigmoid() * memory + write.sigmoid() * new.tanh()
            state = show.sigmoid() * memory.tanh()
        pooled = torch.cat([state.mean((2, 3)), state.amax((2, 3))], 1)
        return self.out(self.dropout(pooled)).squeeze(1)


class VitLstm(nn.Module):
    """A transformer within each frame, whose class token goes through an LSTM.

    The encoder is that of Dosovitskiy et al., ICLR 2021, over patches of 2 x 2 cells.
    """

    PATCH = 2

    def __init__(self, side: int, hidden: int, dropout: float) -> None:
        super().__init__()
        count = (side // self.PATCH) ** 2
        self.patches = nn.Conv2d(MIDDLE_CHANNELS, hidden, self.PATCH, stride=self.PATCH)
        self.token = nn.Parameter(torch.zeros(1, 1, hidden))
        self.places = nn.Parameter(0.02 * torch.randn(1, count + 1, hidden))
        layer = nn.TransformerEncoderLayer(
            hidden, 4, 2 * hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, 1)

    def forward(self, maps: Tensor) -> Tensor:
        n, t = maps.shape[:2]
        tokens = self.patches(maps.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(n * t, -1, -1), tokens], 1) + self.places
        frames = self.encoder(tokens)[:, 0].unflatten(0, (n, t))
        steps, _ = self.lstm(frames)
        return self.out(self.dropout(steps)).mean((1, 2))


class AttentiveGru(nn.Module):
    """A GRU both ways over the frames' features; attention says which moments count.

    The attention is that of Yang et al., Hierarchical Attention Networks, NAACL 2016.
    """

    def __init__(self, side: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.encoder = FrameEncoder(MIDDLE_CHANNELS, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.asked = nn.Sequential(
            nn.Linear(2 * hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False)
        )
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * hidden, 1)

    def forward(self, maps: Tensor) -> Tensor:
        steps, _ = self.gru(self.dropout(self.encoder(maps)))
        weight = self.asked(steps).softmax(1)
        return self.out(self.dropout((weight * steps).sum(1))).squeeze(1)


HEADS: dict[str, type[nn.Module]] = {
    "lrcn": Lrcn,
    "two-lrcn": TwoLrcn,
    "convlstm": ConvLstm,
    "vit-lstm": VitLstm,
    "gru": AttentiveGru,
}


class Temporal(MapNetwork):
    """A frozen trunk, then one of `HEADS` with one logit of P(fake).

    Parameters
    ----------
    size : int
        Side of the crop, px.
    frames : int
        In a window. The heads take any number; it is here since every clip model is made so.
    head : str
        A key of `HEADS`.
    hidden : int
        Width, a multiple of 4.
    dropout : float

    Raises
    ------
    WeightsError
        There is no such head.
    """

    def __init__(
        self,
        size: int = 160,
        frames: int = 16,
        head: str = "lrcn",
        hidden: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if head not in HEADS:
            raise WeightsError(f"There is no temporal head {head!r}. Known: {', '.join(HEADS)}.")
        self.head = HEADS[head](size // STRIDE, hidden, dropout)

    def decide(self, maps: Tensor) -> Tensor:
        """See `MapNetwork.decide`."""
        return self.head(maps)


def build(state: dict[str, Any], name: str = "temporal", **options: Any) -> Temporal:
    """Return a network in evaluation mode with these weights.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape, or the head is unknown.
    """
    network = Temporal(**options)
    load_strict(network, state, name)
    network.eval().requires_grad_(False)
    return network


def load(spec: ModelSpec, files: Files, device: str) -> MapModel:
    """Load a trained head (one .safetensors file); `spec.options` names it and gives its shape."""
    options: dict[str, Any] = {"size": spec.crop.size, "frames": spec.clip_frames} | spec.options
    return MapModel(spec, build(load_state(files[0]), spec.id, **options), device)
