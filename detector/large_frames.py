"""Size limit of frames, and a fast reduction of larger ones."""

import cv2
import numpy as np

LARGE_FRAME = 16_000_000  # px: a 4K frame takes 25 MB, one of 8K 100


def halved(rgb: np.ndarray, most: int = LARGE_FRAME) -> np.ndarray:
    """Halve the sides of a frame, uint8 [H, W, 3], while it has more than `most` px: ten times as
    fast as averaging it to any other size."""
    while rgb.shape[0] * rgb.shape[1] > most:
        rgb = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return rgb
