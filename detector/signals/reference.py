"""Reference ranges: measurements of untouched faces, and the reading of a value against them.

The figures in reference.json are aggregates over untouched training clips and pictures; the file
states their numbers and sources."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from detector.schema.analysis import Signal, SignalRating
from detector.sentences import _, join, numeral, say
from detector.sentences import known as known_text

FILE = Path(__file__).with_name("reference.json")
FAMILY = "family"  # Id of the signal of fakes alone
FEWEST = 20
"""minimum number of files of a range; with fewer nothing is called usual or unusual."""

Side = Literal["low", "high", "both"]

UNKNOWN = _("There is no range of untouched files to compare with yet.")
SOFT = _("A small or soft face can look alike.")
ABSENT = _("not measured")


@dataclass(frozen=True)
class Range:
    """Percentiles 1, 5, 50, 95 and 99 of untouched files."""

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
    return json.loads(FILE.read_text(encoding="utf-8"))


def usual(id: str, material: str = "") -> Range | None:
    """Return the range of untouched clips of this `material`, or of all if it is unknown; None
    without one."""
    row = _table()["materials"].get(material, {}).get(id) or _table()["ranges"].get(id)
    return Range(**row) if row else None


def material_of(width: float, bits: float | None) -> str:
    """Return the key of clips of a like size and compression: `width` of the face, px, and `bits`
    for each pixel of a frame."""
    limits = _table()["limits"]
    size = "small" if width < limits["width"] else "large"
    return f"{size}, {'heavy' if bits is None or bits < limits['bits'] else 'light'}"


def worth(id: str) -> str:
    """Return how well a signal separates fakes from genuine clips of sources left out; "" if not
    measured."""
    row = _table()["auc"].get(id)
    if row is None:
        return ""
    text = _("AUC {value} [{low}, {high}]: does not tell fakes from genuine clips.")
    if row["low"] > 0.5 or row["high"] < 0.5:
        text = _("AUC {value} [{low}, {high}]: tells fakes from genuine clips poorly.")
        if row["high"] < 0.5:
            text = _("AUC {value} [{low}, {high}]: fakes measure lower, a little more often.")
    return text.format(**{name: numeral(row[name], ".2f") for name in ("value", "low", "high")})


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


def lips_fit() -> dict[str, Any]:
    """Return the layer over the features of lips and voice (`python -m lab.bench.signals`)."""
    return _table()["lips"]


def read(value: float, known: Range | None, side: Side, weak: bool = False) -> SignalRating:
    """Return the reading of a measurement. usual: within the middle 90 % of untouched files.
    unusual: beyond 98 % of them. unclear: between, or without a range. `side` is the unusual side;
    values on the other one may be no cause for concern. `weak`: the file is so poor that an unusual
    value is only unclear."""
    if known is None or known.files < FEWEST:
        return "unclear"
    low, high = side != "high", side != "low"
    if not (low and value < known.p5) and not (high and value > known.p95):
        return "usual"
    far = (low and value < known.p1) or (high and value > known.p99)
    return "unusual" if far and not weak else "unclear"


@dataclass(frozen=True)
class SignalSpec:
    """A measurement: its name, its unit and its words."""

    id: str
    title: str
    unit: str  # in words, after a figure
    side: Side  # see `read`
    say: str  # the value in words, with `{value}` in it
    means: str  # how to read it inside the range
    low: str = ""  # text for values below; empty if they are usual
    high: str = ""  # text for values above; empty if they are usual
    purpose: str = ""  # one line on its use

    def span(self, usual: tuple[float, float]) -> str:
        """Return the usual range as text."""
        low, high = (numeral(bound, ".2g") for bound in usual)
        text = {
            "high": _("Usual: up to {high} {unit}."),
            "low": _("Usual: from {low} {unit}."),
            "both": _("Usual: {low} to {high} {unit}."),
        }[self.side]
        return text.format(low=low, high=high, unit=say(self.unit))

    @property
    def texts(self) -> tuple[str, ...]:
        """Return its texts, to be translated."""
        every = self.title, self.unit, self.say, self.means, self.low, self.high, self.purpose
        return tuple(filter(None, every))

    def signal(
        self,
        value: float,
        track: str | None = None,
        *,
        weak: str = "",
        times: Sequence[float] = (),
        known: Range | None = None,
    ) -> Signal:
        """Return the measurement as a `Signal`. `weak` is why an unusual value of this file is less
        reliable, `times` are relevant times, s; `known` replaces the range of the reference."""
        known = known or usual(self.id)
        reading = read(value, known, self.side, bool(weak))
        if known is None:
            how = [UNKNOWN, known_text(self.means)]
        else:
            how = [known_text(self.means), self.span((known.p5, known.p95))]
            if reading != "usual":
                means = (self.low if value < known.p50 else self.high) or self.means
                how[:1] = [known_text(means), weak]
        return Signal(
            id=self.id,
            title=self.title,
            value=known_text(self.say).format(value=float(value)),
            reading=reading,
            how_to_read=join(*how, known_text(self.purpose), worth(self.id)),
            subject=track,
            number=round(float(value), 4),
            unit=self.unit,
            usual=(known.p5, known.p95) if known else None,
            times=[round(float(t), 3) for t in times],
        )

    def absent(self, why: str, track: str | None = None) -> Signal:
        """Return the signal without a measurement, with the reason."""
        return Signal(
            id=self.id,
            title=self.title,
            value=ABSENT,
            reading="absent",
            how_to_read=why,
            subject=track,
            unit=self.unit,
        )
