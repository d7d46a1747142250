"""A frame with the boxes and names of whom it shows, to be read on paper."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 900  # px of the longer side of a frame that is shown
HEIGHT, WIDTH = 62.0, 174.0  # mm of a frame on the first page, at most
LETTERS, ROOM = 3.2, 5  # mm; of the letters there. px around them.
INK = (15, 18, 21)
Corners = tuple[float, float, float, float]  # (x0, y0, x1, y1) in px


@dataclass(frozen=True)
class NamedBox:
    """Who is where, and in which color (RGB)."""

    name: str
    corners: Corners
    color: tuple[int, int, int]


def draw(rgb: np.ndarray, boxes: list[NamedBox]) -> np.ndarray:
    """Return a frame [H, W, 3] with boxes, `SIDE` long: in a small one no letter could be read."""
    scale = SIDE / max(rgb.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    frame = Image.fromarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=way))
    pen = ImageDraw.Draw(frame)
    from detector.report.paper import SANS  # its imports take half a second

    font = ImageFont.truetype(SANS, LETTERS * frame.height / height_of(frame.size))
    taken: list[Corners] = []
    for box in boxes:
        x0, y0, x1, y1 = (v * scale for v in box.corners)
        pen.rectangle((x0, y0, x1, y1), outline=box.color, width=3)
        right, bottom = (v + 2 * ROOM for v in pen.textbbox((0, 0), box.name, font)[2:])
        at = _free((x0, y0, x1, y1), (right, bottom), frame.size, taken)
        taken.append(at)
        pen.rectangle(at, fill=box.color)
        pen.text((at[0] + ROOM, at[1] + ROOM), box.name, INK, font)
    return np.asarray(frame)


def height_of(size: tuple[int, int]) -> float:
    """Return how high, mm, a frame of this (width, height) is on the first page."""
    return min(HEIGHT, WIDTH * size[1] / size[0])


def _free(
    box: Corners, name: tuple[float, float], frame: tuple[int, int], taken: list[Corners]
) -> Corners:
    """Return a name's place over, under or in its box, in the frame and clear of others."""
    width, height = name
    x = max(0.0, min(box[0], frame[0] - width))
    places = [(x, y, x + width, y + height) for y in (box[1] - height, box[3], box[1])]
    for place in places[:2]:
        inside = place[1] >= 0 and place[3] <= frame[1]
        if inside and not any(_meet(place, other) for other in taken):
            return place
    return places[2]


def _meet(a: Corners, b: Corners) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
