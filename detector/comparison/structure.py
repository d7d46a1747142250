"""Do both show the same shapes, whatever they differ by in gray levels?

Who makes a whole picture anew softens all of it as an encoder of few bits does, so that gray levels
tell the two apart no longer. Shapes do: an encoder draws flat what it can't draw, and moves no lip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.comparison import measure, originals
from detector.comparison.grading import Colors
from detector.comparison.measure import RIM, Layers, MeasuredMoment, luma
from detector.schema.comparison import ComparisonFinding

FACE_WIDTH = 72
"""px to which faces are brought: lids and lips are seen"""
INSIDE = 0.95
"""of a face's ellipse"""
SAME_SHAPES = 0.92
"""Correlation from which nothing else may be said to differ: of 60 untouched copies at CRF 18 to 40
one had less (the half for tuning)."""


def checked(
    finding: ComparisonFinding, moments: Sequence[MeasuredMoment], colors: Colors
) -> ComparisonFinding:
    """Return a finding as it stands, but for one that nothing differs where shapes do: whether a
    face was changed can't be said then."""
    if finding not in (ComparisonFinding.NOTHING_DIFFERS, ComparisonFinding.TRANSFORMED):
        return finding
    alike = likeness(moments, colors)
    lost = alike is not None and alike < SAME_SHAPES
    return ComparisonFinding.NOT_COMPARABLE if lost else finding


def likeness(moments: Sequence[MeasuredMoment], colors: Colors) -> float | None:
    """Return how alike shapes are, -1..1: the mean correlation of tiles, of each face and of the
    rest, whichever is least in the median of its moments. None where no face is seen.

    Parameters
    ----------
    moments : sequence of MeasuredMoment
    colors : Colors
        Those that the copy gave the original's.
    """
    pairs = [moment.pair for moment in moments]
    if not any(pair.faces for pair in pairs):
        return None
    scale = measure.scale_of(pairs, FACE_WIDTH)
    layers = [measure.layers(pair, scale) for pair in pairs]
    graded = originals.matched(layers, [colors(layer.original) for layer in layers])
    softer = measure.softer_of(layers, graded)
    alike: dict[int | None, list[float]] = {}
    for layer, original in zip(layers, graded, strict=True):
        a, b = (luma(rgb) for rgb in measure.softened(layer, original, softer))
        for part, mask in _parts(layer):
            tiles = measure.correlation(a, b, mask)
            if np.isfinite(tiles).any():
                alike.setdefault(part, []).append(float(np.nanmean(tiles)))
    # What was taken for somebody else once tells nothing.
    fewest = min(2, len(layers))
    told = [values for values in alike.values() if len(values) >= fewest]
    return min((float(np.median(values)) for values in told), default=None)


def _parts(layer: Layers) -> list[tuple[int | None, np.ndarray]]:
    """Return where each face is, by its number, and where no head is, by None."""
    faces: list[tuple[int | None, np.ndarray]] = [
        (number, layer.region(face, INSIDE)) for number, face in layer.faces
    ]
    return [*faces, (None, layer.rest(RIM))]
