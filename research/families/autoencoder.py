"""A denoising autoencoder of real faces: what it can't draw again is unlike them.

Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders, ICML 2008.
Trained on untouched faces alone (`research.training.anomaly`), so it knows no method of forgery.
"""

from __future__ import annotations

import itertools
from typing import Any

from torch import Tensor, nn

from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel
from detector.weights import load_state, load_strict

FLOOR = 1e-3
"""Added to a picture's variance: what is nearly flat is easy to draw."""


class Autoencoder(nn.Module):
    """Four steps down to a narrow code and four up again.

    Parameters
    ----------
    size : int
        Side of the crop, px, a multiple of 16.
    width : int
        Channels of the first step; doubled by each of the next two.
    code : int
        Numbers that a face is put into.
    """

    def __init__(self, size: int = 96, width: int = 32, code: int = 128) -> None:
        super().__init__()
        channels = [3, width, 2 * width, 4 * width, 4 * width]
        down: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            down += [nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(8, after), nn.GELU()]
        small = size // 16
        flat = channels[-1] * small * small
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, code))
        up: list[nn.Module] = [nn.Linear(code, flat), nn.Unflatten(1, (channels[-1], small, small))]
        for before, after in zip(channels[:1:-1], channels[-2:0:-1], strict=True):
            up += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(before, after, 3, padding=1),
                nn.GroupNorm(8, after),
                nn.GELU(),
            ]
        up += [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(width, 3, 3, padding=1)]
        self.decoder = nn.Sequential(*up)

    def reconstruct(self, x: Tensor) -> Tensor:
        """float [N, 3, S, S] in -1..1 -> the same, drawn again from the code."""
        return self.decoder(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [N, 3, S, S] -> how far they are from what is drawn again: the log of the error
        in shares of the picture's own variance, [N]. No likelihood of anything."""
        error = (self.reconstruct(x) - x).square().mean((1, 2, 3))
        return (error / (x.var((1, 2, 3)) + FLOOR)).log()


def build(state: dict[str, Any], name: str = "autoencoder", **options: Any) -> Autoencoder:
    """Return a network in evaluation mode with these weights.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = Autoencoder(**options)
    load_strict(network, state, name)
    ready: Autoencoder = network.eval().requires_grad_(False)
    return ready


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a trained autoencoder (one .safetensors file)."""
    options: dict[str, Any] = {"size": spec.crop.size} | spec.options
    return TorchFrameModel(spec, build(load_state(files[0]), spec.id, **options), device)
