"""Are the two the same recording? A place looks alike in every recording made there; what moves in
it does so only once.

So the rest of the picture has to agree in place (most of its textured tiles correlate) and in time
(it changes from moment to moment as the original does). Faces are left out: they may be swapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.comparison.measure import RIM, MeasuredMoment, luma, tile_sums

TILE_ALIKE = 0.7
"""Correlation from which a tile shows the same."""
MOMENT_ALIKE, LEAST_ALIKE = 0.6, 0.2
"""Share of the tiles from which a moment does; and where all that moves moves alike, so that what
was laid over a part of the picture doesn't count."""
MOST_ALIKE = 0.9
"""Median share of the tiles from which nearly all show the same."""
MOST = 0.6
"""Share of the moments from which a file does."""
MOTION, OVER_NOISE = 2.0, 3.0
"""Gray levels of change within a tile (root mean square) from which motion can be told, and the
same in multiples of what stands still differs by."""
FEWEST_MOVING = 4
"""tiles in which something has to move to tell"""
STILL, LAID_OVER = 0.85, 0.15
"""Share of the tiles that show the same where nothing differs though motion is hard to tell; share
of the original's change under which the copy's tile stands still: something was laid over it."""
MANY_MOVING = 12
"""tiles in which something has to move before it is asked of how many of them it moves alike"""
SURE_MOTION = 0.93
"""Correlation under which a quarter of the tiles in which something moves stay where both are
surely the same recording: of 152 pairs of two moments of one take 0.90 was the most."""
CLEAR_MOTION, STRONG_MOTION, LEAST_STRONG = 0.79, 0.7, 0.5
"""The same of the half that moves most, where a face may be said to differ slightly, where it may
be said to differ, and where they are the same at all."""
SAME_MOTION, ALL_MOTION, SOME_MOTION = 0.75, 0.85, 0.6
"""Median correlation of changes from which both show the same motion, from which they surely do,
and from which they do where nearly every tile shows the same."""


@dataclass(frozen=True)
class Sameness:
    """How alike the rest of both is."""

    place: tuple[float, ...]
    """0..1 for each moment: share of its tiles that correlate"""
    motion: float | None
    """-1..1: median correlation over tiles of what changes from moment to moment; None: too little
    does"""
    steady: float | None = None
    """-1..1: the lower quartile of the same; None: few tiles tell"""
    strong: float | None = None
    """-1..1: that of the half of the tiles in which most moves"""

    @property
    def surely(self) -> bool:
        """Whether so much moves so much alike that no other recording could."""
        return self.steady is not None and self.steady >= SURE_MOTION

    @property
    def clearly(self) -> bool:
        """Whether enough moves alike to say that a face differs by little."""
        return self.same and self.strong is not None and self.strong >= CLEAR_MOTION

    @property
    def may_accuse(self) -> bool:
        """Whether what moves moves as much alike as somebody has to be sure of who says that a face
        differs: in another moment of the same take it does, too."""
        return self.surely or self.strong is None or self.strong >= STRONG_MOTION

    @property
    def moments(self) -> tuple[bool, ...]:
        """Which moments show the same."""
        alike = LEAST_ALIKE if (self.motion or 0.0) >= ALL_MOTION else MOMENT_ALIKE
        return tuple(share >= alike for share in self.place)

    @property
    def same(self) -> bool:
        """Whether both are the same recording."""
        seen = self.moments
        if not seen or sum(seen) < MOST * len(seen) or self._moves_otherwise:
            return False
        least = SOME_MOTION if float(np.median(self.place)) >= MOST_ALIKE else SAME_MOTION
        return self.motion is None or self.motion >= least

    @property
    def still(self) -> bool:
        """Whether nearly every tile shows the same: little that moves can be told from noise."""
        alike = bool(self.place) and float(np.median(self.place)) >= STILL
        return alike and not self._moves_otherwise

    @property
    def _moves_otherwise(self) -> bool:
        return self.strong is not None and self.strong < LEAST_STRONG


def sameness(moments: Sequence[MeasuredMoment], originals: Sequence[np.ndarray]) -> Sameness:
    """Return how alike moments are; `originals` have the copy's colors, float32 [H, W, 3]."""
    place = tuple(_share(moment.alike) for moment in moments)
    copies = [luma(moment.layers.copy) for moment in moments]
    theirs = [luma(original) for original in originals]
    masks = [m.layers.rest(RIM) for m in moments]
    # What was put between moments of the original tells nothing of how they move.
    told = [k for k, share in enumerate(place) if share >= MOMENT_ALIKE]
    if len(told) < max(2, MOST * len(moments)):
        told = list(range(len(moments)))
    both, ours_only, theirs_only, pixels = (
        np.zeros(moments[0].tiles.shape) if moments else np.zeros((1, 1)) for _ in range(4)
    )
    for k, i in enumerate(told[:-1]):
        for j in {told[k + 1], told[(k + len(told) // 2) % len(told)]} - {i}:
            mask = (masks[i] & masks[j]).astype(np.float32)
            a, b = (theirs[j] - theirs[i]) * mask, (copies[j] - copies[i]) * mask
            both += tile_sums(a * b)
            theirs_only += tile_sums(a * a)
            ours_only += tile_sums(b * b)
            pixels += tile_sums(mask)
    # Motion of the original: where something still lies over the copy, it doesn't move there.
    least = max(MOTION, OVER_NOISE * _noise(moments))
    moving = (theirs_only > least**2 * np.maximum(pixels, 1.0)) & (pixels > 0)
    covered = moving & (ours_only < LAID_OVER * theirs_only)
    if covered.sum() < 0.5 * moving.sum():
        moving &= ~covered
    if moving.sum() < FEWEST_MOVING:
        return Sameness(place, None)
    alike = both[moving] / np.sqrt(np.maximum(ours_only, 1e-6) * theirs_only)[moving]
    frozen = covered.sum() >= 0.5 * max(1, (moving | covered).sum())  # by an encoder of few bits
    if len(alike) < MANY_MOVING or frozen:
        return Sameness(place, float(np.median(alike)))
    energy = theirs_only[moving] / pixels[moving]
    most = alike[energy >= np.median(energy)]
    low, middle = (float(x) for x in np.percentile(alike, [25, 50]))
    return Sameness(place, middle, low, float(np.percentile(most, 25)))


def _noise(moments: Sequence[MeasuredMoment]) -> float:
    """Return the gray levels by which the quarter of the tiles that differs least does."""
    levels = [m.levels[np.isfinite(m.levels)] for m in moments]
    told = np.concatenate([*levels, np.zeros(0)])
    return float(np.percentile(told, 25)) if len(told) else 0.0


def _share(alike: np.ndarray) -> float:
    """Return the share of tiles that show the same; 1 where nothing tells."""
    told = alike[np.isfinite(alike)]
    return float((told > TILE_ALIKE).mean()) if len(told) else 1.0
