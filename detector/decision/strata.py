"""Material unlike what thresholds and odds were measured on, and the answers it may not get.

The limits are quantiles of 140 clips of the calibration; how far each kind moves untouched scores
is in `docs/experiments.md` ("Thresholds and material").
"""

from enum import StrEnum
from statistics import median

from detector.decision.material import bits_per_pixel
from detector.schema.analysis import Analysis, Modality, Subject

SMOOTH = 25.0
"""Variance of the Laplacian at 128 px (`Quality.sharpness`); one clip of 20 has less."""
GRAINY = 3.0
"""gray levels (`Quality.grain`): none has more, 98 of 100 have less than 2.3"""
HEAVY, EFFICIENT = 0.03, 2 / 3
"""bits per pixel and frame of a video under which an encoder leaves little, and the share of that
which newer codecs need: CRF 40 leaves 0.005 to 0.03, CRF 20 0.06 to 0.31"""
NEWER = ("hevc", "vp9", "av1", "vvc")
PALETTE = 256
"""colors"""


class Stratum(StrEnum):
    """A kind of material that the calibration hardly saw."""

    SMOOTH = "smooth"
    GRAINY = "grainy"
    FEW_COLORS = "few_colors"
    HEAVY_COMPRESSION = "heavy_compression"
    INTERLACED = "interlaced"

    @property
    def misleads(self) -> bool:
        """Whether material moves untouched faces' scores (smooth, noisy) and allows no verdict."""
        return self in (Stratum.SMOOTH, Stratum.GRAINY)


def strata(analysis: Analysis, subject: Subject) -> tuple[Stratum, ...]:
    """Return in what a face's material is unlike the calibration's."""
    if subject.modality is not Modality.FACE or not subject.frames:
        return ()
    media = analysis.media
    good = [f.quality for f in subject.frames if f.usable] or [f.quality for f in subject.frames]
    grain = [q.grain for q in good if q.grain is not None]
    bits = bits_per_pixel(media) if media.kind == "video" else None
    enough = HEAVY * (EFFICIENT if media.codec in NEWER else 1.0)
    found = {
        Stratum.SMOOTH: median(q.sharpness for q in good) < SMOOTH,
        Stratum.GRAINY: bool(grain) and median(grain) > GRAINY,
        Stratum.FEW_COLORS: media.colors is not None and media.colors <= PALETTE,
        Stratum.HEAVY_COMPRESSION: bits is not None and bits < enough,
        Stratum.INTERLACED: media.interlaced,
    }
    return tuple(stratum for stratum, holds in found.items() if holds)
