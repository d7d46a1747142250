"""Are two files the same footage? Pictures of the same moments, held against each other."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from detector import media
from detector.errors import Canceled
from detector.schema.analysis import Media

SIDE = 256
"""px of the shorter side at which pictures are held against each other."""
MOMENTS = 12
BITS = 64
"""Of a perceptual hash."""
SAME_HASH = 10
"""Bits: pictures of one footage, re-encoded or altered in the face, differ by fewer; of different
footage by about half of all (Zauner 2010, on the DCT hash)."""


@dataclass(frozen=True)
class Likeness:
    """Two files at the same moments.

    Attributes
    ----------
    times : tuple of float
        s from each file's start.
    psnr : tuple of float
        Peak signal-to-noise ratio, dB; 100 for equal pictures.
    ssim : tuple of float
        Structural similarity (Wang et al. 2004) of luma, -1..1; 1 for equal pictures.
    hash_bits : tuple of int
        Differing bits of the DCT hashes, 0..64.
    """

    times: tuple[float, ...]
    psnr: tuple[float, ...]
    ssim: tuple[float, ...]
    hash_bits: tuple[int, ...]

    @property
    def same_footage(self) -> bool:
        """Whether most moments look like the same picture."""
        return bool(self.hash_bits) and float(np.median(self.hash_bits)) <= SAME_HASH


def perceptual_similarity(
    first: Path,
    about_first: Media,
    second: Path,
    about_second: Media,
    *,
    moments: int = MOMENTS,
    cancel: threading.Event | None = None,
) -> Likeness:
    """Hold two files against each other at moments spread over the shorter one.

    Pictures of another shape are brought to the shape of the first: a crop shows as a difference.

    Raises
    ------
    MediaError
        A file can't be read.
    Canceled
    """
    lengths = [m.duration for m in (about_first, about_second) if m.duration]
    end = min(lengths) if len(lengths) == 2 else 0.0
    times = [end * (i + 0.5) / moments for i in range(moments)] if end else [0.0]
    pictures = [
        {f.index: f.rgb for f in media.decode(path, about, times, notes=[])}
        for path, about in ((first, about_first), (second, about_second))
    ]
    shown: list[tuple[float, float, float, int]] = []
    for index in sorted(set(pictures[0]) & set(pictures[1])):
        if cancel is not None and cancel.is_set():
            raise Canceled
        a, b = _same_shape(pictures[0][index], pictures[1][index])
        luma = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (a, b)]
        equal = np.array_equal(a, b)
        psnr = 100.0 if equal else float(peak_signal_noise_ratio(a, b, data_range=255))
        ssim = float(structural_similarity(luma[0], luma[1], data_range=255))
        bits = imagehash.phash(Image.fromarray(a)) - imagehash.phash(Image.fromarray(b))
        shown.append((times[index], psnr, ssim, int(bits)))
    columns = list(zip(*shown, strict=True)) if shown else [(), (), (), ()]
    return Likeness(*(tuple(column) for column in columns))


def _same_shape(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = a.shape[:2]
    scale = SIDE / min(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    resized = [cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (a, b)]
    return resized[0], resized[1]
