"""What a score meant in our tests, and to which side it leans. Numbers only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.schema.analysis import EmpiricalOdds, Lean, OddsPoint

FEWEST = 20
"""clips near a score, for odds to be given"""
LEANS = (0.40, 0.60)
"""of clips with such a score so many were manipulated, at most or at least, for a lean"""


def odds_at(table: Sequence[OddsPoint], logit: float) -> EmpiricalOdds | None:
    """Return the odds of a score, between the points of the table; None where it says too little.

    Beyond its ends the table is level: further out nobody measured.
    """
    if not table:
        return None
    at = [point.logit for point in table]
    share, low, high, clips = (
        float(np.interp(logit, at, [getattr(point, name) for point in table]))
        for name in ("share", "low", "high", "clips")
    )
    if clips < FEWEST:
        return None
    return EmpiricalOdds(share=share, low=low, high=high, clips=int(clips))


def lean_of(odds: EmpiricalOdds | None, probability: float) -> Lean:
    """Return where a score leans: by its odds, or by itself where there are none."""
    share = odds.share if odds else probability
    if share >= LEANS[1]:
        return Lean.MANIPULATED
    return Lean.UNTOUCHED if share <= LEANS[0] else Lean.NONE
