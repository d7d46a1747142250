"""LRNet (Sun et al., "Improving the Efficiency and Robustness of Deepfakes Detection Through
Precise Geometric Features", CVPR 2021, arXiv:2104.04480): how 68 points of a face move, read by two
small recurrent networks, one over the points and one over their steps.
github.com/frederickszk/LRNet (MIT).

It takes landmarks, not pictures: 68 points a frame, smoothed and aligned as that repository's own
tools do it. Unmask has no such points, so the model can be held against the original and can't be
run on files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from detector.errors import ModelError
from detector.models.base import ClipModel, Files, Image, ModelSpec
from detector.weights import load_state, load_strict

FRAMES = 30
"""In a block."""
NUMBERS = 136
"""68 points, x then y."""


def blocks(sequence: np.ndarray) -> np.ndarray:
    """Cut landmarks of a clip, [T, 136], into what the networks take: [N, 30, 136].

    As in the original, a clip of exactly n x 30 frames loses its last block, and fewer than 31
    frames give none.
    """
    starts = range(0, len(sequence) - FRAMES, FRAMES)
    cut = [sequence[start : start + FRAMES] for start in starts]
    return np.stack(cut) if cut else np.zeros((0, FRAMES, NUMBERS), np.float32)


class Reader(nn.Module):
    """float [N, T, 136] -> probabilities of the classes (real, fake), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_state = nn.Parameter(torch.zeros(2, 1, 32))
        self.gru = nn.GRU(NUMBERS, 32, batch_first=True, bidirectional=True)
        # Numbered as in the file, where dropouts stand between.
        self.dense = nn.ModuleDict({"1": _Residual(), "3": nn.Linear(64, 2)})

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.gru(x, self.hidden_state.repeat(1, len(x), 1))
        features = self.dense["1"](last.transpose(0, 1).flatten(1))
        return self.dense["3"](features).softmax(1)


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        net = {"0": nn.Linear(64, 64), "3": nn.Linear(64, 64)}
        self.fn = nn.ModuleDict({"net": nn.ModuleDict(net)})

    def forward(self, x: Tensor) -> Tensor:
        net = self.fn["net"]
        return x + net["3"](net["0"](x).relu())


class LrNet(nn.Module):
    """float [N, 30, 136] -> probabilities of (real, fake) by both readers, [N, 2, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.points, self.steps = Reader(), Reader()

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.points(x), self.steps(x.diff(dim=1))], 1)


class LrNetModel(ClipModel):
    """One that judges how landmarks move."""

    def __init__(self, spec: ModelSpec, network: LrNet, device: str) -> None:
        super().__init__(spec)
        self.network = network.eval().requires_grad_(False).to(device)
        self.device = device

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """Landmarks of 30 frames, [30, 136] or [30, 68, 2], aligned -> float32 [30, 136].

        Raises
        ------
        ModelError
            They are something else, such as pictures.
        """
        sequence = np.asarray(picture)
        if sequence.size != FRAMES * NUMBERS or len(sequence) != FRAMES:
            raise ModelError(
                f"{self.spec.title} judges how 68 points of a face move over {FRAMES} frames. "
                "Unmask has no such points of a file yet."
            )
        return torch.from_numpy(sequence.reshape(FRAMES, NUMBERS).astype(np.float32))

    def forward(self, batch: Tensor) -> Tensor:
        """What both readers say, through their softmax as in the original: [N, 2, 2]."""
        with torch.inference_mode():
            return self.network(batch.to(self.device))

    def log_odds(self, logits: Tensor) -> Tensor:
        """See `Model.log_odds`: of the mean of both readers' P(fake)."""
        return logits[:, :, 1].double().mean(1).logit(eps=1e-12).float()


def load(spec: ModelSpec, files: Files, device: str) -> LrNetModel:
    """Load `g1.pth`, which reads the points, and `g2.pth`, which reads their steps."""
    network = LrNet()
    names = ("points", "steps")
    state = {
        f"{name}.{key}": tensor
        for name, path in zip(names, files, strict=True)
        for key, tensor in load_state(path, spec).items()
    }
    load_strict(network, state, spec.id)
    return LrNetModel(spec, network, device)
