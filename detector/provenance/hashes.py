"""How a picture can be found again (Zauner 2010; ImageHash's `phash`)."""

from __future__ import annotations

from collections.abc import Sequence

import imagehash
from PIL import Image

from detector.isolation import Frame
from detector.schema.analysis import Media
from detector.schema.origin import FrameHash

PLACES = (0.1, 0.5, 0.9)
"""of a clip's length, near which its perceptual hashes are taken"""


class FrameHashes:
    """The hashes of a picture, or of a clip's sampled frames nearest to `PLACES`.

    Attributes
    ----------
    found : list of FrameHash
    """

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
            hashed = str(imagehash.phash(Image.fromarray(frame.rgb)))
            self.found.append(FrameHash(time=time, phash=hashed))
