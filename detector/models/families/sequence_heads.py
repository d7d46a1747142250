"""Sequence models over CLIP features of consecutive frames of a face.

The trunk is the published CLIP ViT-B/16 (`clip_vit`): class tokens of four blocks and a 7 x 7
grid of patch tokens for each frame. Only the heads are trained (`unmask train sequences`).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, Image, ModelSpec
from detector.models.families.clip_vit import CLASSES, ClipBlocks, build, read_trunk
from detector.models.network import TorchVideoModel, normalize
from detector.models.pictures import fit
from detector.weights import load_state, load_strict

FEATURES = 3072  # Class tokens of four blocks, of length 1 together
GRID, PATCH = 7, 768  # Side of the grid of patch tokens, averaged two by two, and their width
REDUCED = 64  # Width of a patch token after the projection
FRAMES = 8  # Frames of a window
MOST_STORED = 4
"""Batches with cached features, so that models with one crop share a pass of the trunk."""
NOTHING = torch.empty(0)


class FrameSequence(NamedTuple):
    """Trunk features of windows of T frames."""

    face: Tensor  # [N, T, 3072]
    around: Tensor = NOTHING  # [N, T, 3072], of the face in its surroundings
    grid: Tensor = NOTHING  # [N, T, 7, 7, REDUCED]


class FrameFeatures(nn.Module):
    """float [N, 3, 224, 224] -> class tokens [N, 3072] and patch tokens [N, 7, 7, 768]."""

    def __init__(self, network: ClipBlocks) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        read = list(self.network.tokens(x))
        tokens = torch.cat([F.layer_norm(t[:, 0].float(), t.shape[-1:]) for t in read], 1)
        patches = F.layer_norm(read[-1][:, 1:].float(), (PATCH,))
        grid = patches.transpose(1, 2).unflatten(2, (2 * GRID, 2 * GRID))
        return F.normalize(tokens, dim=1), F.avg_pool2d(grid, 2).permute(0, 2, 3, 1)


class SequenceHead(nn.Module):
    """`FrameSequence` -> logits of P(fake), [N]."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int = FEATURES) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def standardize(self, sequence: FrameSequence) -> None:
        """Set mean and deviation to those of the training windows."""
        flat = self.scaled_by(sequence).flatten(0, -2)
        self.mean.copy_(flat.mean(0))
        self.std.copy_(flat.std(0) + 1e-4)

    def scaled_by(self, sequence: FrameSequence) -> Tensor:
        """Return the standardized features."""
        return sequence.face

    def scaled(self, features: Tensor) -> Tensor:
        """Standardize features."""
        return (features - self.mean) / self.std


class Reduced(nn.Module):
    """Features [N, T, 3072] -> [N, T, width]; training drops the same features in all frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(0.3)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = x * F.dropout(x.new_ones(len(x), 1, FEATURES), 0.5)
        return self.layers(x)


class Lrcn(SequenceHead):
    """An LSTM over frame features (Donahue et al., CVPR 2015)."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.reduce = Reduced(width)
        self.lstm = nn.LSTM(width, width // 2, batch_first=True)
        self.classify = nn.Linear(width // 2, 1)

    def forward(self, sequence: FrameSequence) -> Tensor:
        return self.classify(self.read(sequence.face))[:, 0]

    def read(self, features: Tensor) -> Tensor:
        """Return the mean state of the LSTM: [N, width / 2]."""
        states: Tensor = self.lstm(self.reduce(self.scaled(features)))[0]
        return states.mean(1)


class VitLstm(SequenceHead):
    """An LSTM over class tokens of a ViT's last block, read at its last state."""

    def __init__(self, width: int = 128) -> None:
        super().__init__(PATCH)
        self.drop = nn.Dropout(0.5)
        self.lstm = nn.LSTM(PATCH, width, batch_first=True)
        self.classify = nn.Linear(width, 1)

    def scaled_by(self, sequence: FrameSequence) -> Tensor:
        return sequence.face[..., -PATCH:]

    def forward(self, sequence: FrameSequence) -> Tensor:
        _, (last, _) = self.lstm(self.drop(self.scaled(self.scaled_by(sequence))))
        return self.classify(self.drop(last[-1]))[:, 0]


class FusedLrcn(SequenceHead):
    """Two LRCNs, of the face and of the face in its surroundings, joined before the last layer."""

    def __init__(self, width: int = 128) -> None:
        super().__init__(0)
        self.face, self.around = Lrcn(width), Lrcn(width)
        for branch in (self.face, self.around):
            branch.classify = nn.Identity()
        self.classify = nn.Linear(width, 1)

    def standardize(self, sequence: FrameSequence) -> None:
        self.face.standardize(sequence)
        self.around.standardize(FrameSequence(sequence.around))

    def forward(self, sequence: FrameSequence) -> Tensor:
        both = self.face.read(sequence.face), self.around.read(sequence.around)
        return self.classify(torch.cat(both, 1))[:, 0]


class ConvLstm(SequenceHead):
    """A convolutional LSTM over grids of patch tokens (Shi et al., NeurIPS 2015)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__(REDUCED)
        self.project = nn.Linear(PATCH, REDUCED)
        self.drop = nn.Dropout2d(0.2)
        self.gates = nn.Conv2d(REDUCED + width, 4 * width, 3, padding=1)
        self.classify = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, 1))
        self.width = width

    def scaled_by(self, sequence: FrameSequence) -> Tensor:
        return sequence.grid

    def forward(self, sequence: FrameSequence) -> Tensor:
        frames = self.scaled(sequence.grid).permute(1, 0, 4, 2, 3)
        state = cell = frames.new_zeros(frames.shape[1], self.width, GRID, GRID)
        for frame in frames:
            gates = self.gates(torch.cat([self.drop(frame), state], 1)).chunk(4, 1)
            enter, forget, leave = (gate.sigmoid() for gate in gates[:3])
            cell = forget * cell + enter * gates[3].tanh()
            state = leave * cell.tanh()
        return self.classify(state.mean((2, 3)))[:, 0]


class FrameTransformer(SequenceHead):
    """A transformer encoder over frame features."""

    def __init__(self, width: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.reduce = Reduced(width)
        self.position = nn.Parameter(torch.randn(FRAMES, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.3, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.classify = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, sequence: FrameSequence) -> Tensor:
        tokens = self.reduce(self.scaled(sequence.face)) + self.position
        return self.classify(self.encoder(tokens).mean(1))[:, 0]


class AttentionGru(SequenceHead):
    """A GRU in both directions whose states are weighted by attention over time."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.reduce = Reduced(width)
        self.gru = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.attend = nn.Linear(width, 1)
        self.classify = nn.Linear(width, 1)

    def forward(self, sequence: FrameSequence) -> Tensor:
        states = self.gru(self.reduce(self.scaled(sequence.face)))[0]
        weights = self.attend(states.tanh()).softmax(1)
        return self.classify((weights * states).sum(1))[:, 0]


class RealAutoencoder(SequenceHead):
    """An autoencoder trained on real faces alone; its log reconstruction error is the score."""

    usual: Tensor
    spread: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encode = nn.Linear(FEATURES, width)
        self.decode = nn.Linear(width, FEATURES)
        self.register_buffer("usual", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))

    def error(self, sequence: FrameSequence) -> Tensor:
        """Return the mean squared error of each window: [N]."""
        features = self.scaled(sequence.face)
        return (self.decode(F.gelu(self.encode(features))) - features).square().mean((1, 2))

    def forward(self, sequence: FrameSequence) -> Tensor:
        return (self.error(sequence).log() - self.usual) / self.spread


HEADS: dict[str, Callable[[], SequenceHead]] = {
    "vit-lstm": VitLstm,
    "lrcn": Lrcn,
    "lrcn-fused": FusedLrcn,
    "convlstm": ConvLstm,
    "frame-transformer": FrameTransformer,
    "gru-attention": AttentionGru,
    "real-autoencoder": RealAutoencoder,
}
"""By the architecture of an entry."""


class SequenceNetwork(nn.Module):
    """float [N, T, 3, S, S], or [N, T, 3, S, 2S] of two crops side by side -> logits [N]."""

    def __init__(self, trunk: FrameFeatures, head: SequenceHead) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(x, self.trunk)

    def judge(self, x: Tensor, read: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        """Score windows with `read` as the trunk."""
        crops = x.split(x.shape[-2], -1)
        found = [
            [part.unflatten(0, x.shape[:2]) for part in read(crop.flatten(0, 1))] for crop in crops
        ]
        tokens, patches = zip(*found, strict=True)
        grid = self.head.project(patches[0]) if isinstance(self.head, ConvLstm) else NOTHING
        around = tokens[1] if len(tokens) > 1 else NOTHING
        return self.head(FrameSequence(tokens[0], around, grid))


class SequenceModel(TorchVideoModel):
    """A head on the shared trunk."""

    network: SequenceNetwork

    def __init__(
        self, spec: ModelSpec, network: SequenceNetwork, device: str, shared: SharedTrunk
    ) -> None:
        super().__init__(spec, network, device)
        self._shared = shared

    def _prepare(self, picture: Image) -> Tensor:
        if self.spec.crop.around and picture.shape[1] == 2 * picture.shape[0]:
            pictures = np.split(picture, 2, 1)
        else:
            pictures = [picture] * (2 if self.spec.crop.around else 1)
        shown = [fit(np.ascontiguousarray(one), self.spec.crop) for one in pictures]
        return normalize(np.concatenate(shown, 1), self.spec)

    def _infer(self, batch: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.network.judge(batch, self._shared)


class SharedTrunk:
    """The compiled trunk with an LRU cache of the last batches' features. Thread-safe."""

    def __init__(self, trunk: FrameFeatures, device: str) -> None:
        example = torch.zeros(2, 3, 224, 224, device=device)
        self._run = runtime.compile(trunk, example, device, bf16=True)
        self._stored: OrderedDict[bytes, tuple[Tensor, Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        batch = np.ascontiguousarray(crops.numpy())
        key = hashlib.blake2b(batch.data, digest_size=16).digest()
        with self._lock:  # another head with the same crops waits for the result
            if key not in self._stored:
                tokens, patches = self._run(batch)
                self._stored[key] = torch.from_numpy(tokens), torch.from_numpy(patches)
                while len(self._stored) > MOST_STORED:
                    self._stored.popitem(last=False)
            return self._stored[key]


@lru_cache(maxsize=2)
def _trunk(file: Path, device: str) -> tuple[FrameFeatures, SharedTrunk]:
    unused = {"head.weight": torch.zeros(len(CLASSES), FEATURES)}
    unused |= {"head.bias": torch.zeros(len(CLASSES)), "scale": torch.zeros(())}
    trunk = FrameFeatures(build(read_trunk(file) | unused, file.name)).to(device)
    return trunk, SharedTrunk(trunk, device)


def load(spec: ModelSpec, files: Files, device: str) -> SequenceModel:
    """Load the trunk and a head, in this order."""
    head = HEADS[spec.architecture]()
    load_strict(head, load_state(files[1], spec), spec.id)
    trunk, shared = _trunk(files[0], device)
    return SequenceModel(spec, SequenceNetwork(trunk, head.eval()), device, shared)
