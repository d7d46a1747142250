"""Frames whose memory and time count: from which size on, and how they are made smaller."""

import cv2
import numpy as np

LARGE_FRAME = 16_000_000  # px: a 4K frame takes 25 MB, one of 8K 100


def halved(rgb: np.ndarray, most: int = LARGE_FRAME) -> np.ndarray:
    """Return a frame, uint8 [H, W, 3], whose sides are halved while it has more than `most` px,
    which takes a tenth of the time of averaging it to any other size."""
    while rgb.shape[0] * rgb.shape[1] > most:
        rgb = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return rgb
