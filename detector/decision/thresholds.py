"""A probability and two thresholds -> a label."""

from __future__ import annotations

from detector.schema.analysis import Label, Thresholds


def label_of(probability: float, thresholds: Thresholds) -> Label:
    """Return REAL below `low`, FAKE above `high`, INCONCLUSIVE between and on them."""
    if probability > thresholds.high:
        return Label.FAKE
    if probability < thresholds.low:
        return Label.REAL
    return Label.INCONCLUSIVE
