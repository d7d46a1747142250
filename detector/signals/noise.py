"""Noise of the camera and of compression: is the face from the same picture as what is around it?

A high-pass filter (`detector.models.highpass`) removes content and leaves noise. The error level is
what one more JPEG compression changes (Krawetz 2007): places with another history change more or
less than their surroundings.
"""

from __future__ import annotations

import cv2
import numpy as np

from detector.models.highpass import SQUARE_5
from detector.signals.look import Look
from detector.signals.reference import Meter, Range

QUALITY = 90
"""Of the JPEG whose difference is the error level."""
FEWEST = 400
"""px in the face and in the ring around it, below which neither says anything."""


def residual(luma: np.ndarray) -> np.ndarray:
    """What is left of a picture without its content, float32 of the same shape."""
    return cv2.filter2D(luma, cv2.CV_32F, SQUARE_5, borderType=cv2.BORDER_REFLECT)


def error_level(rgb: np.ndarray) -> np.ndarray:
    """What one more JPEG changes, float32 [H, W] in grey levels, mean of the three channels."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, saved = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    again = cv2.imdecode(saved, cv2.IMREAD_COLOR)
    assert again is not None  # written a line above
    level: np.ndarray = cv2.absdiff(bgr, again).astype(np.float32).mean(2)
    return level


def against_around(values: np.ndarray, look: Look, *, middle: bool) -> float | None:
    """A figure inside the face over that around it, dB; None where either is too small.

    Parameters
    ----------
    values : float array [H, W], not negative
    middle : bool
        Compare medians (a few edges don't matter) instead of means.
    """
    face, ring = values[look.inside], values[look.around]
    if min(face.size, ring.size) < FEWEST:
        return None
    level = np.median if middle else np.mean
    return float(20 * np.log10((level(face) + 0.05) / (level(ring) + 0.05)))


def noise(look: Look) -> float | None:
    """Noise in the face over noise around it, dB."""
    return against_around(np.abs(residual(look.luma)), look, middle=True)


def recompression(look: Look) -> float | None:
    """Error level in the face over that around it, dB."""
    return against_around(error_level(look.patch), look, middle=False)


def _beside(value: float, known: Range | None) -> str:
    if abs(value) < 1:
        return "as around the face"
    return f"{abs(value):.0f} dB {'weaker' if value < 0 else 'stronger'} than around"


NOISE = Meter(
    id="noise",
    title="Noise",
    unit="dB",
    side="both",
    say=_beside,
    means="Noise in the face beside noise around it. One camera gives both much the same.",
    low="The face has far less noise than what is around it: a generated or smoothed face does "
    "this, and so do a beauty filter and a busy background.",
    high="The face has far more noise than what is around it: a face from another picture does "
    "this, and so does a blurred or plain background.",
)
RECOMPRESSION = Meter(
    id="recompression",
    title="Error level",
    unit="dB",
    side="both",
    say=_beside,
    means="What one more compression changes, in the face beside around it.",
    low="The face changes far less than what is around it, as smoothed faces do, and faces before "
    "a busy background.",
    high="The face changes far more than what is around it, as pasted faces do, and faces before a "
    "plain background.",
)
