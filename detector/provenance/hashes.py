"""Perceptual hashes and key frames.

The hash is that of Zauner (2010) as the package ImageHash computes it (`phash`, BSD-2-Clause).
Reimplemented because the package imports half of SciPy for one transform, during the first
analysis."""

import io
import os
import statistics
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from detector import media
from detector.isolation import Frame
from detector.schema.analysis import Media
from detector.schema.origin import FrameHash

PLACES = (0.1, 0.5, 0.9)  # of a clip's length, near which its perceptual hashes are taken


_SIDE, _LOW = 32, 8
"""px of the reduced picture, and the number of its lowest frequencies each way"""
_ROWS = 256  # converted to gray at a time
_DCT = np.cos(np.pi / (2 * _SIDE) * np.arange(_LOW)[:, None] * (2 * np.arange(_SIDE)[None] + 1))


def phash(rgb: np.ndarray) -> str:
    """Return the hash of uint8 [H, W, 3], 16 hexadecimal digits."""
    # Pillow takes four bytes for a pixel of a color.
    levels = np.empty(rgb.shape[:2], np.uint8)
    for top in range(0, len(rgb), _ROWS):
        shades = Image.fromarray(rgb[top : top + _ROWS]).convert("L")
        levels[top : top + _ROWS] = np.asarray(shades)
    gray = Image.fromarray(levels).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    # Rounding makes zeros of flat pictures exact, as in ImageHash.
    low = (_DCT @ np.asarray(gray, np.float64) @ _DCT.T).round(6)
    return np.packbits(low > np.median(low)).tobytes().hex()


class FrameHashes:
    """The hashes of a picture, or of a clip's sampled frames nearest to `PLACES`."""

    def __init__(self) -> None:
        self.found: list[FrameHash] = []
        self._length: float | None = None
        self._times: set[float] = set()

    def begin(self, info: Media, sampled: Sequence[float]) -> None:
        """Choose among the sampled times, s; without any, nothing is hashed."""
        self._length = info.duration if info.kind != "image" else None
        places = [place * (self._length or 0.0) for place in PLACES] if sampled else []
        self._times = {min(sampled, key=lambda time: abs(time - place)) for place in places}

    def add(self, frame: Frame, times: Sequence[float]) -> None:
        """Hash a decoded frame if it is chosen; `times` are those that it answers."""
        if not self._times.isdisjoint(times):
            time = round(frame.time, 3) if self._length else None
            self.found.append(FrameHash(time=time, phash=phash(frame.rgb)))


MOST = 12  # pictures of a clip
CANDIDATES, GAP = 72, 0.25  # sampled frames, and minimum s between two
ALIKE = 10
"""maximum Hamming distance, of 64 bits, between perceptual hashes of one scene"""
BLURRED = 0.25  # of the median sharpness: less is a blank, faded or smeared picture
_SHARPNESS_SIDE = 512
"""px to which a picture is scaled before its sharpness is measured, to exclude that of noise"""


@dataclass(frozen=True)
class Keyframe:
    """One picture: time in s, JPEG, and the variance of its Laplacian."""

    time: float
    jpeg: bytes
    sharpness: float
    phash: str

    @property
    def name(self) -> str:
        """Return the name of its file."""
        return f"keyframe-{self.time:08.2f}s.jpg"


def keyframes(path: str | os.PathLike[str], info: Media, *, most: int = MOST) -> list[Keyframe]:
    """Return each scene's sharpest picture, the `most` different of too many; raise MediaError."""
    if info.kind == "audio":
        return []
    length = info.duration or 0.0
    count = max(1, min(CANDIDATES, int(length / GAP)))
    times = [(i + 0.5) * length / count for i in range(count)]
    scenes: list[Keyframe] = []
    seen: list[float] = []
    for frame in media.decode(path, info, times, notes=[]):
        code, gray = phash(frame.rgb), cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
        if (scale := _SHARPNESS_SIDE / max(gray.shape)) < 1:
            gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        sharp = float(cv2.Laplacian(gray, cv2.CV_64F).var())
        seen.append(sharp)
        at = min(range(len(scenes)), key=lambda i: _apart(scenes[i].phash, code), default=None)
        known = at is not None and _apart(scenes[at].phash, code) <= ALIKE
        if known and scenes[at or 0].sharpness >= sharp:
            continue
        jpeg = io.BytesIO()
        Image.fromarray(frame.rgb).save(jpeg, "JPEG", quality=95)
        found = Keyframe(frame.time, jpeg.getvalue(), sharp, code)
        if known:
            scenes[at or 0] = found
        else:
            scenes.append(found)
    least = BLURRED * statistics.median(seen) if seen else 0.0
    sharp_ones = [scene for scene in scenes if scene.sharpness >= least] or scenes
    return sorted(_distinct(sharp_ones, most), key=lambda frame: frame.time)


def archive(frames: list[Keyframe]) -> bytes:
    """Return keyframes as a ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for frame in frames:
            zipped.writestr(frame.name, frame.jpeg)
    return out.getvalue()


def _distinct(frames: list[Keyframe], most: int) -> list[Keyframe]:
    rest = sorted(frames, key=lambda frame: -frame.sharpness)
    chosen = rest[:1]
    while len(chosen) < min(most, len(frames)):
        others = [frame for frame in rest if frame not in chosen]
        chosen.append(
            max(others, key=lambda frame: min(_apart(frame.phash, c.phash) for c in chosen))
        )
    return chosen


def _apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()
