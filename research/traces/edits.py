"""What is done to a region of a picture: edits as swaps, retouching and generators leave them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from research.traces.pictures import (
    blurred,
    drawn_encoder,
    encoded,
    grained,
    resized,
    rows,
    uniform,
)

PLACES = (6.0, 1.5, 1.0, 1.5)
"""How often a face, its lower part, its eyes, or anything is edited."""
CORNERS = (2.0, 2.5, 4.0, 8.0)
"""Exponents of a region's outline, from an ellipse to nearly a rectangle."""
DECODERS = ((2, 8, "transposed"), (3, 16, "nearest"), (2, 6, "shuffle"), (3, 24, "bilinear"))
"""Halvings of the side, channels of the code, and the way back, of autoencoders that draw again."""


def regions(count: int, side: int, rng: random.Random, like: Tensor) -> Tensor:
    """Draw soft regions about a face in the middle: float [count, 1, side, side] of 0..1."""
    line = torch.linspace(-1, 1, side, device=like.device)
    down, across = torch.meshgrid(line, line, indexing="ij")

    def one(low: float, high: float) -> Tensor:
        return uniform(count, low, high, like)

    def about(deviation: float) -> Tensor:
        return torch.randn(count, device=like.device) * deviation

    faces = (about(0.04), about(0.05), one(0.3, 0.62), one(0.42, 0.72))
    lower = (faces[0], one(0.2, 0.4), one(0.18, 0.4), one(0.12, 0.32))
    eyes = (faces[0], one(-0.3, -0.05), one(0.25, 0.5), one(0.1, 0.25))
    any_place = (one(-0.7, 0.7), one(-0.7, 0.7), one(0.15, 0.6), one(0.15, 0.6))
    kinds = rng.choices(range(len(PLACES)), PLACES, k=count)
    one_hot = F.one_hot(torch.tensor(kinds), len(PLACES)).T.to(like.device)
    x, y, width, height = (
        sum(values * chosen for values, chosen in zip(of_kind, one_hot, strict=True))
        for of_kind in zip(faces, lower, eyes, any_place, strict=True)
    )
    power = torch.tensor(rng.choices(CORNERS, (5, 2, 1, 1), k=count)).to(like.device)
    right, below = (
        (grid - middle[:, None, None]) / reach[:, None, None]
        for grid, middle, reach in ((across, x, width), (down, y, height))
    )
    angle = torch.atan2(below, right)
    uneven = torch.ones_like(angle)
    for waves in (2, 3, 5):
        turned = waves * angle + one(0, 2 * math.pi)[:, None, None]
        uneven = uneven + about(0.07)[:, None, None] * torch.cos(turned)
    power = power[:, None, None]
    far = (right.abs() ** power + below.abs() ** power) ** (1 / power) / uneven
    soft = one(math.log(0.02), math.log(0.25)).exp()[:, None, None]
    return torch.sigmoid((1 - far) / soft * 4)[:, None]


class Decoder(nn.Module):
    """An autoencoder that draws a picture again: float [N, 3, S, S] in -1..1, S a multiple of 8.

    Parameters
    ----------
    halvings, code : int
    back : "transposed", "shuffle", "nearest" or "bilinear"
        How maps are enlarged.
    """

    def __init__(self, halvings: int, code: int, back: str) -> None:
        super().__init__()
        widths = (3, 32, 64, 96)[: halvings + 1]
        layers: list[nn.Module] = []
        for ours, theirs in pairwise(widths):
            layers += [nn.Conv2d(ours, theirs, 4, 2, 1), nn.SiLU()]
        layers += [nn.Conv2d(widths[-1], code, 3, 1, 1)]
        layers += [nn.Conv2d(code, widths[-1], 3, 1, 1), nn.SiLU()]
        for theirs, ours in list(pairwise(widths))[::-1]:
            layers += [*_enlarged(ours, theirs if theirs > 3 else 24, back), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(24, 3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def _enlarged(inputs: int, outputs: int, back: str) -> list[nn.Module]:
    if back == "transposed":
        return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
    if back == "shuffle":
        return [nn.Conv2d(inputs, 4 * outputs, 3, 1, 1), nn.PixelShuffle(2)]
    return [nn.Upsample(scale_factor=2, mode=back), nn.Conv2d(inputs, outputs, 3, 1, 1)]


def edited(
    pictures: Tensor, others: Tensor, decoders: Sequence[nn.Module], rng: random.Random
) -> tuple[Tensor, Tensor]:
    """Return pictures that were changed all over in some of many ways, and which were at all: bool
    [N]. Whoever wants an edit lays a region of them over the picture.

    Parameters
    ----------
    others : float [N, 3, S, S]
        Another moment of the same people, or other people.
    """
    x, touched = pictures.clone(), torch.zeros(len(pictures), dtype=torch.bool)

    def sometimes(share: float, change: Callable[[Tensor, Tensor], Tensor]) -> None:
        which = [rng.random() < share for _ in range(len(x))]
        if any(which):
            at = rows(which, x)
            x[at] = change(x[at], at)
            touched.logical_or_(torch.tensor(which))

    def drawn_again(some: Tensor, at: Tensor) -> Tensor:
        decoder = rng.choice(list(decoders))
        with torch.autocast(some.device.type, torch.bfloat16):
            again = decoder(some / 127.5 - 1)
        again = ((again.float() + 1) * 127.5).clamp(0, 255)
        return resized(again, rng, 0.5, 1.0)[0] if rng.random() < 0.3 else again

    sometimes(0.12, lambda some, at: others[at])
    sometimes(0.25, lambda some, at: _warped(some, rng))
    if decoders:
        sometimes(0.25, drawn_again)
    sometimes(0.45, lambda some, at: resized(some, rng, 0.3, 0.9)[0])
    sometimes(0.15, lambda some, at: blurred(some, uniform(len(some), 0.4, 1.5, some)))
    sometimes(0.10, lambda some, at: _sharpened(some))
    sometimes(0.12, lambda some, at: _denoised(some))
    sometimes(0.12, lambda some, at: grained(some, uniform(len(some), 1, 7, some)))
    sometimes(0.20, lambda some, at: encoded(some, drawn_encoder(rng, some, quality=(25, 90))))
    sometimes(0.50, lambda some, at: _tinted(some))
    return x, touched.to(pictures.device)


def _warped(pictures: Tensor, rng: random.Random) -> Tensor:
    """Turn, grow and move each a little, unevenly."""
    count, _, side, _ = pictures.shape

    def little(*shape: int) -> Tensor:
        return torch.randn(count, *shape, device=pictures.device) * 0.02

    turn, grow, move = little(), 1 + little(), little(2)
    cos, sin = grow * torch.cos(turn), torch.sin(turn)
    matrix = torch.stack([cos, -sin, move[:, 0], sin, cos, move[:, 1]], 1).view(-1, 2, 3)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    uneven = F.interpolate(little(2, 5, 5) * 0.4, (side, side), mode="bicubic")
    out: Tensor = F.grid_sample(
        pictures, grid + uneven.permute(0, 2, 3, 1),
        mode=rng.choice(("bilinear", "bicubic")), padding_mode="reflection", align_corners=False,
    ).clamp(0, 255)  # fmt: skip
    return out


def _sharpened(pictures: Tensor) -> Tensor:
    count = len(pictures)
    apart = pictures - blurred(pictures, uniform(count, 0.8, 1.8, pictures))
    strength = uniform(count, 0.3, 1.2, pictures)[:, None, None, None]
    return (pictures + apart * strength).clamp(0, 255)


def _denoised(pictures: Tensor) -> Tensor:
    """Take away what differs from its surroundings by little."""
    count = len(pictures)
    smooth = blurred(pictures, uniform(count, 0.8, 1.5, pictures))
    apart = pictures - smooth
    limit = uniform(count, 2, 10, pictures)[:, None, None, None]
    return smooth + apart * (apart.abs() > limit)


def _tinted(pictures: Tensor) -> Tensor:
    gain, shift = (
        torch.randn(len(pictures), 3, 1, 1, device=pictures.device) * by for by in (0.05, 5)
    )
    return (pictures * (1 + gain) + shift).clamp(0, 255)
