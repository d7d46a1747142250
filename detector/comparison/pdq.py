"""PDQ, the perceptual hash of pictures (Facebook 2019), of one averaged down to 128 x 128 px.

Its own blur is the identity there: equal bit for bit to the reference on that picture, and about 12
of 256 bits from it on the full one. Written here because its package has no wheels, and building it
wants a compiler on every machine.
"""

from __future__ import annotations

import cv2
import numpy as np

HASH_BYTES = 32
"""of a hash: 256 bits"""
_SIDE, _BUFFER = 128, 64

_rows, _columns = np.arange(16)[:, None], np.arange(_BUFFER)[None]
_DCT = np.sqrt(2 / _BUFFER) * np.cos(np.pi / (2 * _BUFFER) * (_rows + 1) * (2 * _columns + 1))


def pdq(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the PDQ hash of a picture, that of its mirror image, and how much there is to hash.

    Parameters
    ----------
    rgb : uint8 [H, W, 3]

    Returns
    -------
    hash, mirrored : uint8 [32]
        256 bits, the highest frequency first, as the reference prints them.
    quality : int
        0..100
    """
    small = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    luma = small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    buffer = luma[1::2, 1::2]
    coefficients = _DCT @ buffer @ _DCT.T
    # Left and right exchanged, the odd frequencies across change their sign.
    signs = np.where(np.arange(16) % 2, 1.0, -1.0)
    return _bits(coefficients), _bits(coefficients * signs), _quality(buffer)


def _bits(coefficients: np.ndarray) -> np.ndarray:
    flat = coefficients.ravel()
    median = np.partition(flat, 127)[127]  # the lower of the two in the middle
    return np.packbits((flat > median)[::-1])


def _quality(buffer: np.ndarray) -> int:
    """Return the reference's measure: steep steps between neighbors, counted in hundredths."""
    steps = sum(
        int(np.abs(np.trunc(np.diff(buffer, axis=axis) * 100 / 255)).sum()) for axis in (0, 1)
    )
    return min(100, steps // 90)
