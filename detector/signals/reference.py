"""What untouched faces measure, and how a measurement reads beside them.

The figures in reference.json are aggregates over untouched training clips and pictures; the
file says of how many, from how many sources.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from detector.schema.analysis import Signal, SignalRating

FILE = Path(__file__).with_name("reference.json")
FEWEST = 20
"""files; a range of fewer says little, and nothing is called usual or unusual by it."""

Side = Literal["low", "high", "both"]


@dataclass(frozen=True)
class Range:
    """Where untouched files lie: percentiles 1, 5, 50, 95 and 99."""

    p1: float
    p5: float
    p50: float
    p95: float
    p99: float
    files: int
    sources: int


@dataclass(frozen=True)
class CurveRange:
    """The same for a row of figures: percentiles 5, 50 and 95 of each, float arrays [N]."""

    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    files: int
    sources: int


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return table


def usual(id: str) -> Range | None:
    """Return what untouched clips measure; None if unknown."""
    row = _table()["ranges"].get(id)
    return Range(**row) if row else None


def curve(id: str, kind: str) -> CurveRange | None:
    """Return the profile or the bands of untouched files of a kind ("video", "image")."""
    row = _table()["curves"].get(kind, {}).get(id)
    if row is None:
        return None
    low, middle, high = (np.array(row[key]) for key in ("p5", "p50", "p95"))
    return CurveRange(low, middle, high, row["files"], row["sources"])


def blink_rate() -> dict[str, float] | None:
    """Return how often people blink: `rate`, `spread` a minute, of how many `files`, `sources`."""
    return _table().get("blinking")


def read(value: float, known: Range | None, side: Side, weak: bool = False) -> SignalRating:
    """Return how a measurement reads.

    usual: within the middle 90 % of untouched files. unusual: beyond 98 % of them. unclear:
    between, or with nothing to compare with.

    Parameters
    ----------
    side : {"low", "high", "both"}
        Where values are out of the ordinary; one below everything may be no cause for concern.
    weak : bool
        The file is so poor that an unusual value is only unclear.
    """
    if known is None or known.files < FEWEST:
        return "unclear"
    low, high = side != "high", side != "low"
    if not (low and value < known.p5) and not (high and value > known.p95):
        return "usual"
    far = (low and value < known.p1) or (high and value > known.p99)
    return "unusual" if far and not weak else "unclear"


@dataclass(frozen=True)
class SignalSpec:
    """A measurement: its name, its unit and its words.

    Attributes
    ----------
    side : {"low", "high", "both"}
        See `read`.
    say : callable
        The value in words.
    unit : str
        In words, after a figure.
    means, low, high : str
        How to read it: inside the range, below, above. `low` or `high` may be empty where that
        side is usual.
    purpose : str
        In a line, what a person finds by it.
    """

    id: str
    title: str
    unit: str
    side: Side
    say: Callable[[float], str]
    means: str
    low: str = ""
    high: str = ""
    purpose: str = ""

    def span(self, known: Range) -> str:
        """Return the usual range in words."""
        low, high = (f"{bound:.2g}".replace("-", "−") for bound in (known.p5, known.p95))
        usual = {"high": f"up to {high}", "low": f"from {low}", "both": f"{low} to {high}"}
        return f"Usual: {usual[self.side]} {self.unit}."

    def signal(
        self,
        value: float,
        track: str | None = None,
        *,
        weak: str = "",
        times: Sequence[float] = (),
        known: Range | None = None,
    ) -> Signal:
        """Return the measurement as a `Signal`.

        Parameters
        ----------
        weak : str
            Why an unusual value of this file says less, if so.
        times : sequence of float
            Moments to look at, s.
        known : Range, optional
            Instead of the one in the reference.
        """
        known = known or usual(self.id)
        reading = read(value, known, self.side, bool(weak))
        how = self.means
        if reading != "usual" and known is not None:
            how = (self.low if value < known.p50 else self.high) or self.means
            how += f" {weak}" if weak else ""
        if known is None:
            how = f"There is no range of untouched files to compare with yet. {self.means}"
        else:
            how += f" {self.span(known)}"
        return Signal(
            id=self.id,
            title=self.title,
            value=self.say(value),
            reading=reading,
            how_to_read=f"{how} {self.purpose}".rstrip(),
            subject=track,
            number=round(float(value), 4),
            unit=self.unit,
            usual=(known.p5, known.p95) if known else None,
            times=[round(float(t), 3) for t in times],
        )

    def absent(self, why: str, track: str | None = None) -> Signal:
        """Return the signal where it could not be measured, and why."""
        return Signal(
            id=self.id,
            title=self.title,
            value="not measured",
            reading="absent",
            how_to_read=why,
            subject=track,
            unit=self.unit,
        )
