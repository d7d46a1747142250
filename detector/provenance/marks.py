"""Visible marks of generators: templates of our own drawing, looked for at the edges of frames.

A mark informs and never votes: anybody can put one on a picture, and cut one off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detector.isolation import Frame
from detector.schema.origin import VisibleMark

FRAMES = 12
"""that are looked at, spread over the clip"""
SIDE = 360
"""px of the shorter side to which a frame is brought; the search begins at half of it"""
BAND, CORNER = 0.2, 0.42
"""share of the height above and below, and of the width at each end, in which marks stand"""
HEIGHTS = (10.0, 12.5, 15.5, 19.0, 23.5)
"""px of a capital's height that are tried first, at `SIDE`; a star is twice as high"""
STAR = "Gemini"
TEXTS = {"Veo": ("Veo",), "Kling": ("KLING AI", "Kling AI")}
MAKERS = {"Gemini": "Google", "Veo": "Google", "Kling": "Kuaishou"}
LIMITS = {"Gemini": 0.75, "Veo": 0.735, "Kling": 0.6}
"""Score from which a mark counts as found: above that of every file without one, see
docs/experiments.md."""
FONTS = (("Aileron", 0.0), ("Aileron", 0.05), ("DejaVuSans-Bold", 0.0))
"""whose letters are tried, with a stroke around them as a share of their size"""
CANDIDATES, COARSE = 4, 0.4
"""places of a mark that are looked at closely, and their correlation at half size, at least"""
PARTS, SLACK = 3, 0.1
"""into which a mark is cut from left to right, and how much worse than all of it one may fit"""
NOISE = 4.0
"""gray levels that count as noise, so that what is all but flat correlates with nothing"""
_BLUR, _ROOM = 7.5, 7


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
            VisibleMark(name=mark, maker=MAKERS[mark], place=place, score=round(min(score, 1.0), 3))
            for mark, (score, place) in scores(self._grays).items()
            if score >= LIMITS[mark]
        ]


@dataclass(frozen=True)
class _Shape:
    """How a mark is drawn."""

    text: str
    height: float
    width: float = 1.0  # of the font's own: fonts differ, and a picture may have been squeezed
    font: str = FONTS[0][0]
    stroke: float = 0.03


def scores(
    frames: Sequence[np.ndarray], marks: Sequence[str] = (STAR, *TEXTS)
) -> dict[str, tuple[float, str]]:
    """Return how well each mark fits small gray frames, and where: what moves is lost in their
    mean, and a mark stays."""
    image = _sharpened(np.mean(frames, axis=0), _BLUR)
    height, width = image.shape
    down, across = round(BAND * height), round(CORNER * width)
    corners = {
        "top left": image[:down, :across],
        "top right": image[:down, -across:],
        "bottom left": image[-down:, :across],
        "bottom right": image[-down:, -across:],
    }
    return {mark: max(_fits(corners, mark), default=(0.0, "")) for mark in marks}


def _fits(corners: dict[str, np.ndarray], mark: str) -> Iterator[tuple[float, str]]:
    """Yield how well a mark fits where it fits best at half size."""
    halves = {
        place: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for place, image in corners.items()
    }
    candidates = []
    for shape in _first_shapes(mark):
        template = _template(shape, 0.5)
        for place, half in halves.items():
            if (found := _best(half, template)) is not None:
                candidates.append((*found, place, shape, template.shape))
    candidates.sort(key=lambda candidate: -candidate[0])
    for score, x, y, place, shape, (high, wide) in candidates[:CANDIDATES]:
        if score < COARSE:
            return
        top, left = max(0, 2 * y - _ROOM), max(0, 2 * x - _ROOM)
        window = corners[place][top : 2 * (y + high) + _ROOM, left : 2 * (x + wide) + _ROOM]
        closer = [
            (*found, template)
            for template in (_template(finer, 1.0) for finer in _shapes_near(shape))
            if (found := _best(window, template)) is not None
        ]
        if closer:
            whole, x, y, template = max(closer, key=lambda fit: fit[0])
            at = window[y : y + template.shape[0], x : x + template.shape[1]]
            yield min(whole, _worst_part(at, template) + SLACK), place


def _first_shapes(mark: str) -> list[_Shape]:
    if mark == STAR:
        return [_Shape("", height) for height in (*HEIGHTS, 29.0)]
    return [
        _Shape(text, height, width)
        for text in TEXTS[mark]
        for height in HEIGHTS
        for width in (0.88, 1.0, 1.12)
    ]


def _shapes_near(shape: _Shape) -> list[_Shape]:
    if not shape.text:
        return [
            replace(shape, height=shape.height * share) for share in (0.86, 0.93, 1.0, 1.08, 1.16)
        ]
    return [
        replace(
            shape, height=shape.height * share, font=font, stroke=stroke,
            width=shape.width * wide * (0.82 if font.startswith("DejaVu") else 1.0),
        )
        for font, stroke in FONTS
        for share in (0.9, 1.0, 1.1)
        for wide in (0.92, 0.96, 1.0, 1.04, 1.08)
    ]  # fmt: skip


@cache
def _template(shape: _Shape, scale: float) -> np.ndarray:
    """Return a mark, sharpened as frames are."""
    if not shape.text:
        small = _star(max(6, round(2 * shape.height * scale)))
    else:
        large, capital = _letters(shape.text, shape.font, shape.stroke)
        zoom = shape.height * scale / capital
        wide, high = round(large.shape[1] * zoom * shape.width), round(large.shape[0] * zoom)
        small = cv2.resize(large, (max(4, wide), max(3, high)), interpolation=cv2.INTER_AREA)
        small = np.pad(small, max(1, round(shape.height * scale / 4)))
    return _sharpened(small, _BLUR * scale)


@cache
def _letters(text: str, font: str, stroke: float, size: int = 96) -> tuple[np.ndarray, int]:
    """Return a text as a picture, and the height of its capitals, px."""
    if font == "Aileron":  # Pillow's own
        face = ImageFont.load_default(size)
    else:
        import matplotlib  # takes long; its font is there wherever reports are printed

        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        face = ImageFont.truetype(str(folder / f"{font}.ttf"), size)
    edge = round(size * stroke)
    x0, y0, x1, y1 = face.getbbox(text, stroke_width=edge)
    image = Image.new("L", (int(x1 - x0), int(y1 - y0)))
    ImageDraw.Draw(image).text((-x0, -y0), text, 255, face, stroke_width=edge, stroke_fill=255)
    _, top, _, bottom = face.getbbox("H")
    return np.asarray(image, np.float32), int(bottom - top)


def _star(size: int) -> np.ndarray:
    """Return a star of four points with hollow sides (an astroid)."""
    axis = np.abs(np.linspace(-1.15, 1.15, 4 * size))
    inside = axis[:, None] ** 0.58 + axis[None] ** 0.58 <= 1.0
    large = np.where(inside, 255, 0).astype(np.float32)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def _small(rgb: np.ndarray) -> np.ndarray:
    scale = SIDE / min(rgb.shape[:2])
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, None, fx=scale, fy=scale, interpolation=kind)


def _sharpened(gray: np.ndarray, blur: float) -> np.ndarray:
    image = gray.astype(np.float32)
    return image - cv2.GaussianBlur(image, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)


def _worst_part(image: np.ndarray, template: np.ndarray) -> float:
    """Return the lowest correlation of the parts of a mark: other letters fit some of them."""
    wide = template.shape[1] // PARTS
    parts = [
        np.corrcoef(image[:, at : at + wide].ravel(), template[:, at : at + wide].ravel())[0, 1]
        for at in range(0, PARTS * wide, wide)
    ]
    return float(np.nan_to_num(min(parts)))


def _best(image: np.ndarray, template: np.ndarray) -> tuple[float, int, int] | None:
    """Return the highest correlation and its place (x, y); None where there is no room."""
    high, wide = template.shape
    if image.shape[0] < high or image.shape[1] < wide:
        return None
    centered = template - template.mean()
    product = cv2.matchTemplate(image, centered, cv2.TM_CCORR)
    rows, columns = product.shape
    mean, square = (
        box(image, -1, (wide, high), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)[:rows, :columns]
        for box in (cv2.boxFilter, cv2.sqrBoxFilter)
    )
    variance = np.maximum(square - mean**2, 0.0) + NOISE**2
    alike = product / np.sqrt(template.size * variance * float((centered**2).sum()))
    _, highest, _, (x, y) = cv2.minMaxLoc(alike)
    return highest, x, y
