"""Frames of both files at the size they are worked on, read where all files are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

import cv2
import numpy as np

from detector.errors import Canceled
from detector.isolation import Frame, stream_isolated
from detector.media import decode_scaled
from detector.schema.analysis import Media


@dataclass(frozen=True)
class FootageReader:
    """A file that is read several times."""

    path: str | os.PathLike[str]
    media: Media
    notes: list[str]
    cancel: Event

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as its readers know them, px."""
        turned = self.media.turned % 180
        size = self.media.width, self.media.height
        return size[::-1] if turned else size

    def fit(self, side: int) -> tuple[int, int]:
        """Return width and height with a longer side of at most `side` px."""
        scale = min(1.0, side / max(self.size))
        width, height = (max(16, round(length * scale)) for length in self.size)
        return width, height

    def frames(self, times: Sequence[float], side: int) -> Iterator[Frame]:
        """Yield the pictures on screen at `times`, ascending, each once.

        Raises
        ------
        MediaError, Canceled
        """
        size = self.fit(side)
        notes: list[str] = []
        yield from stream_isolated(
            decode_scaled, self.path, self.media, tuple(times), size,
            size=size, count=len(times), notes=notes, cancel=self.cancel,
        )  # fmt: skip
        self.notes.extend(note for note in notes if note not in self.notes)
        if self.cancel.is_set():
            raise Canceled

    def spread(self, most: int, start: float = 0.0, end: float | None = None) -> list[float]:
        """Return times of a stretch, s: of every frame, or of at most `most` at even distances."""
        length = self.media.duration or 0.0
        if self.media.kind == "image" or not length:
            return [0.0]
        start, end = max(0.0, start), min(length, length if end is None else end)
        rate = self.media.fps or 25.0
        count = max(1, min(most, round((end - start) * rate)))
        # In the middle of what a frame is shown for, so that rounding does not skip one.
        return [start + (i + 0.5) * (end - start) / count for i in range(count)]


def gray(rgb: np.ndarray) -> np.ndarray:
    """Return luma, float32 [H, W] in 0..255."""
    luma: np.ndarray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return luma
