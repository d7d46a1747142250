"""What happens to a whole picture: encoders, smaller sizes, blur and grain, on many at once.

Pictures are float [N, 3, S, S] of 0..255, RGB; S is a multiple of 16.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from detector.models.families.texture import YCC
from detector.provenance.pictures import LUMINANCE

CHROMA = 1.2
"""How much coarser colors are quantized."""
DEAD = 0.36
"""What an encoder of video adds before it rounds down: small coefficients fall to nothing."""
LARGER = {"bilinear": 3, "bicubic": 5, "nearest-exact": 1}
"""How a picture is enlarged, and how often each way is drawn."""
REACH = 4
"""px of a blur to either side"""
WORN = ("size", "blur", "grain", "encoder", "size at the end")
"""What a network is asked about a picture's past: `worn` and `finished` fill these columns."""


class Encoder(NamedTuple):
    """How each of N pictures is encoded."""

    jpeg: Tensor
    """bool [N]; the others as a key frame of video"""
    strength: Tensor
    """float [N]: quality of a JPEG, 1..100; quantizer of video, 0..51"""
    shift: tuple[int, int]
    """px by which blocks are off, down and across"""


def uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """Return float [count] on the device of another tensor."""
    return torch.empty(count, device=like.device).uniform_(low, high)


def rows(which: Sequence[bool], like: Tensor) -> Tensor:
    """Return the places of what is true, int [K]. A GPU is not waited for."""
    places = torch.tensor([k for k, yes in enumerate(which) if yes], dtype=torch.long)
    if like.is_cuda:
        return places.pin_memory().to(like.device, non_blocking=True)
    return places


def drawn_encoder(
    rng: random.Random,
    like: Tensor,
    *,
    jpeg: float = 0.5,
    quality: tuple[float, float] = (25, 92),
    quantizer: tuple[float, float] = (20, 38),
) -> Encoder:
    """Draw one for each picture of `like`; `jpeg` is the share of these."""
    count = len(like)
    chosen = uniform(count, 0, 1, like) < jpeg
    strength = torch.where(chosen, uniform(count, *quality, like), uniform(count, *quantizer, like))
    return Encoder(chosen, strength, (rng.randrange(8), rng.randrange(8)))


def encoded(pictures: Tensor, how: Encoder) -> Tensor:
    """Return pictures as blocks of 8 × 8 cosine transforms leave them, colors at half the size."""
    matrix = torch.tensor(YCC, device=pictures.device)
    x = torch.roll(pictures, how.shift, (2, 3))
    x = torch.einsum("ij,njhw->nihw", matrix, x)
    steps = _steps(how)[:, None, None, None]
    rounding = torch.where(how.jpeg, 0.5, DEAD)[:, None, None, None, None, None]
    luma = _quantized(x[:, :1], steps, rounding)
    colors = _quantized(F.avg_pool2d(x[:, 1:], 2) + 128, steps * CHROMA, rounding) - 128
    colors = F.interpolate(colors, scale_factor=2, mode="bilinear")
    x = torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix), torch.cat([luma, colors], 1))
    return torch.roll(x.clamp(0, 255), (-how.shift[0], -how.shift[1]), (2, 3))


def _steps(how: Encoder) -> Tensor:
    """Return quantization steps: float [N, 8, 8]."""
    table = torch.tensor(LUMINANCE, device=how.strength.device, dtype=torch.float32).view(8, 8)
    strength = how.strength
    scale = torch.where(strength < 50, 5000 / strength.clamp_min(1), 200 - 2 * strength) / 100
    of_jpeg = (table * scale[:, None, None]).round().clamp(1, 255)
    of_video = (2 ** ((strength - 4) / 6))[:, None, None].expand(-1, 8, 8)
    return torch.where(how.jpeg[:, None, None], of_jpeg, of_video)


def _quantized(maps: Tensor, steps: Tensor, rounding: Tensor) -> Tensor:
    count, channels, height, width = maps.shape
    k = torch.arange(8.0, device=maps.device)
    once = torch.cos((2 * k + 1) * k[:, None] * math.pi / 16) / 2
    once[0] /= math.sqrt(2)
    transform = torch.kron(once, once)
    blocks = maps.view(count, channels, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    found = ((blocks.reshape(-1, 64) - 128) @ transform.T).view(blocks.shape) / steps
    kept = torch.sign(found) * torch.floor(found.abs() + rounding) * steps
    back = (kept.reshape(-1, 64) @ transform + 128).view(blocks.shape)
    return back.permute(0, 1, 2, 4, 3, 5).reshape(maps.shape)


def blurred(pictures: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each by its own Gaussian, px."""
    size = pictures.shape[-1]
    k = torch.arange(-REACH, REACH + 1.0, device=pictures.device)
    weights = torch.exp(-(k**2) / (2 * sigmas[:, None] ** 2))
    weights = (weights / weights.sum(1, keepdim=True))[:, :, None, None, None]
    wide = F.pad(pictures, [REACH] * 4, mode="reflect")
    down = sum(wide[:, :, i : i + size] * weights[:, i] for i in range(len(k)))
    assert isinstance(down, Tensor)
    across = sum(down[..., i : i + size] * weights[:, i] for i in range(len(k)))
    assert isinstance(across, Tensor)
    return across


def resized(
    pictures: Tensor, rng: random.Random, low: float, high: float, parts: int = 4
) -> tuple[Tensor, Tensor]:
    """Return pictures that went through a smaller size, and the share of the side that it was:
    float [N]. One size is drawn for each of so many parts of the batch."""
    out, shares = [], []
    side = pictures.shape[-1]
    for part in pictures.chunk(parts):
        share = rng.uniform(low, high)
        small = max(16, round(side * share))
        smooth = rng.random() < 0.7
        less = F.interpolate(part, (small, small), mode="bilinear", antialias=smooth)
        how = rng.choices(list(LARGER), list(LARGER.values()))[0]
        out.append(F.interpolate(less, (side, side), mode=how).clamp(0, 255))
        shares += [share] * len(part)
    return torch.cat(out), torch.tensor(shares, device=pictures.device)


def grained(pictures: Tensor, sigmas: Tensor) -> Tensor:
    """Add Gaussian noise to each, gray levels."""
    return (pictures + torch.randn_like(pictures) * sigmas[:, None, None, None]).clamp(0, 255)


def worn(pictures: Tensor, rng: random.Random, out_of_focus: Tensor) -> tuple[Tensor, Tensor]:
    """Return pictures as cameras and pages give them, each worn in one way or none, and what was
    done: float [N, len(WORN)].

    Parameters
    ----------
    out_of_focus : float [N, 1, S, S]
        1 where a picture stays sharp while what is about it is blurred: no sign of anything.
    """
    x, done = pictures.clone(), torch.zeros(len(pictures), len(WORN), device=pictures.device)
    ways = rng.choices(range(6), (4, 2, 1, 1.5, 1.5, 0.7), k=len(x))
    at = [rows([way == which for way in ways], x) for which in range(6)]
    if len(at[1]):
        x[at[1]], share = resized(x[at[1]], rng, 0.4, 0.95)
        done[at[1], 0] = 1 - share
    if len(at[2]):
        done[at[2], 1] = sigma = uniform(len(at[2]), 0.4, 1.6, x)
        x[at[2]] = blurred(x[at[2]], sigma)
    if len(at[3]):
        sigma = uniform(len(at[3]), 1, 9, x)
        x[at[3]], done[at[3], 2] = grained(x[at[3]], sigma), sigma / 5
    if len(at[4]):
        some = x[at[4]]
        x[at[4]] = encoded(some, drawn_encoder(rng, some, quality=(30, 92), quantizer=(20, 36)))
    if len(at[5]):
        some, kept = x[at[5]], out_of_focus[at[5]]
        x[at[5]] = some * kept + blurred(some, uniform(len(some), 0.6, 2.2, x)) * (1 - kept)
    return x, done


def finished(
    originals: Tensor, edited: Tensor, rng: random.Random, done: Tensor
) -> tuple[Tensor, Tensor]:
    """Return originals and what was made of them, [2 N, 3, S, S], worn alike to the end and in
    whole gray levels, and what was done by then (`worn`)."""
    done = done.clone()
    count = len(originals)
    both = [originals, edited]
    if rng.random() < 0.35 and (some := count // 3):
        state = rng.getstate()
        for k, pictures in enumerate(both):
            rng.setstate(state)
            less, share = resized(pictures[:some], rng, 0.5, 0.95, 2)
            both[k] = torch.cat([less, pictures[some:]])
            done[:some, 4] = 1 - share
    how = drawn_encoder(rng, originals, jpeg=0.3, quality=(40, 96), quantizer=(12, 33))
    at_all = uniform(count, 0, 1, originals) < 0.85
    said = torch.where(how.jpeg, (100 - how.strength) / 40, how.strength / 20)
    done[:, 3] = torch.where(at_all, said, torch.zeros_like(said))
    x = torch.cat(both)
    twice = Encoder(how.jpeg.repeat(2), how.strength.repeat(2), how.shift)
    x = torch.where(at_all.repeat(2)[:, None, None, None], encoded(x, twice), x)
    return x.round().clamp(0, 255), done
