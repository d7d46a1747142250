"""Fonts of a report, and what they can print."""

from functools import lru_cache
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont

from detector.config import get_config
from detector.errors import UsageError
from detector.sentences import _

FONT = "UNMASK_REPORT_FONT"
"""Environment variable: a TrueType font for scripts that DejaVu lacks (Chinese, Japanese, Korean,
Devanagari …). Without it such letters are printed as their numbers, such as U+4E2D."""

_FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FACES = {
    ("sans", ""): _FOLDER / "DejaVuSans.ttf",
    ("sans", "B"): _FOLDER / "DejaVuSans-Bold.ttf",
    ("mono", ""): _FOLDER / "DejaVuSansMono.ttf",
    ("serif", "B"): _FOLDER / "DejaVuSerif-Bold.ttf",
}
"""File of each family and style; the serif font has no Arabic letters."""
_TURNING = frozenset([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Embeddings, overrides and isolates of bidirectional text, and what ends them."""


def printable(text: str) -> str:
    """Return text with unprintable letters and direction marks replaced by their numbers."""
    known = (_covered(FACES["sans", ""]) | _covered(own_font())) - _TURNING
    return "".join(c if ord(c) in known or c in "\n\t " else f"[U+{ord(c):04X}]" for c in text)


def own_font() -> Path | None:
    """Return the operator's font for more scripts, or None; raise UsageError."""
    if (named := get_config().report_font) is None:
        return None
    path = named.expanduser()
    try:
        with path.open("rb") as file:
            TTFont(file)
    except Exception as error:
        raise UsageError(
            _("{font}: {name} is not a font that we can read.").format(font=FONT, name=path.name)
        ) from error
    return path


@lru_cache(maxsize=4)
def _covered(font: Path | None) -> frozenset[int]:
    if font is None:
        return frozenset()
    with TTFont(font, lazy=True) as opened:
        return frozenset(opened.getBestCmap())
