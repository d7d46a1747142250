"""A face against its surroundings: tiles of both through one trunk, trained by `detector.training`.

The same camera and the same encoder made all tiles of a picture; what differs between the tiles of
the face and those around it is less theirs than what differs between two pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel
from detector.weights import load_state, load_strict
from research.families.lite import FINE, TRUNKS, LiteNet

GRID = 4
"""Tiles along a side. At 1.5 of the face box the inner ones lie within the face."""
BLACK = -1.0 + 1e-6
"""Up to here a pixel is what `cut` puts beyond the picture's edge."""


class TilesNet(LiteNet):
    """A trunk that sees one tile at a time, and one logit of P(fake) of what they have apart.

    `forward` takes float [N, 3, S, S] in -1..1 and gives [N]; S is a multiple of `GRID`. Judged is
    the mean of the inner tiles' features less the mean of the outer ones'; tiles beyond the
    picture's edge count as far as they show something.

    Parameters
    ----------
    given : bool
        The face's own features are judged beside the difference.
    trunk, dropout, frozen
        See `LiteNet`.
    """

    def __init__(
        self, trunk: str = TRUNKS[0], dropout: float = 0.2, frozen: int = 0, given: bool = False
    ) -> None:
        super().__init__(trunk, dropout, frozen)
        self.given = given
        width = self.features.num_features * (2 if given else 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, 1))
        self.shown = nn.Identity()
        """What a heatmap is made of: the tiles' maps at 1/16, laid together."""

    def embed(self, x: Tensor) -> Tensor:
        """Features of the face less those of its surroundings, [N, 1280]; with `given` both."""
        tiles = _apart(x)
        pooled = _together(self._trunk(tiles).mean((2, 3), keepdim=True))
        shown = _together((tiles.amax(1, keepdim=True) > BLACK).float().mean((2, 3), keepdim=True))
        inner = torch.zeros(GRID, GRID, device=x.device)
        inner[1:-1, 1:-1] = 1
        face, around = (
            (pooled * part).sum((2, 3)) / part.sum((2, 3)).clamp_min(1e-3)
            for part in (shown * inner, shown * (1 - inner))
        )
        apart = face - around
        return torch.cat([apart, face], 1) if self.given else apart

    def _trunk(self, tiles: Tensor) -> Tensor:
        trunk = self.features
        maps = trunk.bn1(trunk.conv_stem(tiles))
        for number, block in enumerate(trunk.blocks):
            maps = block(maps)
            if number == FINE:
                maps = _apart(self.shown(_together(maps)))
        out: Tensor = trunk.bn2(trunk.conv_head(maps))
        return out


def _apart(maps: Tensor) -> Tensor:
    """Cut maps [N, C, H, W] into tiles, [N * GRID^2, C, H / GRID, W / GRID]."""
    rows, columns = maps.shape[2] // GRID, maps.shape[3] // GRID
    tiles = maps.unfold(2, rows, rows).unfold(3, columns, columns).permute(0, 2, 3, 1, 4, 5)
    return tiles.flatten(0, 2).contiguous(memory_format=torch.channels_last)


def _together(tiles: Tensor) -> Tensor:
    """Lay tiles side by side again."""
    whole = tiles.unflatten(0, (-1, GRID, GRID)).permute(0, 3, 1, 4, 2, 5)
    return whole.flatten(4, 5).flatten(2, 3)


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a trained network (one .safetensors file); `options` are those of its recipe."""
    options: dict[str, Any] = dict(spec.options)
    network = TilesNet(**options)
    load_strict(network, load_state(files[0]), spec.id)
    network = network.eval().requires_grad_(False).to(device)
    side = spec.crop.size
    run = runtime.compile(network, torch.zeros(2, 3, side, side, device=device), device)
    return TorchFrameModel(spec, network, device, network.shown, run)
