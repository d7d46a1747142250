"""Box drawing: dash patterns make labels readable without color."""

import numpy as np

from detector.schema.codes import Label

Color = tuple[int, int, int]  # R, G, B, 0..255
_DASHES: dict[Label, tuple[int, int]] = {
    Label.FAKE: (1, 0),
    Label.PROBABLY_FAKE: (10, 3),
    Label.INCONCLUSIVE: (2, 5),
    Label.PROBABLY_REAL: (12, 8),
    Label.REAL: (16, 8),
    Label.NOT_APPLICABLE: (6, 6),
}
"""Drawn and left out, in line widths."""


def outline(
    out: np.ndarray, box: tuple[int, ...], label: Label, color: Color, line: int
) -> None:  # fmt: skip
    """Draw a rectangle into a picture [H, W, 3], `line` px wide, in the dashes of its label: pixels
    are set side by side, no loop over them."""
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
