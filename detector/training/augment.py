"""Changes that must not tell an original from a fake of it, made alike to both.

Everything random is drawn first (`draw`), then applied (`apply`) to every picture of a pair, so a
pair differs in the manipulation alone. One change is made to originals only, on purpose:
swaps are softer than their originals, and a detector that has seen nothing else learns "soft means
fake"; some originals are softened too (`soften`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from detector.models.base import CropRecipe
from detector.schema.analysis import Box
from detector.training.cache import MARGIN
from detector.training.codec import h264
from detector.training.recipe import Change
from detector.vision import cut

# DFDC's crops, measured by their landmarks against those of clips: the crop is 0.70 of the longer
# side of the box that MTCNN gives on a whole frame, and stands 0.10 of it lower than its center.
# What ships was trained so. Landmarks that were found later say 0.84 and 0.07: to be tried.
TIGHT_SCALE = 0.70
TIGHT_SHIFT = 0.10


@dataclass(frozen=True)
class Framing:
    """Which square of a cached crop is shown.

    Attributes
    ----------
    zoom : float
        Times the recipe's scale.
    dx, dy : float
        Shift of the center, in longer sides of the face box.
    flip : bool
    """

    zoom: float
    dx: float
    dy: float
    flip: bool


@dataclass(frozen=True)
class AugmentationParams:
    """How a crop was taken and kept: color, size, blur, noise, compression."""

    gain: float
    shift: float
    gamma: float
    saturation: float
    tint: tuple[float, float, float]
    shrink: float
    smooth_up: bool
    blur: float
    noise: float
    noise_seed: int
    jpeg: int
    jpeg_first: int
    crf: int = 0


def draw_framing(rng: np.random.Generator, tight: bool, wide: bool = False) -> Framing:
    """Draw a square around a face; `tight` files can hardly be zoomed out of, and of what was
    cached with its surroundings (`wide`) no border is to be seen."""
    flip = bool(rng.random() < 0.5)
    if wide and not tight:
        dx, dy = rng.normal(0, 0.03, 2).clip(-0.06, 0.06)
        return Framing(float(rng.uniform(0.85, 1.1)), float(dx), float(dy), flip)
    if tight and rng.random() < 0.65:
        # Within the picture: no border is seen.
        zoom = rng.uniform(0.8, 1.0) * TIGHT_SCALE
        room = (TIGHT_SCALE - zoom) / 2
        dx, dy = rng.uniform(-room, room, 2)
        return Framing(zoom, float(dx), TIGHT_SHIFT + float(dy), flip)
    zoom = rng.uniform(0.78, 1.15) if not tight else rng.uniform(0.72, 0.98)
    dx, dy = rng.normal(0, 0.04, 2).clip(-0.1, 0.1)
    if not tight and rng.random() < 0.25:
        zoom, dy = rng.uniform(0.68, 0.85), dy + 0.08
    return Framing(float(zoom), float(dx), float(dy), flip)


def frame(
    crop: np.ndarray, framing: Framing, recipe: CropRecipe, tight: bool, margin: float = MARGIN
) -> np.ndarray:
    """Cut a cached crop as the pipeline cuts a face: uint8 [size, size, 3].

    `margin` is what the crop was cached with, in longer sides of the face box. `framing.zoom` of
    tight files is in longer sides too, of others in times the recipe's scale.
    """
    side = crop.shape[0]
    longer = side / (TIGHT_SCALE if tight else margin)
    x = side / 2 + framing.dx * longer
    y = side / 2 + (framing.dy - (TIGHT_SHIFT if tight else 0.0)) * longer
    half = framing.zoom * longer / 2 * (1.0 if tight else recipe.scale)
    box: Box = (x - half, y - half, x + half, y + half)
    shown = cut(crop, box, recipe.model_copy(update={"scale": 1.0}))
    return np.ascontiguousarray(shown[:, ::-1]) if framing.flip else shown


def draw_augmentation(
    rng: np.random.Generator, h264: float = 0.0, without: Sequence[Change] = ()
) -> AugmentationParams:
    """Draw the conditions of a picture; `h264` of them (0..1) went through a video encoder.

    Changes named in `without` are drawn too, and not made: the others stay as they are with them.
    """
    color = rng.random() < 0.7
    gray = rng.random() < 0.04
    look = AugmentationParams(
        gain=float(rng.uniform(0.75, 1.25)) if color else 1.0,
        shift=float(rng.uniform(-20, 20)) if color else 0.0,
        gamma=float(rng.uniform(0.75, 1.35)) if color else 1.0,
        saturation=0.0 if gray else float(rng.uniform(0.6, 1.4)) if color else 1.0,
        tint=tuple(rng.uniform(0.93, 1.07, 3).tolist()) if color else (1.0, 1.0, 1.0),
        shrink=float(rng.uniform(0.35, 0.95)) if rng.random() < 0.45 else 1.0,
        smooth_up=bool(rng.random() < 0.5),
        blur=float(rng.uniform(0.3, 1.3)) if rng.random() < 0.2 else 0.0,
        noise=float(rng.uniform(1, 9)) if rng.random() < 0.2 else 0.0,
        noise_seed=int(rng.integers(2**31)),
        jpeg=int(rng.integers(35, 96)) if rng.random() < 0.75 else 0,
        jpeg_first=int(rng.integers(40, 96)) if rng.random() < 0.2 else 0,
        crf=int(rng.integers(20, 39)) if h264 and rng.random() < h264 else 0,
    )
    return _less(look, without)


_UNCHANGED: dict[Change, dict[str, Any]] = {
    "color": {"gain": 1.0, "shift": 0.0, "gamma": 1.0, "saturation": 1.0, "tint": (1.0, 1.0, 1.0)},
    "size": {"shrink": 1.0},
    "blur": {"blur": 0.0},
    "noise": {"noise": 0.0},
    "jpeg": {"jpeg": 0, "jpeg_first": 0},
}


def only_color(look: AugmentationParams) -> AugmentationParams:
    """Return the same look without what takes detail away."""
    return replace(_less(look, ["size", "blur", "noise", "jpeg"]), crf=0)


def _less(look: AugmentationParams, changes: Sequence[Change]) -> AugmentationParams:
    for change in changes:
        look = replace(look, **_UNCHANGED[change])
    return look


def apply(picture: np.ndarray, look: AugmentationParams) -> np.ndarray:
    """Apply a look. uint8 [S, S, 3] in and out; equal inputs give equal outputs."""
    side = picture.shape[0]
    out = picture
    if look.jpeg_first:
        out = _jpeg(out, look.jpeg_first)
    if look.gamma != 1.0 or look.gain != 1.0:
        out = _color(out, look)
    if look.shrink < 1.0:
        how = cv2.INTER_LINEAR if look.smooth_up else cv2.INTER_CUBIC
        out = _through(out, max(16, round(side * look.shrink)), how)
    if look.blur:
        out = cv2.GaussianBlur(out, (0, 0), look.blur)
    if look.noise:
        grain = np.random.default_rng(look.noise_seed).normal(0, look.noise, out.shape)
        out = (out + grain).clip(0, 255).astype(np.uint8)
    if look.crf:
        out = h264(out[None], look.crf)[0]
    elif look.jpeg:
        out = _jpeg(out, look.jpeg)
    return out


def level(real: np.ndarray, fake: np.ndarray, native: float) -> tuple[np.ndarray, np.ndarray]:
    """Bring two pictures to the detail of `native` px a side, so that size tells nothing.

    uint8 [S, S, 3] in and out.
    """
    side = real.shape[0]
    small = max(24, round(native))
    if small >= side:
        return real, fake
    return _through(real, small), _through(fake, small)


def soften(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Take sharpness off an original, as a swap would lose it: the whole or the face alone."""
    side = picture.shape[0]
    if rng.random() < 0.5:
        return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.4)))
    return _through(picture, round(side * float(rng.uniform(0.4, 0.85))))


def _through(picture: np.ndarray, small: int, enlarged: int = cv2.INTER_CUBIC) -> np.ndarray:
    """Return a square picture through a smaller size and back."""
    shrunk = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, picture.shape[:2], interpolation=enlarged)


def batch_to_array(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return float32 [N, 3, S, S] in -1..1."""
    stack = np.stack(pictures).astype(np.float32)
    return (stack / 127.5 - 1.0).transpose(0, 3, 1, 2)


def _color(picture: np.ndarray, look: AugmentationParams) -> np.ndarray:
    levels = (np.arange(256) / 255.0) ** look.gamma * 255.0 * look.gain + look.shift
    tables = [(levels * tint).clip(0, 255).astype(np.uint8) for tint in look.tint]
    out = cv2.merge([cv2.LUT(picture[..., c], tables[c]) for c in range(3)])
    if look.saturation != 1.0:
        gray = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        out = cv2.addWeighted(out, look.saturation, gray, 1.0 - look.saturation, 0.0)
    return out


def _jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
