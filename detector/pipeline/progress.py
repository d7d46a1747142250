"""What an analysis tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from detector.schema.analysis import Analysis, Media

Stage = Literal["read", "faces", "score", "signals", "verdict"]


@dataclass
class Progress:
    """What is known so far; a fresh object each time, safe to keep."""

    stage: Stage
    fraction: float
    """0..1 of the whole run; never falls."""
    seconds: dict[str, float]
    """spent by stage, and "total" so far."""
    moments: int = 0
    moments_total: int = 0
    models: dict[str, tuple[int, int]] = field(default_factory=dict)
    """id -> (scored, known so far)"""
    media: Media | None = None
    partial: Analysis | None = None
    """tracks and scores so far; no verdict."""


Observer = Callable[[Progress], None]
