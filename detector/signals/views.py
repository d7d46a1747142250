"""Forensic views of one frame: spectrum, DCT bands, noise and error level of a face."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detector.schema.analysis import Box, Point
from detector.signals import frequency
from detector.signals.patch import cut_patch

QUALITY = 90  # Of the JPEG whose difference is the error level (Krawetz 2007)
NOISE_GAIN = 12.0
"""Amplification of the noise for display: gray is none."""
ERROR_GAIN = 16.0  # The same for the error level: black is none
SQUARE_5 = (
    np.array(
        [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2],
         [-1, 2, -2, 2, -1]], np.float32,
    ) / 12
)  # fmt: skip
"""A high-pass filter of the spatial rich model (Fridrich and Kodovsky, IEEE TIFS 2012), zero where
gray levels are constant or linear."""


@dataclass(frozen=True)
class Traces:
    """Forensic measurements of one face; None for a face under `frequency.SMALLEST` px."""

    profile: np.ndarray | None
    """float [48], log power by cycles per face, 1 to 48, dB over the face's own coarse end"""
    bands: np.ndarray | None  # float [14], DCT energy from coarse to fine, dB over the first band
    spectrum: np.ndarray | None
    """uint8 [96, 96, 3], log power, coarse in the middle, the brightest white"""
    noise: np.ndarray  # uint8 [H, W, 3], the face and its surroundings
    error: np.ndarray  # the same


def traces(rgb: np.ndarray, box: Box, landmarks: Sequence[Point] = ()) -> Traces:
    """Read the traces of one face in an upright frame, uint8 [H, W, 3]."""
    seen = cut_patch(rgb, box, landmarks)
    plane = frequency.face_plane(seen)
    spectrum = None
    if plane is not None:
        level = frequency.spectrum(plane)
        low, high = np.percentile(level, [1, 99.9])
        spectrum = _grey((level - low) / max(float(high - low), 1e-9) * 255)
    return Traces(
        frequency.profile(plane) if plane is not None else None,
        frequency.bands(plane) if plane is not None else None,
        spectrum,
        _grey(128 + NOISE_GAIN * residual(seen.luma)),
        _grey(ERROR_GAIN * error_level(seen.patch)),
    )


def residual(luma: np.ndarray) -> np.ndarray:
    """Return the high-pass residual of a picture, float32 of the same shape."""
    return cv2.filter2D(luma, cv2.CV_32F, SQUARE_5, borderType=cv2.BORDER_REFLECT)


def error_level(rgb: np.ndarray) -> np.ndarray:
    """Return the change by one more JPEG compression, float32 [H, W] in gray levels, mean of the
    channels."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, saved = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    again = cv2.imdecode(saved, cv2.IMREAD_COLOR)
    assert again is not None  # written a line above
    # By OpenCV: NumPy takes longer for a mean of three than the JPEG does.
    changed = cv2.absdiff(bgr, again).astype(np.float32)
    return cv2.transform(changed, np.full((1, 3), 1 / 3, np.float32))


def _grey(values: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.clip(values, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)
