"""Keyframes: sharp pictures of a clip that differ, to look for elsewhere and to keep."""

import io
import os
import statistics
import zipfile
from dataclasses import dataclass
from threading import Event

import cv2
import numpy as np
from PIL import Image

from detector import media
from detector.provenance.hashes import phash
from detector.schema.analysis import Media

MOST = 12  # pictures of a clip
CANDIDATES, GAP = 72, 0.25  # moments that are looked at, and s between two at least
ALIKE = 10
"""of 64 bits of two perceptual hashes: at most so many differ between pictures of one scene"""
BLURRED = 0.25  # of the median sharpness: less is a blank, faded or smeared picture
_SIDE = 512
"""px to which a picture is brought before its sharpness is measured: that of noise is left out"""


@dataclass(frozen=True)
class Keyframe:
    """One picture: its time in s, as a JPEG, and the variance of its Laplacian."""

    time: float
    jpeg: bytes
    sharpness: float
    phash: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"keyframe-{self.time:08.2f}s.jpg"


def keyframes(
    path: str | os.PathLike[str], info: Media, *, most: int = MOST, cancel: Event | None = None
) -> list[Keyframe]:
    """Return each scene's sharpest picture, the `most` different of too many; raise MediaError,
    Canceled."""
    if info.kind == "audio":
        return []
    length = info.duration or 0.0
    count = max(1, min(CANDIDATES, int(length / GAP)))
    times = [(i + 0.5) * length / count for i in range(count)]
    scenes: list[Keyframe] = []
    seen: list[float] = []
    for frame in media.decode(path, info, times, notes=[], cancel=cancel):
        code, sharp = phash(frame.rgb), _sharpness(frame.rgb)
        seen.append(sharp)
        at = min(range(len(scenes)), key=lambda i: _apart(scenes[i].phash, code), default=None)
        known = at is not None and _apart(scenes[at].phash, code) <= ALIKE
        if known and scenes[at or 0].sharpness >= sharp:
            continue
        found = Keyframe(frame.time, _jpeg(frame.rgb), sharp, code)
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
    """Return the sharpest, then always the one that is farthest from those chosen."""
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


def _sharpness(rgb: np.ndarray) -> float:
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = _SIDE / max(gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(gray, cv2.CV_64F).var())


def _jpeg(rgb: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=95)
    return out.getvalue()
