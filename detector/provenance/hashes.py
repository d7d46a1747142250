"""How a picture can be found again: the perceptual hash of Zauner (2010) as the package ImageHash
computes it (`phash`, BSD-2-Clause), which other tools know too. Written here: the package imports
half of SciPy for one transform, in the middle of the first analysis.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from detector.isolation import Frame
from detector.schema.analysis import Media
from detector.schema.origin import FrameHash

PLACES = (0.1, 0.5, 0.9)  # of a clip's length, near which its perceptual hashes are taken


_SIDE, _LOW = 32, 8
"""px that a picture is shrunk to, and how many of its lowest frequencies each way are kept"""
_DCT = np.cos(np.pi / (2 * _SIDE) * np.arange(_LOW)[:, None] * (2 * np.arange(_SIDE)[None] + 1))


def phash(rgb: np.ndarray) -> str:
    """Return the hash of uint8 [H, W, 3], 16 hexadecimal digits."""
    gray = Image.fromarray(rgb).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    # What is nothing in a flat picture is exactly that, as there.
    low = (_DCT @ np.asarray(gray, np.float64) @ _DCT.T).round(6)
    return np.packbits(low > np.median(low)).tobytes().hex()


class FrameHashes:
    """The hashes of a picture, or of a clip's sampled frames nearest to `PLACES`."""

    def __init__(self) -> None:
        self.found: list[FrameHash] = []
        self._length: float | None = None
        self._times: set[float] = set()

    def begin(self, info: Media, sampled: Sequence[float]) -> None:
        """Choose among the sampled times, s; of none, nothing is hashed."""
        self._length = info.duration if info.kind != "image" else None
        places = [place * (self._length or 0.0) for place in PLACES] if sampled else []
        self._times = {min(sampled, key=lambda time: abs(time - place)) for place in places}

    def add(self, frame: Frame, times: Sequence[float]) -> None:
        """Hash a decoded frame, if it is one of them; `times` are those that it answers."""
        if not self._times.isdisjoint(times):
            time = round(frame.time, 3) if self._length else None
            self.found.append(FrameHash(time=time, phash=phash(frame.rgb)))
