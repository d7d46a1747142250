"""Detect a camera that films a screen, by moiré.

Two pixel grids make stripes all over the picture: a few narrow peaks far above their surroundings
in the spectrum, which skin, hair and walls lack. A sharp screen seen from near, or a blurred one,
shows none, so silence proves nothing."""

import cv2
import numpy as np

SIDE = 256
"""px of the middle of the picture, at its own size: shrinking would remove the stripes"""
LOWEST, HIGHEST = 0.12, 0.46
"""cycles a pixel: below are the picture's own shapes, above is codec and sensor noise"""
RING = 9  # cells about a peak that it is compared with
ROUNDED = 4 * 28.0
"""Magnitude of the spectrum below which a peak may be quantization noise: rounding to gray levels
gives sqrt(sum of squared window / 12) = 28. Stripes of one level give 8,000."""
PEAK = 2.9
"""`stripes` from which a screen counts as filmed: 264 frames of 88 clips of the development set
have 2.53 or less (by a script that is not kept)."""


def stripes(rgb: np.ndarray) -> float:
    """Return by how much the highest narrow peak of the log spectrum of uint8 [H, W, 3] exceeds its
    surroundings, in standard deviations; 0 for a picture that is too small or flat."""
    height, width = rgb.shape[:2]
    if min(height, width) < SIDE:
        return 0.0
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    gray = cv2.cvtColor(rgb[top : top + SIDE, left : left + SIDE], cv2.COLOR_RGB2GRAY)
    window = np.hanning(SIDE).astype(np.float32)
    spectrum = np.fft.rfft2(gray.astype(np.float32) * window * window[:, None])
    magnitude = np.abs(np.fft.fftshift(spectrum, axes=0))
    log = np.log(magnitude + 1e-3).astype(np.float32)
    around = cv2.blur(log, (RING, RING))
    spread = np.sqrt(np.maximum(cv2.blur(log * log, (RING, RING)) - around**2, 1e-3))
    y = np.fft.fftshift(np.fft.fftfreq(SIDE))[:, None]
    x = np.fft.rfftfreq(SIDE)[None]
    radius = np.hypot(x, y)
    # Block borders of codecs lie on the axes at multiples of 1/8.
    inside = (radius > LOWEST) & (radius < HIGHEST) & (np.abs(x) > 0.02) & (np.abs(y) > 0.02)
    inside &= magnitude > ROUNDED
    return float(((log - around) / np.median(spread))[inside].max(initial=0.0))
