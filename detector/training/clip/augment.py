"""Augmentation of batches on the device: geometry and quality.

Pictures are float [N, 3, H, W] in 0..1; parameters with one value a picture are [N].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from detector.training.clip.faces import SIDE


def uniform(count: int, low: float, high: float, device: torch.device) -> Tensor:
    """Draw one number a picture: [N]."""
    return torch.rand(count, device=device) * (high - low) + low


def chance(count: int, share: float, device: torch.device) -> Tensor:
    """Draw for which pictures something happens: bool [N]."""
    return torch.rand(count, device=device) < share


def some(share: float, low: float, high: float, count: int, device: torch.device) -> Tensor:
    """Draw a number for a share of the pictures, 0 for the others: [N]."""
    return uniform(count, low, high, device) * chance(count, share, device)


def column(values: Tensor) -> Tensor:
    """Shape [N] as [N, 1, 1, 1]."""
    return values.view(-1, 1, 1, 1)


def one(low: float, high: float) -> float:
    """Draw one number for a batch."""
    return low + (high - low) * float(torch.rand(()))


def on(x: Tensor, chosen: Tensor, change: Callable[..., Tensor], *params: Tensor) -> Tensor:
    """Change the chosen pictures only: costly operations skip the others."""
    rows = chosen.nonzero()[:, 0]
    if not len(rows):
        return x
    out = x.clone()
    out[rows] = change(x[rows], *[p[rows] for p in params])
    return out


def view(center: Tensor, side: Tensor, turn: Tensor, flip: Tensor) -> Tensor:
    """Return the affine map [N, 2, 3] of a square view in normalized coordinates of the cut.

    Parameters
    ----------
    center : [N, 2]
    side : [N]
        px of the cut.
    turn : [N]
        Radians.
    flip : bool [N]
    """
    half, mirror = side / SIDE, torch.where(flip, -1.0, 1.0)
    cos, sin = torch.cos(turn) * half, torch.sin(turn) * half
    top, bottom = torch.stack([cos * mirror, -sin], 1), torch.stack([sin * mirror, cos], 1)
    shift = center / SIDE * 2 - 1
    return torch.cat([torch.stack([top, bottom], 1), shift[:, :, None]], 2)


def sample(cuts: Tensor, views: Tensor, size: int) -> Tensor:
    """Resample cuts, uint8 [N, SIDE, SIDE, 3], to views [N, 3, size, size]."""
    pictures = cuts.permute(0, 3, 1, 2).float() / 255
    return resample(pictures, views, size).clamp(0, 1)


def resample(pictures: Tensor, maps: Tensor, size: int) -> Tensor:
    """Resample pictures by affine maps [N, 2, 3] in normalized coordinates, mirrored at edges."""
    grid = F.affine_grid(maps, [len(maps), 3, size, size], align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def to_view(points: Tensor, views: Tensor, size: int) -> Tensor:
    """Move points [N, K, 2] from px of the cut to px of the view."""
    moved = points / SIDE * 2 - 1 - views[:, None, :, 2]
    solved = torch.linalg.solve(views[:, :, :2], moved.transpose(1, 2)).transpose(1, 2)
    return (solved + 1) / 2 * size


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur by a Gaussian of 15 px at most, as weighted sums of shifted pictures."""
    reach = min(7, x.shape[-1] // 2)
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = torch.exp(-(offsets**2) / (2 * sigma.clamp_min(1e-2)[:, None] ** 2))
    weights = weights / weights.sum(1, keepdim=True)
    for dim in (2, 3):
        side = x.shape[dim]
        pad = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
        padded = F.pad(x, pad, mode="reflect")
        x = sum(
            (column(weights[:, i]) * padded.narrow(dim, i, side) for i in range(2 * reach + 1)),
            start=torch.zeros_like(x),
        )
    return x


def sharpen(x: Tensor, amount: Tensor) -> Tensor:
    """Unsharp masking."""
    soft = blur(x, torch.ones_like(amount))
    return (x + column(amount) * (x - soft)).clamp(0, 1)


def shrink(x: Tensor, share: float) -> Tensor:
    """Reduce to a share of the size and enlarge again."""
    small = max(16, int(x.shape[-1] * share))
    down = ("area", "bilinear", "bicubic")[int(one(0, 3))]
    antialias = {} if down == "area" else {"antialias": True}
    y = F.interpolate(x, size=(small, small), mode=down, **antialias)
    up = ("bilinear", "bicubic")[int(one(0, 2))]
    return F.interpolate(y, size=x.shape[-2:], mode=up).clamp(0, 1)


def noise(x: Tensor, amount: Tensor) -> Tensor:
    """Add white noise of a deviation."""
    return (x + column(amount) * torch.randn_like(x)).clamp(0, 1)


def color(x: Tensor, knobs: Tensor, amount: float) -> Tensor:
    """Change contrast, brightness, saturation, gains and gamma by knobs [N, 7] in -1..1."""
    mean = x.mean((1, 2, 3), keepdim=True)
    contrast, brightness = column(knobs[:, 0]), column(knobs[:, 1])
    x = (x - mean) * (1 + amount * contrast) + mean * (1 + amount * brightness)
    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * (1 + 1.5 * amount * column(knobs[:, 2]))
    x = x * (1 + 0.35 * amount * knobs[:, 3:6].view(-1, 3, 1, 1))
    return x.clamp(1e-4, 1).pow(1 + amount * column(knobs[:, 6])).clamp(0, 1)


# Annex K of ITU-T T.81: quantization of luma and chroma.
_LUMA = torch.tensor([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
]).float()  # fmt: skip
_CHROMA = torch.tensor(
    [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
).float()
_CHROMA = F.pad(_CHROMA, (0, 4, 0, 4), value=99.0)
_DCT = torch.tensor(
    [
        [
            math.sqrt((1 if i == 0 else 2) / 8) * math.cos((2 * j + 1) * i * math.pi / 16)
            for j in range(8)
        ]
        for i in range(8)
    ]
)


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Compress as JPEG does (4:2:0, without the lossless coding), blocks at a random offset."""
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
    shift = (int(one(0, 8)), int(one(0, 8)))
    red, green, blue = (torch.roll(x * 255, shift, (2, 3))).unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    cb, cr = (
        _chroma(128 + k * (channel - luma), factor) - 128
        for k, channel in ((0.564, blue), (0.713, red))
    )
    luma = _coded(luma, _LUMA, factor)
    out = torch.stack([luma + 1.403 * cr, luma - 0.344 * cb - 0.714 * cr, luma + 1.773 * cb], 1)
    out = torch.roll(out / 255, (-shift[0], -shift[1]), (2, 3)).clamp(0, 1)
    return out[..., :height, :width]


def _chroma(plane: Tensor, factor: Tensor) -> Tensor:
    small = _coded(F.avg_pool2d(plane[:, None], 2)[:, 0], _CHROMA, factor)
    return F.interpolate(small[:, None], scale_factor=2, mode="bilinear")[:, 0]


def _coded(plane: Tensor, table: Tensor, factor: Tensor) -> Tensor:
    steps = (table.to(plane.device)[None] * factor[:, None, None] + 50) / 100
    steps = steps.floor().clamp(1, 255)[:, None, None]
    dct = _DCT.to(plane.device)
    count, height, width = plane.shape
    blocks = (plane - 128).view(count, height // 8, 8, width // 8, 8).permute(0, 1, 3, 2, 4)
    rounded = (dct @ blocks @ dct.T / steps).round() * steps
    return (dct.T @ rounded @ dct).permute(0, 1, 3, 2, 4).reshape(count, height, width) + 128


class PairQuality:
    """Color, sharpness, noise, compression and a hole: drawn once for each pair and applied to
    both pictures, so that quality says nothing about the label."""

    def __init__(self, pairs: int, side: int, device: torch.device) -> None:
        self.knobs = torch.rand(pairs, 7, device=device) * 2 - 1
        self.colored = chance(pairs, 0.7, device)
        self.blur = some(0.25, 0.3, 1.8, pairs, device)
        self.sharpen = some(0.1, 0.2, 1.0, pairs, device)
        self.first = some(0.35, 45, 95, pairs, device)
        self.last = some(0.55, 30, 95, pairs, device)
        self.small, self.share = chance(pairs, 0.3, device), one(0.35, 0.9)
        self.noise = some(0.2, 0.003, 0.03, pairs, device)
        self.gray = chance(pairs, 0.03, device)
        self.hole = chance(pairs, 0.15, device)
        self.middle = torch.rand(pairs, 2, device=device) * side
        self.size = (torch.rand(pairs, 2, device=device) * 0.27 + 0.09) * side

    def __call__(self, x: Tensor, pair: Tensor) -> Tensor:
        """Apply to pictures; `pair` [N] says which pair each is of."""
        x = on(x, self.colored[pair], lambda y, k: color(y, k, 0.25), self.knobs[pair])
        for change, amount in ((jpeg, self.first), (blur, self.blur), (sharpen, self.sharpen)):
            x = on(x, amount[pair] > 0, change, amount[pair])
            if change is jpeg:
                x = on(x, self.small[pair], lambda y: shrink(y, self.share))
        for change, amount in ((noise, self.noise), (jpeg, self.last)):
            x = on(x, amount[pair] > 0, change, amount[pair])
        x = torch.where(column(self.gray[pair]), x.mean(1, keepdim=True).expand_as(x), x)
        axis = torch.arange(x.shape[-1], device=x.device)
        near = (axis - self.middle[pair][..., None]).abs() < self.size[pair][..., None] / 2
        hole = near[:, 0, :, None] & near[:, 1, None] & self.hole[pair].view(-1, 1, 1)
        return torch.where(hole[:, None], torch.full_like(x, 0.45), x)
