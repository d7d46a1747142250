"""Pseudo-fakes of originals, made on the device.

A region of the face is blended with the same picture changed a little (self-blended images,
Shiohara and Yamasaki 2022), with another frame of the clip, or with another person's face.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from detector.training.clip import augment
from detector.training.clip.augment import chance, column, on, some, uniform
from detector.training.clip.faces import TEMPLATE

SAME, FRAME, PERSON = 0, 1, 2
"""What is blended in: the picture itself, another frame of the clip, another person."""

# Outlines of regions in template units, clockwise.
_JAW = [
    (8, 50), (9, 64), (11, 77), (15, 89), (22, 100), (32, 109), (43, 116), (56, 119), (69, 116),
    (80, 109), (90, 100), (97, 89), (101, 77), (103, 64), (104, 50),
]  # fmt: skip
_FACE = [*_JAW, (97, 34), (84, 27), (70, 26), (56, 28), (42, 26), (28, 27), (15, 34)]
_HEAD = [*_JAW, (100, 30), (88, 12), (72, 3), (56, 0), (40, 3), (24, 12), (12, 30)]
_INNER = [
    (22, 48), (22, 70), (28, 90), (40, 104), (56, 108), (72, 104), (84, 90), (90, 70), (90, 48),
    (76, 40), (56, 42), (36, 40),
]  # fmt: skip
_LOWER = [
    (12, 72), (16, 90), (23, 101), (33, 110), (44, 116), (56, 118), (68, 116), (79, 110),
    (89, 101), (96, 90), (100, 72), (80, 68), (66, 62), (56, 58), (46, 62), (32, 68),
]  # fmt: skip
_MOUTH = [
    (34, 92), (40, 102), (48, 108), (56, 110), (64, 108), (72, 102), (78, 92), (70, 84), (62, 80),
    (56, 79), (50, 80), (42, 84),
]  # fmt: skip
_EYES = [
    (16, 48), (22, 60), (36, 64), (50, 62), (56, 60), (62, 62), (76, 64), (90, 60), (96, 48),
    (88, 36), (70, 34), (56, 38), (42, 34), (24, 36),
]  # fmt: skip
_NOSE_MOUTH = [
    (44, 60), (36, 80), (32, 94), (42, 106), (56, 110), (70, 106), (80, 94), (76, 80), (68, 60),
    (56, 46),
]  # fmt: skip
OUTLINES = [_FACE, _FACE, _HEAD, _INNER, _INNER, _LOWER, _MOUTH, _EYES, _NOSE_MOUTH]
SPEAKING = (5, 6, 8)
"""Outlines of what moves in speech."""


def _even(outline: list[tuple[int, int]], count: int) -> np.ndarray:
    """Return an outline as `count` points at equal distances."""
    points = np.array([*outline, outline[0]], float)
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    at = np.linspace(0, along[-1], count, endpoint=False)
    return np.column_stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)])


_EVEN = torch.tensor(np.stack([_even(o, max(map(len, OUTLINES))) for o in OUTLINES])).float()
_TEMPLATE = torch.tensor(TEMPLATE).float()


def affine(points: Tensor, onto: Tensor) -> Tensor:
    """Return the affine maps [N, 2, 3] that move points [N, K, 2] onto others, least squares."""
    a = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    ridge = 1e-3 * torch.eye(3, device=a.device)
    return torch.linalg.solve(a.mT @ a + ridge, a.mT @ onto).mT


def warp(x: Tensor, maps: Tensor) -> Tensor:
    """Resample pictures so that what is at p comes to map(p); px."""
    size = x.shape[-1]
    row = torch.tensor([[[0.0, 0.0, 1.0]]], device=x.device).expand(len(maps), 1, 3)
    inverse = torch.linalg.inv(torch.cat([maps, row], 1))
    normalized = torch.tensor([[2 / size, 0, -1], [0, 2 / size, -1], [0, 0, 1.0]], device=x.device)
    return augment.resample(x, (normalized @ inverse @ torch.linalg.inv(normalized))[:, :2], size)


def masks(points: Tensor, which: Tensor, size: int) -> Tensor:
    """Draw soft masks [N, 1, size, size] of outlines `which` [N] about landmarks [N, 5, 2] px."""
    count, device = len(points), points.device
    outline = _EVEN.to(device)[which]
    middle = outline.mean(1, keepdim=True)
    grow = uniform(count, 0.8, 1.12, device)[:, None, None]
    stretch = 1 + 0.08 * torch.randn(count, 1, 2, device=device)
    outline = middle + (outline - middle) * grow * stretch + 1.2 * torch.randn_like(outline)
    maps = affine(_TEMPLATE.to(device).expand(count, -1, -1), points)
    outline = outline @ maps[:, :, :2].mT + maps[:, None, :, 2]
    side, unit = size // 4, size / 224
    distance = _signed_distance(outline, side, size).view(count, 1, side, side)
    bend = F.interpolate(
        torch.randn(count, 1, 6, 6, device=device), size=(side, side), mode="bicubic"
    )
    bend = bend * column(uniform(count, 0, 7, device) * unit)
    edge = column(uniform(count, -2, 6, device) * unit)
    soft = column(torch.exp(uniform(count, math.log(0.8), math.log(9), device)) * unit)
    mask = torch.sigmoid((distance + bend - edge) / soft * 2)
    return F.interpolate(mask, size=(size, size), mode="bilinear")


def _signed_distance(outline: Tensor, side: int, size: int) -> Tensor:
    """Return the distance of a grid's cells to polygons [N, K, 2], positive inside: [N, side²]."""
    axis = (torch.arange(side, device=outline.device) + 0.5) * size / side
    cells = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(1, 1, -1, 2)
    start, end = outline[:, :, None], torch.roll(outline, -1, 1)[:, :, None]
    edge, off = end - start, cells - start
    along = ((off * edge).sum(-1) / (edge**2).sum(-1).clamp_min(1e-6)).clamp(0, 1)
    nearest = ((off - along[..., None] * edge) ** 2).sum(-1).amin(1).sqrt()
    # Even-odd rule: how many edges a ray to the right crosses.
    crosses = (start[..., 1] > cells[..., 1]) != (end[..., 1] > cells[..., 1])
    rise = torch.where(edge[..., 1].abs() < 1e-6, 1e-6, edge[..., 1])
    left = off[..., 0] < edge[..., 0] / rise * off[..., 1]
    inside = (crosses & left).sum(1) % 2 == 1
    return torch.where(inside, nearest, -nearest)


def pseudo(base: Tensor, points: Tensor, other: Tensor, theirs: Tensor, kind: Tensor) -> Tensor:
    """Blend something into the face of `base`.

    Parameters
    ----------
    base, other : float [N, 3, S, S]
        Originals, and what is blended in for kinds `FRAME` and `PERSON`.
    points, theirs : float [N, 5, 2]
        Their landmarks, px.
    kind : int [N]
    """
    count, device, size = len(base), base.device, base.shape[-1]
    which = torch.randint(len(OUTLINES), (count,), device=device)
    speaking = torch.tensor(SPEAKING, device=device)[torch.randint(3, (count,), device=device)]
    which = torch.where((kind == FRAME) & chance(count, 0.7, device), speaking, which)
    mask = masks(points, which, size)
    source = torch.where(column(kind == SAME), base, warp(other, affine(theirs, points)))
    matched = _matched(source, base, mask)
    left = column(uniform(count, 0, 0.25, device))
    source = torch.where(column(kind == PERSON), matched + (source - matched) * left, source)
    first = column(chance(count, 0.75, device))
    source, target = (
        torch.where(first, _changed(source), source),
        torch.where(first, base, _changed(base)),
    )
    source = warp(source, _misfit(points, size))
    ratios = torch.tensor([0.4, 0.6, 0.8, 1, 1, 1], device=device)
    ratio = ratios[torch.randint(6, (count,), device=device)]
    weight = mask * column(torch.where(kind == PERSON, 1.0, ratio))
    return (weight * source + (1 - weight) * target).clamp(0, 1)


def _matched(source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Give the source the target's mean and deviation of colors under the mask."""
    weight = mask / mask.sum((2, 3), keepdim=True).clamp_min(1e-3)

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = (x * weight).sum((2, 3), keepdim=True)
        spread = ((x - mean) ** 2 * weight).sum((2, 3), keepdim=True)
        return mean, spread.clamp_min(1e-5).sqrt()

    (mean, spread), (their_mean, their_spread) = moments(source), moments(target)
    return (source - mean) / spread * their_spread + their_mean


def _changed(x: Tensor) -> Tensor:
    """Change color, sharpness, size and compression a little."""
    count, device = len(x), x.device
    knobs = torch.rand(count, 7, device=device) * 2 - 1
    x = on(x, chance(count, 0.75, device), lambda y, k: augment.color(y, k, 0.14), knobs)
    soft = some(0.35, 0.4, 1.8, count, device)
    x = on(x, soft > 0, augment.blur, soft)
    sharp = some(0.3, 0.3, 1.2, count, device)
    x = on(x, sharp > 0, augment.sharpen, sharp)
    share = augment.one(0.35, 0.8)
    x = on(x, chance(count, 0.35, device), lambda y: augment.shrink(y, share))
    quality = some(0.25, 40, 90, count, device)
    return on(x, quality > 0, augment.jpeg, quality)


def _misfit(points: Tensor, size: int) -> Tensor:
    """Draw small changes of scale and place about a face: maps [N, 2, 3], px."""
    count, device = len(points), points.device
    scale = 1 + 0.04 * (torch.rand(count, 2, device=device) * 2 - 1)
    shift = 0.015 * size * (torch.rand(count, 2, device=device) * 2 - 1)
    shift = shift + points.mean(1) * (1 - scale)
    return torch.cat([torch.diag_embed(scale), shift[:, :, None]], 2)
