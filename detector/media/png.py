"""PNG color: gamma and chromaticities (`gAMA`, `cHRM`), applied as browsers do.

Chromium and Firefox treat both together as a color profile, raise samples to 1 / (2.2 * gamma) if
there is a gamma alone, and ignore chromaticities alone. An ICC profile, `sRGB` or `cICP` overrides
them (PNG 3rd edition, 4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from detector.sentences import _

_DISPLAY = 2.2  # the exponent of a display, as browsers assume it
_SAME = 0.05  # by which an exponent may differ from 1 and not be applied, as in libpng
_USUAL = (0.3, 0.75)  # gammas of pictures that are seen nearly alike with and without it
_ROWS = 256  # converted at a time
_MAX_GAMMA = 21474.83

# To XYZ of D50 white from linear sRGB, and Bradford's cone responses (ICC.1:2022, annex E).
_FROM_SRGB = np.array(
    [
        [0.4360657, 0.3851515, 0.1430784],
        [0.2224932, 0.7168870, 0.0606169],
        [0.0139160, 0.0970764, 0.7140961],
    ]
)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


@dataclass(frozen=True)
class Gamma:
    """Color information of a PNG: samples are light to the power of `value`."""

    value: float
    to_srgb: tuple[tuple[float, ...], ...] | None = None  # for linear light; None: sRGB primaries

    @property
    def note(self) -> str | None:
        """Return the note on an unusual gamma, which programs apply differently; else None."""
        if _USUAL[0] <= self.value <= _USUAL[1]:
            return None
        return _("The file states a gamma of {value}: it was judged as browsers show it, and "
            "other programs may show another picture.").format(value=f'{self.value:g}')  # fmt: skip

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Convert colors, uint8 or uint16 [H, W, C] with C 1 or 3, to sRGB uint8."""
        full = 255.0 if rgb.dtype == np.uint8 else 65535.0
        scale = np.arange(full + 1) / full
        if self.to_srgb is None:
            exponent = 1.0 / (_DISPLAY * self.value)
            table = scale if abs(exponent - 1.0) <= _SAME else scale**exponent
            return np.rint(255 * table).astype(np.uint8)[rgb]
        light = (scale ** (1.0 / self.value)).astype(np.float32)
        matrix = np.array(self.to_srgb, np.float32).T
        out = np.empty((*rgb.shape[:2], 3), np.uint8)
        for begin in range(0, len(rgb), _ROWS):
            rows = rgb[begin : begin + _ROWS]
            part = light[np.broadcast_to(rows, (*rows.shape[:2], 3))]
            out[begin : begin + _ROWS] = np.rint(255 * _encoded(part @ matrix))
        return out


def read_gamma(image: Image.Image) -> Gamma | None:
    """Return the gamma and chromaticities of an open PNG; None if absent or overridden."""
    value, points = image.info.get("gamma", 0.0), image.info.get("chromaticity", ())
    overridden = not {"icc_profile", "srgb"}.isdisjoint(image.info)
    if image.format != "PNG" or overridden or not 0 < value <= _MAX_GAMMA:
        return None
    return Gamma(value, _matrix(points) if len(points) == 8 else None)


def _matrix(points: Sequence[float]) -> tuple[tuple[float, ...], ...] | None:
    """Return the matrix from these chromaticities to linear sRGB; None if invalid."""
    white, *primaries = np.array(points).reshape(4, 2)
    if white[1] <= 0 or any(y <= 0 for _x, y in primaries):
        return None
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    shown = np.array([white[0] / white[1], 1.0, (1 - white[0] - white[1]) / white[1]])
    try:
        to_xyz = columns * np.linalg.solve(columns, shown)
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / (_BRADFORD @ shown))
        matrix = np.linalg.inv(_FROM_SRGB) @ adapted @ _BRADFORD @ to_xyz
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(matrix).all():
        return None
    return tuple(tuple(float(x) for x in row) for row in matrix)


def _encoded(light: np.ndarray) -> np.ndarray:
    """Encode linear light as sRGB samples, 0 to 1 (IEC 61966-2-1)."""
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
