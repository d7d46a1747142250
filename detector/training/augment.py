"""Augmentation that is applied equally to an original and its fake.

All random numbers are drawn first (`draw_augmentation`) and then applied (`apply`) to both pictures
of a pair, so that the pair differs in the manipulation alone. Only originals are softened
(`soften`): swaps are softer than their originals, and a detector would learn "soft means fake".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from detector.training.codec import h264


@dataclass(frozen=True)
class Framing:
    """How far the shown square is moved from the face that was detected.

    Attributes
    ----------
    zoom : float
        Scale factor of the square.
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
    """Conditions of a picture: color, size, blur, noise, compression."""

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


def draw_augmentation(rng: np.random.Generator, h264: float = 0.0) -> AugmentationParams:
    """Draw the conditions of a picture; a share `h264` (0..1) passes through a video encoder."""
    color = rng.random() < 0.7
    gray = rng.random() < 0.04
    return AugmentationParams(
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


def only_color(look: AugmentationParams) -> AugmentationParams:
    """Return the same look without the changes that remove detail."""
    return replace(look, shrink=1.0, blur=0.0, noise=0.0, jpeg=0, jpeg_first=0, crf=0)


def apply(picture: np.ndarray, look: AugmentationParams) -> np.ndarray:
    """Apply a look. uint8 [S, S, 3] in and out; equal inputs give equal outputs."""
    side = picture.shape[0]
    out = picture
    if look.jpeg_first:
        out = jpeg(out, look.jpeg_first)
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
        out = jpeg(out, look.jpeg)
    return out


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


def _color(picture: np.ndarray, look: AugmentationParams) -> np.ndarray:
    levels = (np.arange(256) / 255.0) ** look.gamma * 255.0 * look.gain + look.shift
    tables = [(levels * tint).clip(0, 255).astype(np.uint8) for tint in look.tint]
    out = cv2.merge([cv2.LUT(picture[..., c], tables[c]) for c in range(3)])
    if look.saturation != 1.0:
        gray = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        out = cv2.addWeighted(out, look.saturation, gray, 1.0 - look.saturation, 0.0)
    return out


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """Return a picture as JPEG leaves it, uint8 [H, W, 3]."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
