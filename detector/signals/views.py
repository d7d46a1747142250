"""One frame's traces, drawn: spectrum, DCT bands, noise and error level of a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detector.schema.analysis import Box, Point
from detector.signals import frequency
from detector.signals.noise import error_level, residual
from detector.signals.patch import cut_patch

NOISE_GAIN = 12.0
"""Times the noise is made stronger, to be seen: grey is none, whiter and blacker is more."""
ERROR_GAIN = 16.0
"""The same for the error level: black is none."""


@dataclass(frozen=True)
class Traces:
    """What the pixels of one face hold.

    Attributes
    ----------
    profile : float array [48] or None
        Log power by cycles per face, 1 to 48, dB over the face's own coarse end; None for a face
        under `frequency.SMALLEST` px.
    bands : float array [14] or None
        DCT energy from coarse to fine, dB over the first band.
    spectrum : uint8 array [96, 96, 3] or None
        Log power, coarse in the middle, the brightest white.
    noise, error : uint8 array [H, W, 3]
        The face and its surroundings.
    """

    profile: np.ndarray | None
    bands: np.ndarray | None
    spectrum: np.ndarray | None
    noise: np.ndarray
    error: np.ndarray


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


def _grey(values: np.ndarray) -> np.ndarray:
    rgb: np.ndarray = cv2.cvtColor(np.clip(values, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    return rgb
