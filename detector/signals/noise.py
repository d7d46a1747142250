"""Noise of the camera and of compression: is the face from the same picture as what is around it?

A high-pass filter removes content and leaves noise. The error level is
what one more JPEG compression changes (Krawetz 2007): places with another history change more or
less than their surroundings.
"""

from __future__ import annotations

import cv2
import numpy as np

from detector.signals.patch import FacePatch
from detector.signals.reference import Range

QUALITY = 90
"""Of the JPEG whose difference is the error level."""
FEWEST = 400
"""px in the face and in the ring around it, below which neither says anything."""


SQUARE_5 = (
    np.array(
        [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2],
         [-1, 2, -2, 2, -1]], np.float32,
    ) / 12
)  # fmt: skip
"""A high-pass filter of the spatial rich model (Fridrich and Kodovsky, IEEE TIFS 2012). It gives
zero where grey levels are even or rise evenly."""
NO_RING = "Too little of the face or of what is around it is in the frame."
"""Why it is absent where that is so."""


def residual(luma: np.ndarray) -> np.ndarray:
    """Return what is left of a picture without its content, float32 of the same shape."""
    return cv2.filter2D(luma, cv2.CV_32F, SQUARE_5, borderType=cv2.BORDER_REFLECT)


def error_level(rgb: np.ndarray) -> np.ndarray:
    """Return what one more JPEG changes, float32 [H, W] in grey levels, mean of the channels."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, saved = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    again = cv2.imdecode(saved, cv2.IMREAD_COLOR)
    assert again is not None  # written a line above
    # By OpenCV: NumPy takes longer for a mean of three than the JPEG does.
    changed = cv2.absdiff(bgr, again).astype(np.float32)
    return cv2.transform(changed, np.full((1, 3), 1 / 3, np.float32))


def against_around(values: np.ndarray, patch: FacePatch, *, middle: bool) -> float | None:
    """Return a figure inside the face over that around it, dB; None where either is too small.

    Parameters
    ----------
    values : float array [H, W], not negative
    middle : bool
        Compare medians (a few edges don't matter) instead of means.
    """
    face, ring = values[patch.inside], values[patch.around]
    if min(face.size, ring.size) < FEWEST:
        return None
    level = np.median if middle else np.mean
    return float(20 * np.log10((level(face) + 0.05) / (level(ring) + 0.05)))


def noise(patch: FacePatch) -> float | None:
    """Return noise in the face over noise around it, dB."""
    return against_around(np.abs(residual(patch.luma)), patch, middle=True)


def recompression(patch: FacePatch) -> float | None:
    """Return the error level in the face over that around it, dB."""
    return against_around(error_level(patch.patch), patch, middle=False)


def in_words(value: float, known: Range | None) -> str:
    """Say how the face differs from what is around it."""
    if abs(value) < 1:
        return "as around the face"
    return f"{abs(value):.0f} dB {'weaker' if value < 0 else 'stronger'} than around"
