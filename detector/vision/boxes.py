"""Boxes of faces in a picture: dashes, colors and names by label."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detector.schema.codes import Label

Color = tuple[int, int, int]  # R, G, B, 0..255
Corners = tuple[float, float, float, float]  # (x0, y0, x1, y1) in px
STROKES: dict[Label, Color] = {
    Label.FAKE: (255, 138, 61),
    Label.PROBABLY_FAKE: (255, 184, 128),
    Label.INCONCLUSIVE: (242, 182, 50),
    Label.PROBABLY_REAL: (134, 219, 193),
    Label.REAL: (43, 197, 150),
    Label.NOT_APPLICABLE: (215, 219, 223),
}
"""Colors on a picture, the same in both themes of the dashboard"""
_DASHES: dict[Label, tuple[int, int]] = {
    Label.FAKE: (1, 0),
    Label.PROBABLY_FAKE: (10, 3),
    Label.INCONCLUSIVE: (2, 5),
    Label.PROBABLY_REAL: (12, 8),
    Label.REAL: (16, 8),
    Label.NOT_APPLICABLE: (6, 6),
}
"""Drawn and omitted lengths, in line widths."""


def outline(out: np.ndarray, box: tuple[int, ...], label: Label, color: Color, line: int) -> None:
    """Draw a rectangle into a picture [H, W, 3], `line` px wide, in its label's dash pattern."""
    height, width = out.shape[:2]
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        return
    on, off = (line * part for part in _DASHES[label])
    across = np.arange(max(x0, 0), min(x1, width))
    down = np.arange(max(y0, 0), min(y1, height))
    across = across[(across - x0) % (on + off) < on]
    down = down[(down - y0) % (on + off) < on]
    for y in (y0, y1 - line):
        top, bottom = max(y, 0), min(y + line, height)
        if top < bottom and len(across):
            out[top:bottom, across] = color
    for x in (x0, x1 - line):
        left, right = max(x, 0), min(x + line, width)
        if left < right and len(down):
            out[down, left:right] = color


@dataclass(frozen=True)
class FaceBox:
    """A face in a picture; without a name it has a box alone."""

    corners: Corners
    label: Label
    name: str = ""


LETTERS, ROOM = 1 / 16, 5  # height of a name, of the picture's; px around it
INK = (15, 18, 21)


def draw(rgb: np.ndarray, boxes: list[FaceBox], side: int) -> np.ndarray:
    """Return a picture [H, W, 3] with boxes, its longer side `side` px."""
    scale = side / max(rgb.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    out = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=way)
    placed = [(box, tuple(edge * scale for edge in box.corners)) for box in boxes]
    for box, corners in placed:
        line = max(2, round(side / 240))
        outline(out, tuple(map(round, corners)), box.label, STROKES[box.label], line)
    if not any(box.name for box in boxes):
        return out
    picture = Image.fromarray(out)
    _draw_names(picture, [(box, corners) for box, corners in placed if box.name])
    return np.asarray(picture)


def _draw_names(picture: Image.Image, boxes: list[tuple[FaceBox, tuple[float, ...]]]) -> None:
    """Write each name over, under or in its box: in the picture, and clear of others."""
    import matplotlib  # a third of a second, for its font

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    font = ImageFont.truetype(path, LETTERS * picture.height)
    pen, taken = ImageDraw.Draw(picture), list[Corners]()
    for box, (x0, y0, _x1, y1) in boxes:
        width, height = (v + 2 * ROOM for v in pen.textbbox((0, 0), box.name, font)[2:])
        x = max(0.0, min(x0, picture.width - width))
        places = [(x, y, x + width, y + height) for y in (y0 - height, y1, y0)]
        at = next((p for p in places[:2] if _free(p, picture.height, taken)), places[2])
        taken.append(at)
        pen.rectangle(at, fill=STROKES[box.label])
        pen.text((at[0] + ROOM, at[1] + ROOM), box.name, INK, font)


def _free(place: Corners, height: int, taken: list[Corners]) -> bool:
    x0, y0, x1, y1 = place
    meets = any(x0 < c[2] and c[0] < x1 and y0 < c[3] and c[1] < y1 for c in taken)
    return y0 >= 0 and y1 <= height and not meets
