"""High-pass filters of the spatial rich model (Fridrich and Kodovsky, IEEE TIFS 2012).

Each takes the content of a picture away and leaves noise: what a camera, a codec, a resize or a
generator put there. All of them give zero where grey levels are even or rise evenly.
"""

from __future__ import annotations

import numpy as np

SQUARE_5 = (
    np.array(
        [
            [-1, 2, -2, 2, -1],
            [2, -6, 8, -6, 2],
            [-2, 8, -12, 8, -2],
            [2, -6, 8, -6, 2],
            [-1, 2, -2, 2, -1],
        ],
        np.float32,
    )
    / 12
)
SQUARE_3 = np.pad(np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], np.float32) / 4, 1)
LINE = np.pad(np.array([[1, -2, 1]], np.float32) / 2, ((2, 2), (1, 1)))
"""Second difference along a row."""
BANK = np.stack([SQUARE_5, SQUARE_3, LINE])
"""float32 [3, 5, 5]: the three that two-stream networks look through (Zhou et al., Learning Rich
Features for Image Manipulation Detection, CVPR 2018)."""
