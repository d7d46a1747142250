"""Visible marks of generators: templates of our own drawing, looked for at the edges of frames.

A mark informs and never votes: anybody can put one on a picture, and cut one off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detector.isolation import Frame
from detector.schema.origin import VisibleMark

FRAMES = 5
"""that are looked at, spread over the clip"""
SIDE = 240
"""px of the shorter side to which a frame is brought"""
BAND, CORNER = 0.2, 0.42
"""share of the height above and below, and of the width at each end, in which marks stand"""
HEIGHTS = (7, 8, 10, 12, 14, 17)
"""px of the letters' height that are tried, at `SIDE`"""
WIDTHS = (0.72, 0.8, 0.88, 0.97)
"""of the template's own: fonts differ, and a picture may have been squeezed"""
CONTRAST = 14.0
"""gray levels by which a mark is brighter than what is around it, at least"""
STAR = "Gemini"
TEXTS = {"Veo": "Veo"}
MAKERS = {"Gemini": "Google", "Veo": "Google"}
LIMITS = {"Gemini": 0.88, "Veo": 0.78}
"""Correlation from which a mark counts as found: above that of every clip without one, see
docs/report.md."""
_BLUR = 5.0


class MarkSearch:
    """Looks for marks in a picture, or in some of a clip's sampled frames."""

    def __init__(self) -> None:
        self._times: set[float] = set()
        self._grays: list[np.ndarray] = []

    def begin(self, sampled: Sequence[float]) -> None:
        """Choose among the sampled times, s."""
        places = np.linspace(0, len(sampled) - 1, min(FRAMES, len(sampled))).round().astype(int)
        self._times = {sampled[place] for place in places}

    def add(self, frame: Frame, times: Sequence[float]) -> None:
        """Keep a decoded frame small, if it is one of them; `times` are those that it answers."""
        if not self._times.isdisjoint(times):
            gray = _small(frame.rgb)
            if not self._grays or gray.shape == self._grays[0].shape:
                self._grays.append(gray)

    @property
    def found(self) -> list[VisibleMark]:
        """The marks that are there."""
        if not self._grays:
            return []
        return [
            VisibleMark(
                name=found.mark,
                maker=MAKERS[found.mark],
                place=found.place,
                score=round(found.score, 3),
            )
            for found in scores(self._grays)
            if found.score >= LIMITS[found.mark]
        ]


@dataclass(frozen=True)
class MarkScore:
    """How well one mark fits: its correlation with the mean of the frames, and where."""

    mark: str
    score: float
    place: str


def scores(frames: Sequence[np.ndarray], marks: Sequence[str] = (*TEXTS, STAR)) -> list[MarkScore]:
    """Return how well marks fit small gray frames, whose mean keeps what does not move."""
    corners = _corners(frames)
    return [
        MarkScore(
            mark,
            *max(
                (_best(image, template), place)
                for place, image in corners.items()
                for template in templates(mark)
            ),
        )
        for mark in marks
    ]


@cache
def templates(mark: str) -> tuple[np.ndarray, ...]:
    """Return a mark in all sizes, sharpened as frames are."""
    return tuple(
        _sharpened(drawn)
        for height in HEIGHTS
        for width in ((1.0,) if mark == STAR else WIDTHS)
        for drawn in [_star(2 * height) if mark == STAR else _text(TEXTS[mark], height, width)]
    )


def _text(text: str, height: int, width: float) -> np.ndarray:
    import matplotlib  # takes long; its font is there wherever reports are printed

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
    font = ImageFont.truetype(str(file), 4 * height)
    x0, y0, x1, y1 = font.getbbox(text)
    image = Image.new("L", (int(x1 - x0), int(y1 - y0)))
    ImageDraw.Draw(image).text((-x0, -y0), text, 255, font)
    size = max(4, round(image.width * width / 4)), max(4, round(image.height / 4))
    pad = max(2, height // 4)
    small = np.asarray(image.resize(size, Image.Resampling.LANCZOS), np.float32)
    return np.pad(small, pad)


def _star(size: int) -> np.ndarray:
    """Return a star of four points with hollow sides (an astroid)."""
    axis = np.abs(np.linspace(-1.15, 1.15, 4 * size))
    inside = axis[:, None] ** 0.6 + axis[None] ** 0.6 <= 1.0
    big = np.where(inside, 255, 0).astype(np.float32)
    return cv2.resize(big, (size, size), interpolation=cv2.INTER_AREA)


def _small(rgb: np.ndarray) -> np.ndarray:
    scale = SIDE / min(rgb.shape[:2])
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, None, fx=scale, fy=scale, interpolation=kind)


def _corners(frames: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    image = _sharpened(np.mean(frames, axis=0))
    height, width = image.shape
    down, across = round(BAND * height), round(CORNER * width)
    return {
        "top left": image[:down, :across],
        "top right": image[:down, -across:],
        "bottom left": image[-down:, :across],
        "bottom right": image[-down:, -across:],
    }


def _sharpened(gray: np.ndarray) -> np.ndarray:
    image = gray.astype(np.float32)
    return image - cv2.GaussianBlur(image, (0, 0), _BLUR, borderType=cv2.BORDER_REPLICATE)


def _best(image: np.ndarray, template: np.ndarray) -> float:
    """Return the highest correlation of those places where the mark would stand out."""
    if image.shape[0] < template.shape[0] or image.shape[1] < template.shape[1]:
        return -1.0
    power = float(((template - template.mean()) ** 2).sum())
    alike = cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED)
    strength = cv2.matchTemplate(image, template, cv2.TM_CCOEFF) / power * 255
    return float(np.where(strength >= CONTRAST, alike, -1.0).max())
